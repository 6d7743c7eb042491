package pop3test_test

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start runs a server until the test ends.
func start(t *testing.T, o pop3test.Options) *pop3test.Server {
	t.Helper()
	if o.Users == nil {
		o.Users = map[string]string{"leo": "secret"}
	}
	s := pop3test.NewServer(o)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// logIn opens a session as leo.
func logIn(t *testing.T, s *pop3test.Server) (*pop3.Client, error) {
	t.Helper()
	c, _, err := pop3.Open(t.Context(), pop3.Config{
		Dial:        dialer(s),
		Credentials: pop3.Credentials{Username: "leo", Secret: secret("secret")},
	}, nil)
	if err == nil {
		t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// dialer is a Config.Dial.
func dialer(s *pop3test.Server) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", s.Addr()) }
}

// secret is a Credentials.Secret.
func secret(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}

// must is logIn where it has to work.
func must(t *testing.T, s *pop3test.Server) *pop3.Client {
	t.Helper()
	c, err := logIn(t, s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// read reads message n to its end.
func read(t *testing.T, c *pop3.Client, n int) string {
	t.Helper()
	b, err := c.Retr(t.Context(), n)
	if err != nil {
		t.Fatal(err)
	}
	octets, err := io.ReadAll(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(octets)
}

func TestSession(t *testing.T) {
	t.Parallel()
	s := start(t, pop3test.Options{})
	s.Add("leo",
		pop3test.Message{UID: "a", Octets: []byte("Subject: one\r\n\r\n.dot\r\n..two\r\n.\r\nend")},
		pop3test.Message{UID: "b", Octets: []byte("Subject: two\r\n\r\nx\n.\r\ny\r\n")},
		pop3test.Message{UID: "c"})
	c := must(t, s)
	l, err := c.Listing(t.Context())
	want := []pop3.Entry{{Number: 1, UID: "a", Size: 37}, {Number: 2, UID: "b", Size: 24}, {Number: 3, UID: "c", Size: 0}}
	if err != nil || !slices.Equal(l.Entries, want) {
		t.Fatalf("listing %+v, %v; want %+v", l, err, want)
	}
	for n, want := range map[int]string{
		1: "Subject: one\r\n\r\n.dot\r\n..two\r\n.\r\nend\r\n",
		2: "Subject: two\r\n\r\nx\n.\r\ny\r\n",
		3: "",
	} {
		if got := read(t, c, n); got != want {
			t.Errorf("message %d is %q, want %q", n, got, want)
		}
	}
	if err := c.Dele(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if got := len(s.Messages("leo")); got != 3 {
		t.Errorf("%d messages before QUIT, want 3", got)
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := len(s.Messages("leo")); got != 2 {
		t.Errorf("%d messages after QUIT, want 2", got)
	}
	if got := s.Commands("leo"); !slices.Contains(got, "DELE 2") || got[len(got)-1] != "QUIT" {
		t.Errorf("log is %q", got)
	}
}

func TestTop(t *testing.T) {
	t.Parallel()
	s := start(t, pop3test.Options{})
	s.Add("leo", pop3test.Message{UID: "a", Octets: []byte("A: 1\r\nB: 2\r\n\r\n1\r\n2\r\n3\r\n")})
	c := must(t, s)
	for lines, want := range []string{"A: 1\r\nB: 2\r\n\r\n", "A: 1\r\nB: 2\r\n\r\n1\r\n", "A: 1\r\nB: 2\r\n\r\n1\r\n2\r\n"} {
		b, err := c.Top(t.Context(), 1, lines)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); string(got) != want || err != nil {
			t.Errorf("TOP 1 %d: %q, %v; want %q", lines, got, err, want)
		}
	}
}

func TestHandle(t *testing.T) {
	t.Parallel()
	s := start(t, pop3test.Options{Handle: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" {
			return false
		}
		s.Write("+OK\r\nhalf a mess")
		if arg == "2" {
			s.Reset()
		}
		s.Close()
		return true
	}})
	s.Add("leo", pop3test.Message{UID: "a"}, pop3test.Message{UID: "b"})
	c := must(t, s)
	b, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(b); string(got) != "half a mess" || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("read %q, %v", got, err)
	}
	if _, err := must(t, s).Retr(t.Context(), 2); err == nil {
		t.Error("a reset is not an error")
	}
}

func TestLockRefusesSecondSession(t *testing.T) {
	t.Parallel()
	s := start(t, pop3test.Options{Lock: true})
	first := must(t, s)
	var refused *pop3.Error
	if _, err := logIn(t, s); !errors.As(err, &refused) || refused.Kind() != pop3.KindLocked {
		t.Errorf("second login: %v", err)
	}
	if err := first.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	must(t, s)
}

func TestOpen(t *testing.T) {
	t.Parallel()
	const line = "a line of a message that lies nowhere\r\n"
	s := start(t, pop3test.Options{})
	s.Add("leo", pop3test.Message{UID: "a", Size: 10000 * int64(len(line)), Open: func() io.Reader {
		return strings.NewReader(strings.Repeat(line, 10000))
	}})
	if got := len(read(t, must(t, s), 1)); got != 10000*len(line) {
		t.Errorf("%d octets", got)
	}
}
