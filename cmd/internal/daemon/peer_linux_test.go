package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/cmd/internal/trust"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// impostor listens at a path as another user, which only root can do. It takes one
// connection, and says how many octets it was sent.
func impostor(t *testing.T, path string, uid int) (octets <-chan int) {
	t.Helper()
	sent := make(chan int, 1)
	listening := make(chan error)
	done := make(chan struct{})
	var l net.Listener
	go func() {
		defer close(done)
		// The thread has another user from here on, and ends with the goroutine:
		// it is not unlocked.
		runtime.LockOSThread()
		if _, _, e := syscall.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), uintptr(uid), ^uintptr(0)); e != 0 {
			listening <- e
			return
		}
		var err error
		l, err = net.Listen("unix", path)
		listening <- err
		if err != nil {
			return
		}
		conn, err := l.Accept()
		if err != nil {
			return
		}
		n, _ := conn.Read(make([]byte, 100))
		_ = conn.Close()
		sent <- n
	}()
	if err := <-listening; err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(); <-done })
	return sent
}

// Whoever can write to the folder can put a socket there. It is asked nothing.
func TestSocketOfAnotherUser(t *testing.T) {
	t.Parallel()
	const stranger = 54321
	if os.Geteuid() != 0 { // then everybody else is the stranger
		cfg := answering(t, func(...string) (<-chan fetcher.Result, int, error) { return nil, 0, nil })
		conn, err := net.Dial("unix", socketPath(cfg))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if err := checkPeer(conn.(*net.UnixConn), socketPath(cfg), trust.As(os.Geteuid()+1, false)); err == nil {
			t.Error("the socket of another user is believed")
		}
		return
	}
	dir := t.TempDir()
	for _, d := range []string{filepath.Dir(dir), dir} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chown(dir, stranger, -1); err != nil {
		t.Fatal(err)
	}
	cfg := &config.Config{State: filepath.Join(dir, "popferry.db")}
	octets := impostor(t, socketPath(cfg), stranger)
	err := RequestPolls(t.Context(), cfg, nil, nil)
	if _, ok := errors.AsType[*app.ConfigError](err); !ok || !strings.Contains(err.Error(), "what answers on "+socketPath(cfg)+" runs as another user (uid 54321), so it was asked nothing") {
		t.Errorf("got %v, want an error that names the user", err)
	}
	if n := <-octets; n != 0 {
		t.Errorf("%d octets were sent to it, want none", n)
	}
}

// Nothing that comes from the socket acts on a terminal.
func TestAnswersAreEscaped(t *testing.T) {
	t.Parallel()
	cfg, err := app.Load(oneAccount(t, testworld.POP3(t, pop3test.Options{}), testworld.SMTP(t, smtptest.Options{})))
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socketPath(cfg))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	const evil = "\x1b]0;owned\a\u009b\u202e"
	answers := [][]any{
		{response{Error: evil}},
		{response{Error: evil, Usage: true}},
		{response{Polls: 1}, PollResult{Summary: evil, Problem: evil}},
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		for _, answer := range answers {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_ = json.NewDecoder(conn).Decode(new(request))
			for _, line := range answer {
				_ = json.NewEncoder(conn).Encode(line)
			}
			_ = conn.Close()
		}
	}()
	for range answers {
		said := ""
		err := RequestPolls(t.Context(), cfg, nil, func(r PollResult) error {
			said += r.Summary + r.Problem
			return nil
		})
		said += fmt.Sprint(err)
		if strings.ContainsAny(said, evil[:1]+"\a\u009b\u202e") || !strings.Contains(said, "?]0;owned") {
			t.Errorf("it says %q, want it without what acts on a terminal", said)
		}
	}
	<-served
}
