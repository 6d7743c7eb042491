package fetcher_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/fetcher/retained"
)

// cutAtCopy is a lease whose ledger loses its connection when a copy is to be written.
type cutAtCopy struct {
	fetcher.Lease
	retained.Keeper
	cut func()
}

func (l cutAtCopy) Put(ctx context.Context, recs ...*ledger.Record) error {
	if recs[0].CopyFile != "" {
		l.cut()
	}
	return l.Lease.Put(ctx, recs...)
}

// sharedLedger is a ledger in PostgreSQL, for a mailbox whose server gives each message
// once.
type sharedLedger struct {
	*fixture
	server   *postgrestest.Server
	url      string
	database string
}

// newSharedLedger returns one in which the fixture's account is that of the mailbox.
func newSharedLedger(server *postgrestest.Server, f *fixture) *sharedLedger {
	f.t.Helper()
	l := &sharedLedger{fixture: f, server: server, url: server.New(f.t)}
	parsed, err := url.Parse(l.url)
	must(f.t, err)
	l.database = parsed.Path[1:]
	rows, err := l.open("setup").Claim(f.t.Context(), []ledger.Identity{{Name: "isp", Username: "leo", Host: "pop.example.net"}})
	must(f.t, err)
	f.account.ID = rows[0].ID
	return l
}

// open opens it as a process of this name does.
func (l *sharedLedger) open(name string) *postgres.Store {
	l.t.Helper()
	store, err := postgres.Open(l.t.Context(), l.url+"&application_name="+name, postgres.Options{Create: true})
	must(l.t, err)
	l.t.Cleanup(func() { must(l.t, store.Close()) })
	return store
}

// cut ends the connections of a process.
func (l *sharedLedger) cut(name string) {
	l.server.Exec(l.t, "postgres", fmt.Sprintf("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = '%s' AND datname = '%s'", name, l.database))
}

// poller polls as a process does; its leases are wrapped.
func (l *sharedLedger) poller(store *postgres.Store, wrap func(ledger.Lease) fetcher.Lease) *fetcher.Poller {
	o := l.options()
	o.Routes, o.Now = store, nil
	o.Lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
		l, err := store.Lease(ctx, id)
		if err != nil {
			return nil, err
		}
		return wrap(l), nil
	}
	return fetcher.New(o)
}

// pollUntil polls until what was waited for is there, for a minute at most.
func (l *sharedLedger) pollUntil(p *fetcher.Poller, what string, done func(fetcher.Result) bool) {
	l.t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(time.Minute); !done(p.Poll(l.t.Context(), l.account, true)); <-tick.C {
		if time.Now().After(deadline) {
			l.t.Errorf("waited a minute until %s", what)
			return
		}
	}
}

// The octets of a message that its server does not give again outlive the connection to
// the ledger that is to keep them.
func TestCopyOutlivesTheConnectionToTheLedger(t *testing.T) {
	t.Parallel()
	database := postgrestest.Start(t)
	for name, atRetr := range map[string]bool{"the server deletes at RETR": true, "at QUIT": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var f *fixture
			var given []string
			f = newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
				switch m := s.Message(arg); {
				case verb == "RETR" && m != nil:
					given = append(given, m.UID)
				case verb == "QUIT" && !atRetr, verb == "" && atRetr:
					f.hide(given...)
				}
				return saysExpire(s, verb, arg)
			}})
			shared := newSharedLedger(database, f)
			f.add("m1", "m2", "m3")
			cut := sync.OnceFunc(func() { shared.cut("first") })
			p := shared.poller(shared.open("first"), func(l ledger.Lease) fetcher.Lease { return cutAtCopy{l, l.(retained.Keeper), cut} })
			shared.pollUntil(p, "all had arrived", func(fetcher.Result) bool { return slices.Equal(sorted(f.arrived()), numbered(3)) })
			f.wantArrived(numbered(3)...)
		})
	}
}

// While a process cannot reach the ledger, another one polls the mailbox, which lists the
// message again, and forwards it. The copy that the first one writes late is of a message
// that has arrived, and is not sent.
func TestLateCopyOfAForwardedMessageIsNotSent(t *testing.T) {
	t.Parallel()
	given := make(map[int][]string)
	var f *fixture
	f = newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		switch m := s.Message(arg); {
		case verb == "RETR" && m != nil:
			given[s.Number] = append(given[s.Number], m.UID)
		case verb == "QUIT":
			f.hide(given[s.Number]...)
		}
		return saysExpire(s, verb, arg)
	}})
	shared := newSharedLedger(postgrestest.Start(t), f)
	f.add("m1")
	other := shared.poller(shared.open("second"), func(l ledger.Lease) fetcher.Lease { return l })
	cut := sync.OnceFunc(func() {
		shared.cut("first")
		shared.pollUntil(other, "the other process could poll", func(r fetcher.Result) bool { return r.Skip != fetcher.Leased })
	})
	p := shared.poller(shared.open("first"), func(l ledger.Lease) fetcher.Lease { return cutAtCopy{l, l.(retained.Keeper), cut} })
	for range 3 {
		p.Poll(t.Context(), f.account, true)
	}
	f.wantArrived("m1")
}

// copiesInMemory is a ledger that keeps copies and may be away when one is read.
type copiesInMemory struct {
	fetcher.Lease
	octets map[string][]byte
	away   *atomic.Bool
}

func (l copiesInMemory) StageCopy(name string, octets io.WriterTo) {
	var b bytes.Buffer
	_, _ = octets.WriteTo(&b)
	l.octets[name] = b.Bytes()
}

func (l copiesInMemory) PutCopy(ctx context.Context, rec *ledger.Record) error {
	return l.Put(ctx, rec)
}

func (l copiesInMemory) CopyNames(context.Context) ([]string, error) {
	return slices.Collect(maps.Keys(l.octets)), nil
}

func (l copiesInMemory) OpenCopy(name string) (io.WriterTo, error) {
	if l.away.Load() {
		return nil, fmt.Errorf("reading the ledger: %w", ledger.ErrUnavailable)
	}
	return bytes.NewReader(l.octets[name]), nil
}

// That the ledger cannot be read is not held against the message whose copy is there.
func TestLedgerIsAwayWhenACopyIsRead(t *testing.T) {
	t.Parallel()
	busy, free := busyDestination()
	f := newFixture(t, faults{hides: &hiding{says: true}, smtp: busy})
	octets, away := make(map[string][]byte), new(atomic.Bool)
	f.lease = func(l fetcher.Lease) fetcher.Lease { return copiesInMemory{l, octets, away} }
	f.add("m1", "m2")
	wantResult(t, f.poll(), result{Counts: counts{Deferred: 2}, OnServer: 2})
	free()
	f.now.Add(time.Hour)
	before := f.records()
	away.Store(true)
	if res := f.pollBySchedule(); !errors.Is(res.Err, ledger.ErrUnavailable) {
		t.Errorf("the poll ends with %v, want the ledger's error", res.Err)
	}
	for i, rec := range f.records() {
		if b := before[i]; rec.Attempts != b.Attempts || rec.Cause != b.Cause || !rec.NextAttempt.Equal(b.NextAttempt) {
			t.Errorf("%s has %d attempts and %q, want %d and %q as before", rec.UID, rec.Attempts, rec.Cause.Text, b.Attempts, b.Cause.Text)
		}
	}
	away.Store(false)
	f.pollBySchedule()
	f.wantArrived("m1", "m2")
}
