package pop3

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestStartTLS(t *testing.T) {
	t.Parallel()
	c := ready(t, slices.Concat(
		multi("CAPA", []string{"STLS", "SASL EVIL"}),
		[]string{"C: STLS", "S: +OK begin", "T:"},
		multi("CAPA", []string{"UIDL"}),
		[]string{"C: QUIT", "S: +OK"})...)
	if _, err := c.capa(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.tlsState(); ok {
		t.Error("TLS before STLS")
	}
	if err := c.startTLS(t.Context(), upgrade(clientTLS())); err != nil {
		t.Fatal(err)
	}
	if s, ok := c.tlsState(); !ok || s.ServerName != serverName {
		t.Errorf("TLS %v %+v", ok, s.ServerName)
	}
	if c.caps.Has("SASL") {
		t.Error("what was said in clear is still believed")
	}
	if caps, err := c.capa(t.Context()); err != nil || !caps.Has("UIDL") {
		t.Errorf("capabilities %v, %v; want UIDL", caps, err)
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestStartTLSRefused(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: STLS", "S: -ERR unknown command", "C: QUIT", "S: +OK")
	if e := refused(t, c.startTLS(t.Context(), upgrade(clientTLS()))); e.Kind() != KindProtocol {
		t.Errorf("kind %v", e.Kind())
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Error(err)
	}
}

// What comes between the reply and the handshake may be an attacker's.
func TestStartTLSInjected(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: STLS", "S: +OK begin", "S: +OK injected", "S: SASL EVIL", "S: .")
	broken(t, c, c.startTLS(t.Context(), upgrade(clientTLS())), errProtocol)
}

// Octets in clear that come later break the handshake.
func TestStartTLSNoHandshake(t *testing.T) {
	t.Parallel()
	c := ready(t, "C: STLS", "S: +OK begin", "X:")
	broken(t, c, c.startTLS(t.Context(), upgrade(clientTLS())), errEOF)
}

func TestCertificate(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		cfg  *tls.Config
		as   any
	}{
		{"another name", &tls.Config{RootCAs: clientTLS().RootCAs, ServerName: "pop.example.org"}, new(x509.HostnameError)},
		{"unknown root", &tls.Config{RootCAs: x509.NewCertPool(), ServerName: serverName}, new(x509.UnknownAuthorityError)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := ready(t, "C: STLS", "S: +OK", "T:")
			err := c.startTLS(t.Context(), upgrade(tt.cfg))
			if !errors.As(err, tt.as) {
				t.Errorf("error %v is no %T", err, tt.as)
			}
			if c.Err() == nil {
				t.Error("the session goes on in clear")
			}
		})
	}
}

// Implicit TLS: the handshake is done by Greeting, if it is still to be done.
func TestImplicitTLS(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		perform(t, far, []string{"T:", "S: +OK ready", "C: QUIT", "S: +OK"})
	}()
	c := newClient(tls.Client(near, clientTLS()), Options{Timeout: time.Minute})
	if _, ok := c.tlsState(); ok {
		t.Error("TLS before the handshake")
	}
	if _, err := c.greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.tlsState(); !ok {
		t.Error("no TLS")
	}
	if err := c.Quit(t.Context()); err != nil {
		t.Error(err)
	}
	<-done
}

// A server that does not speak TLS where it should, by saying nothing.
func TestHandshakeLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		go func() {
			in := bufio.NewReader(far)
			_, _ = io.WriteString(far, "+OK ready\r\n")
			_, _ = in.ReadString('\n')
			_, _ = io.WriteString(far, "+OK begin\r\n")
			_, _ = io.Copy(io.Discard, in)
		}()
		c := newClient(near, Options{})
		if _, err := c.greeting(t.Context()); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		broken(t, c, c.startTLS(t.Context(), upgrade(clientTLS())), errTimeout)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("took %v", took)
		}
	})
}
