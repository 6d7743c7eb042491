package daemon

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/printable"
)

// The running daemon listens on a Unix socket beside the ledger. Anyone who may
// read the ledger finds it there, also in the same container or volume. A
// connection is for one request and its responses, each a line of JSON.

const (
	// exchangeTimeout bounds a request and each response, but not the wait for
	// polls.
	exchangeTimeout = 10 * time.Second
	// acceptPause follows a failure to accept a connection.
	acceptPause = 100 * time.Millisecond
	// maxRequest is the longest request, in octets.
	maxRequest = 64 << 10
)

// request asks the daemon to poll, or how it is.
type request struct {
	Poll   []string `json:"poll"`             // names of accounts; none: all
	Wait   bool     `json:"wait"`             // for the results
	Health bool     `json:"health,omitempty"` // nothing is polled
}

// response is the answer to a request.
type response struct {
	Error string `json:"error,omitempty"`
	Usage bool   `json:"usage,omitempty"` // the request was wrong
	Polls int    `json:"polls,omitempty"` // how many results follow

	// Health is how the daemon is, if that was the request.
	Health *health `json:"health,omitempty"`
}

// health is how a daemon is.
type health struct {
	Since   time.Time `json:"since"`             // when it was started
	Problem string    `json:"problem,omitempty"` // why it does not work; "": it does
	Process int       `json:"process,omitempty"` // its number there; 0: not known
	Host    string    `json:"host,omitempty"`    // the machine or container
	Config  string    `json:"config,omitempty"`  // the configuration's file there
}

// where says which process that is.
func (h health) where() string {
	return printable.Line(fmt.Sprintf("process %d on %s, with %s", h.Process, h.Host, h.Config))
}

// PollResult is the result of a poll, in the words of run --once.
type PollResult struct {
	Summary   string `json:"summary"`
	Problem   string `json:"complaint,omitempty"` // and what to do
	TryAgain  bool   `json:"try_again,omitempty"`
	NotPolled bool   `json:"not_polled,omitempty"` // a new configuration does not have the account; there is no summary
}

func newPollResult(res fetcher.Result) PollResult {
	if errors.Is(res.Err, errNotPolled) {
		return PollResult{NotPolled: true, Problem: fmt.Sprintf("%s: not polled: %v; popferry status lists the accounts as they are now", res.Account, res.Err)}
	}
	return PollResult{Summary: report.PollLine(res), Problem: report.ProblemLine(res), TryAgain: res.TryAgain()}
}

// socketPath returns the socket of a configuration.
func socketPath(cfg *config.Config) string { return cfg.Beside(".sock") }

// socket is the daemon's side of the control socket.
type socket struct {
	listener *net.UnixListener
	path     string
	info     os.FileInfo
	poll     pollFunc
	health   func() health
	conns    sync.WaitGroup
	stopping chan struct{} // closed: nobody waits for polls any more
}

// pollFunc requests polls, as daemon.requestPolls.
type pollFunc func(accounts ...string) (results <-chan fetcher.Result, n int, err error)

// listenForClients serves popferry poll, status and healthy until the returned function is called.
// If it cannot listen, the daemon runs without.
func (d *daemon) listenForClients(cfg *config.Config) (end func()) {
	s, err := newSocket(socketPath(cfg), d.requestPolls, d.health)
	if err != nil {
		d.Log.Warn("popferry poll cannot reach this process", "error", err)
		return func() {}
	}
	return s.close
}

// newSocket listens. The socket is moved to its path only when its mode allows
// nobody but its owner; it replaces one that an earlier process left there.
func newSocket(path string, poll pollFunc, health func() health) (*socket, error) {
	fresh := path + ".new"
	_ = os.Remove(fresh) // of a process that was killed; another error shows below
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	s := &socket{listener: l, path: path, poll: poll, health: health, stopping: make(chan struct{})}
	if err = os.Chmod(fresh, 0o600); err == nil {
		err = os.Rename(fresh, path)
	}
	if err == nil {
		s.info, err = os.Stat(path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	s.conns.Go(s.serve)
	return s, nil
}

// serve answers requests until the socket is closed.
func (s *socket) serve() {
	for {
		conn, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // out of file descriptors, for example: there will be one later
			time.Sleep(acceptPause)
			continue
		}
		s.conns.Go(func() {
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(exchangeTimeout)) // it cannot fail before the connection is closed
			s.answer(conn)
		})
	}
}

// answer handles a request and writes what it leads to. An error means that the
// client has gone.
func (s *socket) answer(conn net.Conn) {
	first, results := s.handle(conn)
	out := json.NewEncoder(conn)
	if err := out.Encode(first); err != nil || results == nil {
		return
	}
	_ = conn.SetDeadline(time.Time{}) // a poll may take hours; each response has a deadline of its own
	gone := make(chan struct{})
	s.conns.Go(func() {
		defer close(gone)
		_, _ = conn.Read(make([]byte, 1)) // the client sends nothing more: this is its end
	})
	for range first.Polls {
		select {
		case res := <-results:
			_ = conn.SetWriteDeadline(time.Now().Add(exchangeTimeout))
			if out.Encode(newPollResult(res)) != nil {
				return
			}
		case <-gone:
			return
		case <-s.stopping:
			return
		}
	}
}

// handle reads a request and does what it asks for. The results are nil if the
// client does not wait for them.
func (s *socket) handle(conn net.Conn) (response, <-chan fetcher.Result) {
	var r request
	line, err := bufio.NewReaderSize(conn, maxRequest).ReadSlice('\n')
	if err == nil {
		err = json.Unmarshal(line, &r)
	}
	if err != nil {
		return response{Error: "this is not a request of popferry poll: " + err.Error(), Usage: true}, nil
	}
	if r.Health {
		h := s.health()
		return response{Health: &h}, nil
	}
	results, n, err := s.poll(r.Poll...)
	switch {
	case err != nil:
		return response{Error: err.Error(), Usage: !errors.Is(err, errNoConfig)}, nil
	case r.Wait:
		return response{Polls: n}, results
	}
	return response{}, nil
}

// close ends it, and removes the socket unless another process has replaced it.
func (s *socket) close() {
	if now, err := os.Stat(s.path); err == nil && os.SameFile(now, s.info) {
		_ = os.Remove(s.path) // the next process replaces it
	}
	_ = s.listener.Close()
	close(s.stopping)
	s.conns.Wait()
}
