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
// except the two servers, which a test can make misbehave.
type fixture struct {
	t     testing.TB
	pop   *pop3test.Server
	smtp  *smtptest.Server
	pool  *smtp.Pool
	store *sqlite.Store
	spool *spool.Spool
	now   *clock

	// A test may change what follows between two polls.
	account fetcher.Account
	lease   func(fetcher.Lease) fetcher.Lease // wraps that of the store; nil: it is used as it is
	stop    chan struct{}                     // closed: the program is being stopped
	copyDir string

	ledgerPath string
	smtpDown   func()
}

// faults are how the servers of a fixture misbehave. The zero value is two good
// servers.
type faults struct {
	pop        popHandler
	pipelining pop3test.Pipelining // how the POP3 server takes commands that are sent ahead
	hides      *hiding             // set: the POP3 server gives each message once
	smtp       smtptest.Options
	pool       smtp.Options
}

// popHandler sees each command that the POP3 server gets, as
// pop3test.Options.Handle does.
type popHandler = func(s *pop3test.Session, verb, arg string) (answered bool)

const (
	// longTimeout is longer than any wait that ends, however busy the machine is.
	// A fifth of it is the silence after which NOOP is sent.
	longTimeout = 5 * time.Minute
	// shortTimeout is a limit that is to be reached. A server that is well must
	// answer within it, also while the machine is busy.
	shortTimeout = 2 * time.Second
)

// newFixture starts both servers with an empty mailbox of "leo", and a ledger
// with the account "isp". Its policy is to keep all and to forward all.
func newFixture(t testing.TB, b faults) *fixture {
	t.Helper()
	f := &fixture{
		t: t, now: &clock{t: time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)}, stop: make(chan struct{}),
		spool: spool.New(t.TempDir(), 64<<20), copyDir: filepath.Join(t.TempDir(), "copies"),
	}
	f.pop = pop3test.NewServer(pop3test.Options{Users: map[string]string{"leo": "secret"}, Handle: f.popHandler(b), Pipelining: b.pipelining})
	must(t, f.pop.Start())
	t.Cleanup(func() { _ = f.pop.Close() })
	var err error
	f.smtp, err = smtptest.Start(b.smtp)
	must(t, err)
	f.smtpDown = sync.OnceFunc(func() { _ = f.smtp.Close() })
	t.Cleanup(f.smtpDown)
	f.ledgerPath = filepath.Join(t.TempDir(), "popferry.db")
	f.store, err = sqlite.Open(t.Context(), f.ledgerPath, sqlite.Options{Create: true, Now: f.now.Now})
	must(t, err)
	t.Cleanup(func() { must(t, f.store.Close()) })
	b.pool.Dial, b.pool.LMTP = f.smtp.Dial, b.smtp.LMTP
	if b.pool.Timeout == 0 {
		b.pool.Timeout = longTimeout
	}
	f.pool = smtp.New(b.pool)
	t.Cleanup(func() { _ = f.pool.Close() })
	f.account = f.newAccount()
	return f
}

// popHandler is what the POP3 server does with commands: first it hides, if it
// does. It takes one command at a time, so that a handler needs no lock: a session
// that was cut may still be at commands that were sent ahead when the next session
// has begun.
func (f *fixture) popHandler(b faults) popHandler {
	if b.pop == nil && b.hides == nil {
		return nil
	}
	var mu sync.Mutex
	return func(s *pop3test.Session, verb, arg string) bool {
		mu.Lock()
		defer mu.Unlock()
		return b.hides.handle(f.pop, s, verb, arg) || b.pop != nil && b.pop(s, verb, arg)
	}
}

// newAccount claims the account in the ledger.
func (f *fixture) newAccount() fetcher.Account {
	f.t.Helper()
	rows, err := f.store.Claim(f.t.Context(), []ledger.Identity{{Name: "isp", Username: "leo", Host: "pop.example.net"}})
	must(f.t, err)
	return fetcher.Account{
		ID: rows[0].ID, Name: "isp",
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

// destination is a pool as the fetcher wants it.
type destination struct{ *smtp.Pool }

func (d destination) Submit(m *forwarder.Message) fetcher.Delivery { return d.Pool.Submit(m) }

// poll polls once because the user asked for it: back-offs do not count.
func (f *fixture) poll() fetcher.Result { return f.pollWith(f.t.Context(), true) }

// pollBySchedule polls once.
func (f *fixture) pollBySchedule() fetcher.Result { return f.pollWith(f.t.Context(), false) }

func (f *fixture) pollWith(ctx context.Context, asked bool) fetcher.Result {
	f.t.Helper()
	return fetcher.New(f.options()).Poll(ctx, f.account, asked)
}

func (f *fixture) options() fetcher.Options {
	return fetcher.Options{
		Lease: func(ctx context.Context, id int64) (fetcher.Lease, error) {
			l, err := f.store.Lease(ctx, id)
			switch {
			case err != nil:
				return nil, err
			case f.lease != nil:
				return f.lease(l), nil
			default:
				return l, nil
			}
		},
		Routes: f.store, Spool: f.spool, CopyDir: f.copyDir, Stopping: f.stop, Now: f.now.Now,
		Describe: func(err error) ledger.Cause { return ledger.Cause{Code: "test", Text: err.Error()} },
		Log:      slog.New(slog.NewTextHandler(testLog{f.t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	}
}

// pollEvery12Hours waits twelve hours and polls, so many times.
func (f *fixture) pollEvery12Hours(polls int, asked bool) {
	f.t.Helper()
	for range polls {
		f.now.Add(12 * time.Hour)
		f.pollWith(f.t.Context(), asked)
	}
}

// add puts messages into the mailbox, under their names with "uid-" before.
func (f *fixture) add(names ...string) {
	for _, n := range names {
		f.addUnder("uid-"+n, octetsOf(n))
	}
}

// addUnder puts messages into the mailbox under one UID.
func (f *fixture) addUnder(uid string, messages ...[]byte) {
	for _, m := range messages {
		f.pop.Add("leo", pop3test.Message{UID: uid, Octets: m})
	}
}

// replace has a message alone in the mailbox.
func (f *fixture) replace(uid string, octets []byte) {
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return []pop3test.Message{{UID: uid, Octets: octets}} })
}

// lengthenFirst has the server list the first message as longer than before.
func (f *fixture) lengthenFirst() {
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		ms[0].Octets = append(ms[0].Octets, "x\r\n"...)
		return ms
	})
}

// octetsOf is a message that is recognised by its name. Messages with names of the
// same length have the same size.
func octetsOf(name string) []byte {
	return fmt.Appendf(nil, "Return-Path: <sender-%[1]s@example.org>\r\nReceived: from a.example by mx.example; Sun, 22 Nov 2026 10:00:00 +0000\r\n"+
		"From: %[1]s@example.org\r\nSubject: about %[1]s\r\nMessage-ID: <%[1]s@example.org>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n.dot\r\nbody of %[1]s\r\n", name)
}

// numbered are the names m1 to mN.
func numbered(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf("m%d", i+1))
	}
	return out
}

// arrived are the names of what the destination took, in its order.
func (f *fixture) arrived() []string {
	var out []string
	for _, m := range f.smtp.Messages() {
		out = append(out, nameOf(m))
	}
	return out
}

func nameOf(m smtptest.Message) string { return nameOfOctets(m.Data) }

func nameOfOctets(octets []byte) string {
	_, after, _ := bytes.Cut(octets, []byte("Message-ID: <"))
	name, _, _ := bytes.Cut(after, []byte("@"))
	return string(name)
}

// withoutTrace takes the trace lines off a message that arrived.
func withoutTrace(m smtptest.Message) (trace, body string) {
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

// verbs are those of the commands that the POP3 server got, in their order, as far
// as they are among these.
func (f *fixture) verbs(only ...string) []string {
	var out []string
	for _, c := range f.pop.Log() {
		if slices.Contains(only, c.Verb()) {
			out = append(out, c.Verb())
		}
	}
	return out
}

// copies are the paths of the retained copies.
func (f *fixture) copies() []string {
	f.t.Helper()
	files, err := filepath.Glob(filepath.Join(f.copyDir, "*"))
	must(f.t, err)
	return files
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
		f.t.Fatalf("%d rows for %q, want 1", len(found), uid)
	}
	return found[0]
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

// inState counts the rows in a state.
func (f *fixture) inState(s ledger.State) int {
	f.t.Helper()
	n := 0
	for _, r := range f.records() {
		if r.State == s {
			n++
		}
	}
	return n
}

// underLease does something with the account's rows between two polls, as a
// command of the user does.
func (f *fixture) underLease(do func(ctx context.Context, l fetcher.Lease) error) {
	f.t.Helper()
	l, err := f.store.Lease(f.t.Context(), f.account.ID)
	must(f.t, err)
	must(f.t, errors.Join(do(f.t.Context(), l), l.Release()))
}

// setUIDs is what the user answers where the UIDs are new: UIDsAdopting for
// "popferry adopt", UIDsStable for "popferry resend".
func (f *fixture) setUIDs(s ledger.UIDState) {
	f.t.Helper()
	f.underLease(func(ctx context.Context, l fetcher.Lease) error {
		a, err := l.Account(ctx)
		if err != nil {
			return err
		}
		a.UIDs = s
		return l.PutAccount(ctx, a)
	})
}

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

func (c *clock) Set(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = t
}

func (c *clock) Add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// testLog shows the log of a test that failed.
type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(string(bytes.TrimSpace(p)))
	return len(p), nil
}

var errTest = errors.New("made to fail")

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// accountRow is what the ledger has of the account.
func (f *fixture) accountRow() (row ledger.Account) {
	f.t.Helper()
	f.underLease(func(ctx context.Context, l fetcher.Lease) (err error) {
		row, err = l.Account(ctx)
		return err
	})
	return row
}
