package fetcher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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

// fixture is one mailbox, one destination and a ledger between them: all real
// but the two servers, which a test can faults.
type fixture struct {
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
	copyDir  string
}

// longTimeout is longer than any wait that ends, however busy the machine is. A fifth
// of it is the silence after which NOOP is sent.
const longTimeout = 5 * time.Minute

// shortTimeout is a limit that is to be reached. A server that is well must answer
// within it, also while the machine is busy.
const shortTimeout = 2 * time.Second

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

// faults is how the servers misbehave.
type faults struct {
	pop  func(s *pop3test.Session, verb, arg string) bool
	smtp smtptest.Options
	pool smtp.Options
	// pipelining is how the POP3 server takes commands that are sent ahead.
	pipelining pop3test.Pipelining
}

func newFixture(t *testing.T, b faults) *fixture {
	t.Helper()
	f := &fixture{t: t, now: &clock{t: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}, stop: make(chan struct{})}
	f.pop = pop3test.NewServer(pop3test.Options{Users: map[string]string{"leo": "secret"}, Handle: oneAtATime(b.pop), Pipelining: b.pipelining})
	must(t, f.pop.Start())
	t.Cleanup(func() { _ = f.pop.Close() })
	var err error
	f.smtp, err = smtptest.Start(b.smtp)
	must(t, err)
	f.smtpDown = sync.OnceFunc(func() { _ = f.smtp.Close() })
	t.Cleanup(f.smtpDown)
	f.store, err = sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "popferry.db"), sqlite.Options{Create: true, Now: f.now.Now})
	must(t, err)
	t.Cleanup(func() { must(t, f.store.Close()) })
	b.pool.Dial, b.pool.LMTP = f.smtp.Dial, b.smtp.LMTP
	if b.pool.Timeout == 0 {
		b.pool.Timeout = longTimeout
	}
	f.pool = smtp.New(b.pool)
	t.Cleanup(func() { _ = f.pool.Close() })
	f.spool = spool.New(t.TempDir(), 64<<20)
	f.copyDir = filepath.Join(t.TempDir(), "kept")
	f.account = f.newAccount(f.claim("isp"))
	return f
}

// destination is a pool as the fetcher wants it.
type destination struct{ *smtp.Pool }

func (d destination) Submit(m *forwarder.Message) fetcher.Delivery { return d.Pool.Submit(m) }

func (f *fixture) claim(name string) int64 {
	f.t.Helper()
	rows, err := f.store.Claim(f.t.Context(), []ledger.Identity{{Name: name, Username: "leo", Host: "pop.example.net"}})
	must(f.t, err)
	return rows[0].ID
}

// leo is the account with the default policy: keep all, forward all.
func (f *fixture) newAccount(id int64) fetcher.Account {
	return fetcher.Account{
		ID: id, Name: "isp",
		Source: mailbox.Source{
			Host: "pop.example.net", Addr: f.pop.Addr(),
			Dial: func(ctx context.Context) (net.Conn, error) {
				var d net.Dialer
				return d.DialContext(ctx, "tcp", f.pop.Addr())
			},
			Credentials: pop3.Credentials{Username: "leo", Secret: func(context.Context) (string, error) { return "secret", nil }},
			Timeout:     longTimeout,
		},
		Policy:      identify.Policy{Keep: true},
		Destination: fetcher.Destination{Name: "main", Forwarder: destination{f.pool}, Sender: "leo@example.org", Recipients: []string{"me@example.org"}},
	}
}

// poll polls once, as if a person asked.
func (f *fixture) poll() fetcher.Result { return f.pollAs(true) }

func (f *fixture) pollAs(asked bool) fetcher.Result {
	f.t.Helper()
	lease := f.lease
	if lease == nil {
		lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
			l, err := f.store.Lease(ctx, id)
			if err != nil {
				return nil, err
			}
			return l, nil
		}
	}
	p := fetcher.New(fetcher.Options{
		Lease: lease, Destinations: f.store, Spool: f.spool, CopyDir: f.copyDir, Stopping: f.stop, Now: f.now.Now,
		Describe: func(err error) ledger.Cause { return ledger.Cause{Code: "test", Text: err.Error()} },
		Log:      slog.New(slog.NewTextHandler(testLog{f.t}, nil)),
	})
	return p.Poll(f.t.Context(), f.account, asked)
}

// pollUnder polls under a context of its own.
func (f *fixture) pollUnder(ctx context.Context) fetcher.Result {
	p := fetcher.New(fetcher.Options{
		Lease:        func(ctx context.Context, id int64) (fetcher.Lease, error) { return f.store.Lease(ctx, id) },
		Destinations: f.store, Spool: f.spool, CopyDir: f.copyDir, Stopping: f.stop, Now: f.now.Now,
		Describe: func(err error) ledger.Cause { return ledger.Cause{Code: "test", Text: err.Error()} },
		Log:      slog.New(slog.DiscardHandler),
	})
	return p.Poll(ctx, f.account, false)
}

// daily polls so many times, twelve hours apart.
func (f *fixture) pollTwiceDaily(polls int, asked bool) {
	for range polls {
		f.now.Add(12 * time.Hour)
		f.pollAs(asked)
	}
}

// testLog shows the log of a test that failed.
type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

// add puts plain messages into the mailbox, m1 first.
func (f *fixture) add(names ...string) {
	for _, n := range names {
		f.pop.Add("leo", pop3test.Message{UID: "uid-" + n, Octets: octetsOf(n)})
	}
}

// many are names m1 to mN.
func numbered(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("m%d", i+1))
	}
	return out
}

// letter is a message that can be told by its name.
func octetsOf(name string) []byte {
	return fmt.Appendf(nil, "Return-Path: <sender-%[1]s@example.org>\r\nReceived: from a.example by mx.example; Sun, 22 Nov 2026 10:00:00 +0000\r\n"+
		"From: %[1]s@example.org\r\nSubject: about %[1]s\r\nMessage-ID: <%[1]s@example.org>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n.dot\r\nbody of %[1]s\r\n", name)
}

// lengthen has the server list the first message as longer than before.
func (f *fixture) lengthenFirst() {
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		ms[0].Octets = append(ms[0].Octets, "x\r\n"...)
		return ms
	})
}

// arrived are the names of what the destination took, in its order.
func (f *fixture) arrived() []string {
	var out []string
	for _, m := range f.smtp.Messages() {
		out = append(out, f.nameOf(m))
	}
	return out
}

func (f *fixture) nameOf(m smtptest.Message) string {
	_, after, _ := bytes.Cut(m.Data, []byte("Message-ID: <"))
	name, _, _ := bytes.Cut(after, []byte("@"))
	return string(name)
}

// split takes the trace lines off.
func split(m smtptest.Message) (trace, body string) {
	_, after, _ := bytes.Cut(m.Data, []byte("X-Popferry-Trace: id="))
	line, rest, _ := bytes.Cut(after, []byte("\r\n"))
	trace, _, _ = strings.Cut(string(line), ";")
	return trace, string(rest)
}

// left are the UIDs in the mailbox.
func (f *fixture) left() []string {
	var out []string
	for _, m := range f.pop.Messages("leo") {
		out = append(out, m.UID)
	}
	return out
}

func (f *fixture) verbs(only ...string) []string {
	var out []string
	for _, c := range f.pop.Log() {
		if slices.Contains(only, c.Verb()) {
			out = append(out, c.Verb())
		}
	}
	return out
}

// states are the ledger's states by UID, those of several generations joined.
func (f *fixture) states() map[string]string {
	f.t.Helper()
	out := make(map[string]string)
	for _, r := range f.records() {
		if out[r.UID] != "" {
			out[r.UID] += "+"
		}
		out[r.UID] += r.State.String()
	}
	return out
}

// in counts the messages in a state.
func (f *fixture) in(s ledger.State) int {
	n := 0
	for _, r := range f.records() {
		if r.State == s {
			n++
		}
	}
	return n
}

func (f *fixture) records() []*ledger.Record {
	f.t.Helper()
	var out []*ledger.Record
	must(f.t, f.store.Messages(f.t.Context(), ledger.Filter{}, func(_ string, r *ledger.Record) error {
		out = append(out, r)
		return nil
	}))
	return out
}

// record is the one row under a UID.
func (f *fixture) record(uid string) *ledger.Record {
	f.t.Helper()
	var found []*ledger.Record
	for _, r := range f.records() {
		if r.UID == uid {
			found = append(found, r)
		}
	}
	if len(found) != 1 {
		f.t.Fatalf("%d rows for %q", len(found), uid)
	}
	return found[0]
}

type record = ledger.Record

var errTest = errors.New("made to fail")

// busyWorld has a destination that refuses every message for now, until it is
// told that it is free.
func busyWorld(t *testing.T, pop func(*pop3test.Session, string, string) bool) (f *fixture, free func()) {
	var busy atomic.Bool
	busy.Store(true)
	f = newFixture(t, faults{pop: pop, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && busy.Load() {
			return smtptest.Fault{Code: 451, Text: "later"}
		}
		return smtptest.Fault{}
	}}})
	return f, func() { busy.Store(false) }
}

func same[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
