package pop3_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

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

// dial begins a session.
func dial(t *testing.T, s *pop3test.Server, o pop3.Options) *pop3.Client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	c := pop3.New(conn, o)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// connect is dial as far as the capabilities.
func connect(t *testing.T, s *pop3test.Server) *pop3.Client {
	t.Helper()
	c := dial(t, s, pop3.Options{})
	if _, err := c.Greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Capa(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// dialer is a Config.Dial.
func dialer(s *pop3test.Server) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", s.Addr()) }
}

// logIn is a session as leo.
func logIn(t testing.TB, s *pop3test.Server) *pop3.Client {
	t.Helper()
	c, _, err := pop3.Open(t.Context(), pop3.Config{Dial: dialer(s), Credentials: leo}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// leo is the owner of the mailbox of these tests.
var leo = pop3.Credentials{Username: "leo", Secret: secret("secret")}

// secret is a Credentials.Secret.
func secret(s string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) { return s, nil }
}
