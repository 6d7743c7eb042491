package fetcher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/fetcher/spool"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// world is one mailbox, one destination and a ledger between them: all real
// but the two servers, which a test can bend.
type world struct {
	t     *testing.T
	pop   *pop3test.Server
	smtp  *smtptest.Server
	store *sqlite.Store
	pool  *smtp.Pool
	now   *clock

	account fetcher.Account
	lease   func(context.Context, int64) (fetcher.Lease, error) // nil: the store's
	spool   *spool.Spool
	stop    chan struct{}

	smtpDown func()
	keptDir  string
}

// ample is longer than any wait that ends, however busy the machine is. A fifth
// of it is the silence after which NOOP is sent.
const ample = 5 * time.Minute

// impatience is a limit that is to be reached. A server that is well must answer
// within it, also while the machine is busy.
const impatience = 2 * time.Second

// clock is a time that only a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// bend is how the servers misbehave.
type bend struct {
	pop  func(s *pop3test.Session, verb, arg string) bool
	smtp smtptest.Options
	pool smtp.Options
	// pipelining is how the POP3 server takes commands that are sent ahead.
	pipelining pop3test.Pipelining
}

func newWorld(t *testing.T, b bend) *world {
	t.Helper()
	w := &world{t: t, now: &clock{t: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}, stop: make(chan struct{})}
	w.pop = pop3test.NewServer(pop3test.Options{Users: map[string]string{"leo": "secret"}, Handle: oneAtATime(b.pop), Pipelining: b.pipelining})
	must(t, w.pop.Start())
	t.Cleanup(func() { _ = w.pop.Close() })
	var err error
	w.smtp, err = smtptest.Start(b.smtp)
	must(t, err)
	w.smtpDown = sync.OnceFunc(func() { _ = w.smtp.Close() })
	t.Cleanup(w.smtpDown)
	w.store, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "popferry.db"), sqlite.Options{Create: true, Now: w.now.Now})
	must(t, err)
	t.Cleanup(func() { must(t, w.store.Close()) })
	b.pool.Dial, b.pool.LMTP = w.smtp.Dial, b.smtp.LMTP
	if b.pool.Timeout == 0 {
		b.pool.Timeout = ample
	}
	w.pool = smtp.New(b.pool)
	t.Cleanup(func() { _ = w.pool.Close() })
	w.spool = spool.New(t.TempDir(), 64<<20)
	w.keptDir = filepath.Join(t.TempDir(), "kept")
	w.account = w.leo(w.claim("isp"))
	return w
}

// oneAtATime guards what a handler keeps: a session that was cut may still be
// at the commands that it was sent ahead, when the next one has begun.
func oneAtATime(handle func(s *pop3test.Session, verb, arg string) bool) func(*pop3test.Session, string, string) bool {
	if handle == nil {
		return nil
	}
	var mu sync.Mutex
	return func(s *pop3test.Session, verb, arg string) bool {
		mu.Lock()
		defer mu.Unlock()
		return handle(s, verb, arg)
	}
}

// destination is a pool as the fetcher wants it.
type destination struct{ *smtp.Pool }

func (d destination) Submit(m *forwarder.Message) fetcher.Delivery { return d.Pool.Submit(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) claim(name string) int64 {
	w.t.Helper()
	rows, err := w.store.Claim(w.t.Context(), []ledger.Identity{{Name: name, Username: "leo", Host: "pop.example.net"}})
	must(w.t, err)
	return rows[0].ID
}

// leo is the account with the default policy: keep all, forward all.
func (w *world) leo(id int64) fetcher.Account {
	return fetcher.Account{
		ID: id, Name: "isp",
		Source: mailbox.Source{
			Host: "pop.example.net", Addr: w.pop.Addr(),
			Dial: func(ctx context.Context) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", w.pop.Addr())
			},
			Credentials: pop3.Credentials{Username: "leo", Secret: func(context.Context) (string, error) { return "secret", nil }},
			Timeout:     ample,
		},
		Policy:      identify.Policy{Keep: true},
		Destination: fetcher.Destination{Name: "main", Forwarder: destination{w.pool}, Sender: "leo@example.org", Recipients: []string{"me@example.org"}},
	}
}

// poll polls once, as if a person asked.
func (w *world) poll() fetcher.Result { return w.pollAs(true) }

func (w *world) pollAs(asked bool) fetcher.Result {
	w.t.Helper()
	lease := w.lease
	if lease == nil {
		lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
			l, err := w.store.Lease(ctx, id)
			if err != nil {
				return nil, err
			}
			return l, nil
		}
	}
	p := fetcher.New(fetcher.Options{
		Lease: lease, Destinations: w.store, Spool: w.spool, CopyDir: w.keptDir, Stopping: w.stop, Now: w.now.Now,
		Describe: func(err error) ledger.Cause { return ledger.Cause{Code: "test", Text: err.Error()} },
		Log:      slog.New(slog.NewTextHandler(testLog{w.t}, nil)),
	})
	return p.Poll(w.t.Context(), w.account, asked)
}

// testLog shows the log of a test that failed.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

// add puts plain messages into the mailbox, m1 first.
func (w *world) add(names ...string) {
	for _, n := range names {
		w.pop.Add("leo", pop3test.Message{UID: "uid-" + n, Octets: letter(n)})
	}
}

// letter is a message that can be told by its name.
func letter(name string) []byte {
	return fmt.Appendf(nil, "Return-Path: <sender-%[1]s@example.org>\r\nReceived: from a.example by mx.example; Sun, 22 Nov 2026 10:00:00 +0000\r\n"+
		"From: %[1]s@example.org\r\nSubject: about %[1]s\r\nMessage-ID: <%[1]s@example.org>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n.dot\r\nbody of %[1]s\r\n", name)
}

// arrived are the names of what the destination took, in its order.
func (w *world) arrived() []string {
	var out []string
	for _, m := range w.smtp.Messages() {
		out = append(out, w.nameOf(m))
	}
	return out
}

func (w *world) nameOf(m smtptest.Message) string {
	_, after, _ := bytes.Cut(m.Data, []byte("Message-ID: <"))
	name, _, _ := bytes.Cut(after, []byte("@"))
	return string(name)
}

// left are the UIDs in the mailbox.
func (w *world) left() []string {
	var out []string
	for _, m := range w.pop.Messages("leo") {
		out = append(out, m.UID)
	}
	return out
}

// states are the ledger's states by UID, those of several generations joined.
func (w *world) states() map[string]string {
	w.t.Helper()
	out := make(map[string]string)
	for _, r := range w.records() {
		if out[r.UID] != "" {
			out[r.UID] += "+"
		}
		out[r.UID] += r.State.String()
	}
	return out
}

func (w *world) records() []*ledger.Record {
	w.t.Helper()
	var out []*ledger.Record
	must(w.t, w.store.Messages(w.t.Context(), ledger.Filter{}, func(_ string, r *ledger.Record) error {
		out = append(out, r)
		return nil
	}))
	return out
}

// record is the one row under a UID.
func (w *world) record(uid string) *ledger.Record {
	w.t.Helper()
	var found []*ledger.Record
	for _, r := range w.records() {
		if r.UID == uid {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		w.t.Fatalf("%d rows for %q", len(found), uid)
	}
	return found[0]
}

type record = ledger.Record

var errTest = errors.New("made to fail")
