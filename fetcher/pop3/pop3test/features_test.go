package pop3test_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// settings are those of a server with a certificate, and of its clients.
func settings(t *testing.T) (server, client *tls.Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{"pop.example.net"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		&tls.Config{RootCAs: roots, ServerName: "pop.example.net"}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server, client := settings(t)
	for _, implicit := range []bool{false, true} {
		s := start(t, pop3test.Options{TLS: server, ImplicitTLS: implicit})
		cfg := pop3.Config{Dial: dialer(s), Credentials: pop3.Credentials{Username: "leo", Secret: secret("secret")}}
		if implicit {
			cfg.Dial = func(ctx context.Context) (net.Conn, error) {
				conn, err := dialer(s)(ctx)
				return tls.Client(conn, client), err
			}
		}
		first, _, err := pop3.Open(t.Context(), pop3.Config{Dial: cfg.Dial, Until: pop3.StepCapa}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer first.Close()
		if caps := first.Capabilities(); caps.Has("STLS") == implicit {
			t.Errorf("capabilities %v, want STLS only in clear", caps)
		}
		if !implicit {
			cfg.StartTLS = func(ctx context.Context, raw net.Conn) (net.Conn, error) {
				conn := tls.Client(raw, client)
				return conn, conn.HandshakeContext(ctx)
			}
		}
		c, _, err := pop3.Open(t.Context(), cfg, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.Quit(t.Context()); err != nil {
			t.Error(err)
		}
		log := s.Log()
		if last := log[len(log)-1]; last.Verb() != "QUIT" || !last.TLS || last.Session != 2 || last.User != "leo" {
			t.Errorf("last command %+v", last)
		}
	}
}

// Login fails and works by each of the server's own ways.
func TestLogins(t *testing.T) {
	t.Parallel()
	s := start(t, pop3test.Options{Greeting: "hello <1.2@example.net>", Lock: true})
	for _, m := range []pop3.Method{pop3.MethodUser, pop3.MethodAPOP, pop3.MethodPlain, pop3.MethodLogin} {
		for _, password := range []string{"secret", "wrong", ""} {
			c, _, err := pop3.Open(t.Context(), pop3.Config{
				Dial:        dialer(s),
				Credentials: pop3.Credentials{Method: m, Username: "leo", Secret: secret(password)},
			}, nil)
			var refused *pop3.Error
			if ok := password == "secret"; ok != (err == nil) || !ok && (!errors.As(err, &refused) || refused.Kind() != pop3.KindCredentials) {
				t.Errorf("%s with %q: %v; want success only with the right password", m, password, err)
			}
			if c != nil {
				if err := c.Quit(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// Another client's changes are not seen by a session that has begun, and its
// own deletions are done on what is then there.
func TestChangeIsNotSeenByOpenSession(t *testing.T) {
	t.Parallel()
	s := start(t, pop3test.Options{})
	for _, uid := range []string{"a", "b", "c"} {
		s.Add("leo", pop3test.Message{UID: uid, Octets: []byte(uid + "\r\n")})
	}
	c := must(t, s)
	s.Change("leo", func(m []pop3test.Message) []pop3test.Message {
		return append([]pop3test.Message{{UID: "new", Octets: []byte("new\r\n")}}, m[1:]...)
	})
	if got := read(t, c, 1); got != "a\r\n" {
		t.Errorf("message 1 is %q", got)
	}
	if err := c.Dele(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Fatal(err)
	}
	var uids []string
	for _, m := range s.Messages("leo") {
		uids = append(uids, m.UID)
	}
	if !slices.Equal(uids, []string{"new", "c"}) {
		t.Errorf("left are %q", uids)
	}
}

// Without QUIT nothing is deleted, and the lock is gone.
func TestNoUpdateWithoutQuit(t *testing.T) {
	t.Parallel()
	s := start(t, pop3test.Options{})
	s.Add("leo", pop3test.Message{UID: "a"})
	c := must(t, s)
	if err := c.Dele(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if l, err := must(t, s).Listing(t.Context()); err != nil || len(l.Entries) != 1 {
		t.Errorf("listing %+v, %v; want one message", l, err)
	}
}

// endless reads one line over and over.
type endless struct{ line []byte }

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e.line) <= len(p) {
		n += copy(p[n:], e.line)
	}
	return n, nil
}

// A message of 100 MB needs memory neither here nor in the client.
func TestLargeMessage(t *testing.T) {
	if testing.Short() {
		t.Skip("100 MB")
	}
	line := append(bytes.Repeat([]byte("x"), 62), "\r\n"...)
	const size = 100 << 20
	s := start(t, pop3test.Options{})
	s.Add("leo", pop3test.Message{UID: "a", Size: size, Open: func() io.Reader { return io.LimitReader(endless{line}, size) }})
	c := must(t, s)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b, err := c.Retr(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.Copy(io.Discard, b); n != size || err != nil || b.Octets() != size {
		t.Errorf("%d octets, %v", n, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d kB were allocated", used>>10)
	}
}

// A mailbox of 100,000 messages.
func TestLargeMailbox(t *testing.T) {
	t.Parallel()
	s := start(t, pop3test.Options{})
	messages := make([]pop3test.Message, 100_000)
	for i := range messages {
		messages[i] = pop3test.Message{UID: "same", Size: 7}
	}
	s.Add("leo", messages...)
	if l, err := must(t, s).Listing(t.Context()); err != nil || len(l.Entries) != len(messages) {
		t.Errorf("%d entries, %v", len(l.Entries), err)
	}
}
