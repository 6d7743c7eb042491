package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher"
)

// The running daemon listens on a unix socket beside the ledger, which whoever
// may read the ledger finds, also in the same container or volume. A connection
// is for one question and its answers, each a line of JSON.

const (
	// controlLimit bounds a question and each answer, but for the wait for polls.
	controlLimit = 10 * time.Second
	// acceptPause is after a connection that could not be taken.
	acceptPause = 100 * time.Millisecond
)

// order is what the daemon is asked for.
type order struct {
	Poll []string `json:"poll"` // names of accounts; none: all
	Wait bool     `json:"wait"` // for the ends of the polls
}

// answer is what came of it.
type answer struct {
	Error string `json:"error,omitempty"`
	Usage bool   `json:"usage,omitempty"` // the question was wrong
	Polls int    `json:"polls,omitempty"` // how many ends of polls follow
}

// pollEnd is the end of a poll, in the words of run --once.
type pollEnd struct {
	Summary   string `json:"summary"`
	Complaint string `json:"complaint,omitempty"`
	TryAgain  bool   `json:"try_again,omitempty"`
}

// controlPath is the socket of a configuration.
func controlPath(cfg *config.Config) string { return cfg.State + ".sock" }

// control is the daemon's side of the socket.
type control struct {
	l     *net.UnixListener
	path  string
	info  os.FileInfo
	poll  poll
	conns sync.WaitGroup

	stopping chan struct{} // nobody waits any more
}

// poll has accounts polled, as front.ask.
type poll func(accounts ...string) (results <-chan fetcher.Result, n int, err error)

// newControl listens. The socket comes to its place when only its owner may
// use it, over one that an earlier process left.
func newControl(path string, poll poll) (*control, error) {
	fresh := path + ".new"
	_ = os.Remove(fresh) // of a process that was killed; what hinders shows below
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: fresh, Net: "unix"})
	if err != nil {
		return nil, err
	}
	l.SetUnlinkOnClose(false)
	c := &control{l: l, path: path, poll: poll, stopping: make(chan struct{})}
	if err = os.Chmod(fresh, 0o600); err == nil {
		err = os.Rename(fresh, path)
	}
	if err == nil {
		c.info, err = os.Stat(path)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	c.conns.Go(c.serve)
	return c, nil
}

// serve answers until the socket is closed.
func (c *control) serve() {
	for {
		conn, err := c.l.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil: // no file descriptor is free, say; later one is
			time.Sleep(acceptPause)
			continue
		}
		c.conns.Go(func() {
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(controlLimit)) // else the read has no end, but that of the process
			c.reply(conn)
		})
	}
}

// reply answers a question. Errors mean that whoever asked has gone.
func (c *control) reply(conn net.Conn) {
	a, wait, results := c.obey(conn)
	out := json.NewEncoder(conn)
	if err := out.Encode(a); err != nil || !wait {
		return
	}
	_ = conn.SetDeadline(time.Time{}) // a poll may take hours, and each answer has a limit of its own
	gone := make(chan struct{})
	c.conns.Go(func() {
		defer close(gone)
		_, _ = conn.Read(make([]byte, 1)) // nothing more is said: this is the end
	})
	for range a.Polls {
		select {
		case res := <-results:
			_ = conn.SetWriteDeadline(time.Now().Add(controlLimit))
			if out.Encode(pollEnd{res.Summary(), complaint(res), res.TryAgain()}) != nil {
				return
			}
		case <-gone:
			return
		case <-c.stopping:
			return
		}
	}
}

// obey does what a question asks for.
func (c *control) obey(conn net.Conn) (a answer, wait bool, results <-chan fetcher.Result) {
	var o order
	line, err := bufio.NewReaderSize(conn, 64<<10).ReadSlice('\n')
	if err == nil {
		err = json.Unmarshal(line, &o)
	}
	if err != nil {
		return answer{Error: "this is no question of popferry poll: " + err.Error(), Usage: true}, false, nil
	}
	results, n, err := c.poll(o.Poll...)
	switch {
	case err != nil:
		return answer{Error: err.Error(), Usage: !errors.Is(err, errNotNow)}, false, nil
	case o.Wait:
		return answer{Polls: n}, true, results
	}
	return answer{}, false, nil
}

// close ends it, and takes the socket away if it is not another process's.
func (c *control) close() {
	if now, err := os.Stat(c.path); err == nil && os.SameFile(now, c.info) {
		_ = os.Remove(c.path) // the next process replaces it
	}
	_ = c.l.Close()
	close(c.stopping)
	c.conns.Wait()
}

// startControl listens for popferry poll; that it cannot is no reason to stop.
func (d *daemon) startControl(cfg *config.Config) (end func()) {
	c, err := newControl(controlPath(cfg), d.page.ask)
	if err != nil {
		d.log.Warn("popferry poll will not reach this process", slog.Any("error", err))
		return func() {}
	}
	return c.close
}
