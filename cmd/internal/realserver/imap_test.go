package realserver

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
)

// dovecotPool returns a pool for a user with the password secret, over STARTTLS.
func dovecotPool(t *testing.T, d *Dovecot, user string, change ...func(*imap.Options)) *imap.Pool {
	t.Helper()
	pem, err := os.ReadFile(d.CAFile())
	check(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	o := imap.Options{
		Dial: func(ctx context.Context) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", d.IMAP())
		},
		StartTLS: func(ctx context.Context, c net.Conn) (net.Conn, error) {
			over := tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "localhost"})
			return over, over.HandshakeContext(ctx)
		},
		Username: user, Secret: func(context.Context) (string, error) { return "secret", nil },
	}
	for _, c := range change {
		c(&o)
	}
	p := imap.New(o)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// traced is a message with a trace on top.
func traced(id string, octets []byte) *forwarder.Message {
	text := append(fmt.Appendf(nil, "%s: id=%s; account=00\r\n", forwarder.TraceField, id), octets...)
	m := &forwarder.Message{Size: int64(len(text)), Trace: id, Body: func() io.Reader { return bytes.NewReader(text) }}
	var strays forwarder.StrayFinder
	_, _ = strays.Write(text)
	m.Strays = strays.End()
	return m
}

// appendTo delivers a message.
func appendTo(t *testing.T, p *imap.Pool, m *forwarder.Message) (forwarder.Outcome, forwarder.Mark) {
	t.Helper()
	d := p.Submit(m)
	defer d.Done()
	var at forwarder.Mark
	outs, err := d.Wait(t.Context(), func(_ context.Context, mark forwarder.Mark) error {
		at = mark
		return nil
	})
	if err != nil {
		t.Error(err)
		return forwarder.Outcome{}, at
	}
	return outs[0], at
}

// TestIMAP appends strange messages, and finds them again by their traces.
func TestIMAP(t *testing.T) {
	t.Parallel()
	d := StartDovecotIMAP(t)
	d.AddUser("leo", "secret")
	p := dovecotPool(t, d, "leo")
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	var want [][]byte
	var sought []forwarder.Sought
	for i, octets := range hostile() {
		id := fmt.Sprintf("m%d", i)
		m := traced(id, octets)
		o, at := appendTo(t, p, m)
		if o.Kind != forwarder.Accepted {
			t.Errorf("message %d: %s", i, o.Reply())
			continue
		}
		whole, _ := io.ReadAll(m.Body())
		want = append(want, whole)
		sought = append(sought, forwarder.Sought{Mark: at, Trace: id})
	}
	same(t, slices.Collect(d.Stored("leo")), want)
	found, err := p.Find(t.Context(), append(sought, forwarder.Sought{Mark: sought[0].Mark, Trace: "not there"}))
	if len(found) != len(sought) || err != nil {
		t.Errorf("found %v and %v, want %d", found, err, len(sought))
	}
}

// TestIMAPManyAtOnce: over several sessions, with messages sent unasked.
func TestIMAPManyAtOnce(t *testing.T) {
	t.Parallel()
	d := StartDovecotIMAP(t)
	d.AddUser("leo", "secret")
	p := dovecotPool(t, d, "leo")
	const n = 300
	var all sync.WaitGroup
	for i := range n {
		slot := p.Submit(traced(fmt.Sprintf("m%03d", i), []byte("a: b\r\n\r\nhi\r\n")))
		all.Go(func() {
			defer slot.Done()
			outs, err := slot.Wait(t.Context(), nil)
			if err != nil || outs[0].Kind != forwarder.Accepted {
				t.Errorf("message %d: %+v and %v", i, outs, err)
			}
		})
	}
	all.Wait()
	stored := slices.Collect(d.Stored("leo"))
	slices.SortFunc(stored, bytes.Compare)
	if got := len(slices.CompactFunc(stored, bytes.Equal)); got != n {
		t.Errorf("%d different messages are stored, want %d", got, n)
	}
}

// TestIMAPFolder: a folder is made with its levels as Dovecot divides them.
func TestIMAPFolder(t *testing.T) {
	t.Parallel()
	d := StartDovecotIMAP(t)
	d.AddUser("leo", "secret")
	m := traced("one", []byte("a: b\r\n\r\nhi\r\n"))
	m.Folder, m.Date = "Büro/Post", time.Date(2026, 11, 5, 1, 2, 3, 0, time.UTC)
	if o, _ := appendTo(t, dovecotPool(t, d, "leo"), m); o.Kind != forwarder.Refused || o.Stage != forwarder.StageRcpt || o.Enhanced != (forwarder.EnhancedCode{5, 1, 1}) {
		t.Errorf("got %v at %v: %s", o.Kind, o.Stage, o.Reply())
	}
	p := dovecotPool(t, d, "leo", func(o *imap.Options) { o.CreateFolder = true })
	if o, _ := appendTo(t, p, m); o.Kind != forwarder.Accepted {
		t.Errorf("got %s", o.Reply())
	}
	if n := len(slices.Collect(d.StoredIn("leo", "B&APw-ro.Post"))); n != 1 {
		t.Errorf("%d messages in the folder, want one", n)
	}
}

// TestIMAPQuota: a mailbox without room says so before the message is sent.
func TestIMAPQuota(t *testing.T) {
	t.Parallel()
	d := StartDovecotIMAP(t, Config("mail_plugins = quota\nplugin {\n  quota = maildir:User quota\n  quota_rule = *:storage=10k\n}\nprotocol imap {\n  mail_plugins = quota\n}\n"))
	d.AddUser("leo", "secret")
	p := dovecotPool(t, d, "leo")
	o, _ := appendTo(t, p, traced("big", bytes.Repeat([]byte("x: y\r\n"), 4000)))
	if o.Kind != forwarder.Refused || !o.NoRoom() {
		t.Errorf("got %v at %v: %s", o.Kind, o.Stage, o.Reply())
	}
	if o, _ := appendTo(t, p, traced("small", []byte("\r\nhi\r\n"))); o.Kind != forwarder.Accepted {
		t.Errorf("got %s", o.Reply())
	}
}

// TestIMAPAcrossKills: Dovecot is killed again and again while messages are on their
// way. What is in doubt is looked for, and only what is not there is sent again: each
// message comes exactly once.
func TestIMAPAcrossKills(t *testing.T) {
	t.Parallel()
	d := StartDovecotIMAP(t)
	d.AddUser("leo", "secret")
	p := dovecotPool(t, d, "leo", func(o *imap.Options) { o.Timeout, o.LiteralTimeout = time.Minute, time.Minute })
	const n = 60
	due := make(map[string]forwarder.Sought) // by trace; with a mark those in doubt
	for i := range n {
		id := fmt.Sprintf("m%03d", i)
		due[id] = forwarder.Sought{Trace: id}
	}
	for round := 0; len(due) > 0 && round < 50; round++ {
		deliverDue(t, p, due, func() {
			if round < 5 {
				d.Stop()
				d.Start()
			}
		})
		var doubts []forwarder.Sought
		for _, m := range due {
			if !m.Mark.IsZero() {
				doubts = append(doubts, m)
			}
		}
		found, err := p.Find(t.Context(), doubts)
		if err != nil {
			t.Fatal(err)
		}
		for id := range found {
			delete(due, id)
		}
	}
	stored := slices.Collect(d.Stored("leo"))
	slices.SortFunc(stored, bytes.Compare)
	different := len(slices.CompactFunc(slices.Clone(stored), bytes.Equal))
	if len(stored) != n || different != n {
		t.Errorf("%d messages, %d of them different, want %d", len(stored), different, n)
	}
}

// deliverDue delivers all that is due at once, and notes what is still due. Meanwhile
// it disturbs the server once.
func deliverDue(t *testing.T, p *imap.Pool, due map[string]forwarder.Sought, disturb func()) {
	t.Helper()
	var mu sync.Mutex
	var all sync.WaitGroup
	left := make(map[string]forwarder.Sought)
	done := 0
	for id := range due {
		slot := p.Submit(traced(id, bytes.Repeat([]byte("a: b\r\n"), 2000)))
		all.Go(func() {
			defer slot.Done()
			var at forwarder.Mark
			outs, err := slot.Wait(t.Context(), func(_ context.Context, mark forwarder.Mark) error {
				at = mark
				return nil
			})
			mu.Lock()
			defer mu.Unlock()
			done++
			if done == len(due)/4 {
				disturb()
			}
			switch {
			case err != nil:
				t.Error(err)
			case outs[0].Kind == forwarder.Accepted:
			case outs[0].Kind == forwarder.InDoubt:
				left[id] = forwarder.Sought{Trace: id, Mark: at}
			default:
				left[id] = forwarder.Sought{Trace: id}
			}
		})
	}
	all.Wait()
	clear(due)
	for id, m := range left {
		due[id] = m
	}
}
