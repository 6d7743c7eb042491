package pop3_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// pipelined fetches and deletes all messages with a window of commands ahead:
// while one is read, the next are on their way. It returns their octets.
func pipelined(t *testing.T, c *pop3.Client, window int) []string {
	t.Helper()
	ctx := t.Context()
	must(t, c.Ahead(ctx, pop3.UidlCommand(), pop3.ListCommand()))
	l, err := c.Listing(ctx)
	must(t, err)
	var bodies []string
	asked := 0
	ask := func() {
		for ; asked < len(l.Entries) && c.Outstanding() < window; asked++ {
			e := l.Entries[asked]
			must(t, c.Ahead(ctx, pop3.RetrCommand(e.Number), pop3.ConfirmCommand(e)))
		}
	}
	for _, e := range l.Entries {
		ask()
		b, err := c.Retr(ctx, e.Number)
		must(t, err)
		ask() // while it is open
		octets, err := io.ReadAll(b)
		must(t, err)
		must(t, c.Confirm(ctx, e))
		bodies = append(bodies, string(octets))
	}
	var deletions []pop3.Command
	for _, e := range l.Entries {
		deletions = append(deletions, pop3.DeleCommand(e.Number))
	}
	must(t, c.Ahead(ctx, append(deletions, pop3.QuitCommand())...))
	for _, e := range l.Entries {
		must(t, c.Dele(ctx, e.Number))
	}
	must(t, c.Quit(ctx))
	return bodies
}

func TestPipelinedMessagesArriveInOrder(t *testing.T) {
	t.Parallel()
	for _, window := range []int{1, 2, 10, 200} {
		s := start(t, pop3test.Options{})
		s.Add("leo", box(100)...)
		for i, body := range pipelined(t, logIn(t, s), window) {
			if body != string(message(i+1)) {
				t.Errorf("window %d: message %d is %q", window, i+1, body)
			}
		}
		if left := len(s.Messages("leo")); left != 0 || s.MostWaiting() == 0 {
			t.Errorf("window %d: %d left, %d waiting", window, left, s.MostWaiting())
		}
	}
}

// A client that waits for each reply is not pipelining.
func TestWaitingClientIsNotPipelining(t *testing.T) {
	t.Parallel()
	for _, mode := range []pop3test.Pipelining{pop3test.PipeliningWorks, pop3test.PipeliningDiscards, pop3test.PipeliningCloses} {
		s := start(t, pop3test.Options{Pipelining: mode})
		s.Add("leo", box(3)...)
		if out := poll(t, s, pop3.Options{}); out.err != nil || len(out.bodies) != 3 || s.MostWaiting() != 0 {
			t.Errorf("mode %d: %v, %d bodies, %d waiting", mode, out.err, len(out.bodies), s.MostWaiting())
		}
	}
}

// Servers that offer what they cannot do: one clear error, in time.
func TestFailedPipeliningIsOneErrorInTime(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		mode  pop3test.Pipelining
		first bool // the first reply comes
		want  error
	}{
		{pop3test.PipeliningDiscards, true, os.ErrDeadlineExceeded},
		{pop3test.PipeliningCloses, false, io.ErrUnexpectedEOF},
	} {
		s := start(t, pop3test.Options{Pipelining: tt.mode})
		s.Add("leo", box(2)...)
		c := dial(t, s, pop3.Options{Timeout: 5 * time.Second})
		_, err := c.Greeting(t.Context())
		must(t, err)
		must(t, c.Login(t.Context(), leo))
		must(t, c.Ahead(t.Context(), pop3.RetrCommand(1), pop3.RetrCommand(2)))
		if tt.first {
			if got, err := retr(t, c, 1); got != string(message(1)) || err != nil {
				t.Errorf("mode %d: %q, %v", tt.mode, got, err)
			}
		}
		if err := c.Skip(t.Context(), 1<<20); !errors.Is(err, tt.want) || c.Err() == nil {
			t.Errorf("mode %d: %v", tt.mode, err)
		}
	}
}

// Dovecot has PIPELINING, and messages of all sizes come through it as they
// are, behind refusals and what is skipped.
func TestDovecotPipelining(t *testing.T) {
	t.Parallel()
	d := startDovecot(t)
	for _, secure := range []bool{false, true} {
		want := make(map[string]bool)
		for i, lines := range append([]int{0, 1, 100_000, 10, 2_000_000, 500}, make([]int, 200)...) {
			text := fmt.Sprintf("Subject: %d, %v\r\n\r\n.dot\r\n%s", i, secure, strings.Repeat("a\r\n", lines))
			want[text] = true
			d.deliver(t, fmt.Sprintf("%d-%v", i, secure), text)
		}
		c := d.session(t, pop3.MethodPlain, secure)
		must(t, c.Login(t.Context(), pop3.Credentials{Method: pop3.MethodPlain, Username: "leo", Secret: secret(strange)}))
		caps, err := c.Capa(t.Context())
		must(t, err)
		if !caps.Pipelining() {
			t.Fatalf("capabilities %v", caps)
		}
		must(t, c.Ahead(t.Context(), pop3.RetrCommand(9999), pop3.TopCommand(1, 0), pop3.RetrCommand(1), pop3.DeleCommand(9999)))
		for c.Outstanding() > 0 {
			must(t, c.Skip(t.Context(), 1<<20))
		}
		for _, body := range pipelined(t, c, 20) {
			if !want[body] {
				t.Errorf("%.60q was not sent", body)
			}
			delete(want, body)
		}
		if len(want) > 0 {
			t.Errorf("%d did not come", len(want))
		}
	}
}

// deliver puts a message into leo's mailbox.
func (d *dovecot) deliver(t *testing.T, name, text string) {
	t.Helper()
	for _, folder := range []string{"", "new", "cur", "tmp"} {
		path := filepath.Join(d.mail, folder)
		must(t, os.MkdirAll(path, 0o777))
		must(t, os.Chmod(path, 0o777)) // whatever the umask: the server is another user
	}
	path := filepath.Join(d.mail, "new", "1700000000."+name+".example")
	must(t, os.WriteFile(path, []byte(text), 0o666))
	must(t, os.Chmod(path, 0o666))
}
