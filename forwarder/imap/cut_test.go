package imap_test

import (
	"bytes"
	"context"
	"net"
	"sync"
	"testing"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// cutConn is a connection that is cut when so many octets have gone through it in
// one direction.
type cutConn struct {
	net.Conn

	mu         sync.Mutex
	sent, read int // still to go; below 0: any number
	all        bytes.Buffer
}

func (c *cutConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	n := len(p)
	if c.sent >= 0 {
		n = min(n, c.sent)
		c.sent -= n
	}
	c.mu.Unlock()
	n, err := c.Conn.Write(p[:n])
	c.all.Write(p[:n])
	if err == nil && n < len(p) {
		_ = c.Close()
		err = net.ErrClosed
	}
	return n, err
}

func (c *cutConn) Read(p []byte) (int, error) {
	c.mu.Lock()
	left := c.read
	c.mu.Unlock()
	if left == 0 {
		_ = c.Close()
		return 0, net.ErrClosed
	}
	if left > 0 {
		p = p[:min(len(p), left)]
	}
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	if c.read > 0 {
		c.read -= n
	}
	c.mu.Unlock()
	return n, err
}

// TestCutAtEveryOctetSent: what is cut before the last octet of the message was not
// stored and is broken; from there on it is in doubt.
func TestCutAtEveryOctetSent(t *testing.T) {
	t.Parallel()
	m := mail("one", "hi")
	whole := deliverCut(t, m, &cutConn{sent: -1, read: -1})
	if whole.kind != forwarder.Accepted {
		t.Fatalf("without a cut: %v", whole.kind)
	}
	end := bytes.Index(whole.sent, []byte(octets(m))) + int(m.Size)
	begin := bytes.Index(whole.sent, []byte("APPEND"))
	command := end + len("\r\n")
	for n := range command {
		got := deliverCut(t, m, &cutConn{sent: n, read: -1})
		want := forwarder.Broken
		switch {
		case n >= end:
			want = forwarder.InDoubt
		case n < begin && got.kind == forwarder.Unusable:
			want = forwarder.Unusable
		}
		if got.kind != want {
			t.Errorf("after %d octets (the message ends at %d): %v, want %v", n, end, got.kind, want)
		}
		if got.stored > 0 {
			t.Errorf("after %d octets of a command of %d: stored", n, command)
		}
	}
}

// TestCutAtEveryOctetRead: an answer that did not come whole is none.
func TestCutAtEveryOctetRead(t *testing.T) {
	t.Parallel()
	m := mail("one", "hi")
	for n := 1; ; n++ {
		c := &cutConn{sent: -1, read: n}
		got := deliverCut(t, m, c)
		sentWhole := bytes.Contains(got.sent, []byte(octets(m)))
		switch {
		case got.kind == forwarder.Accepted:
			if got.stored != 1 {
				t.Errorf("after %d octets: accepted, and not stored", n)
			}
			if n < 100 {
				t.Errorf("accepted after %d octets", n)
			}
			return
		case sentWhole != (got.kind == forwarder.InDoubt), !sentWhole && got.stored > 0:
			t.Errorf("after %d octets: %v, %d stored, the message was sent: %v", n, got.kind, got.stored, sentWhole)
		}
	}
}

// cutResult is the result of a delivery whose connections were cut.
type cutResult struct {
	kind   forwarder.Kind
	stored int
	sent   []byte // on the first connection
}

// deliverCut delivers a message over a connection, and over others that are cut in
// the same way if that one ends before the message.
func deliverCut(t *testing.T, m *forwarder.Message, first *cutConn) cutResult {
	t.Helper()
	s := imaptest.New(imaptest.Options{})
	conns := []*cutConn{}
	p := imap.New(imap.Options{Username: "leo", Secret: secret("geheim123"), Dial: func(ctx context.Context) (net.Conn, error) {
		c, err := s.Pipe(ctx)
		cut := &cutConn{Conn: c, sent: first.sent, read: first.read}
		conns = append(conns, cut)
		return cut, err
	}})
	o, _, err := deliver(t.Context(), p, m)
	if err != nil {
		t.Fatal(err)
	}
	_ = p.Close()
	_ = s.Close()
	return cutResult{o.Kind, len(s.Messages("INBOX")), conns[0].all.Bytes()}
}
