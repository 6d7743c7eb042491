package postgres_test

import (
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
)

// fixture is a ledger with one account.
type fixture struct {
	*testing.T
	server  *postgrestest.Server
	url     string
	name    string // application_name of the first store
	store   *postgres.Store
	account int64
}

func setup(t *testing.T, s *postgrestest.Server) *fixture {
	t.Parallel()
	t.Helper()
	f := &fixture{T: t, server: s, url: s.New(t), name: "first"}
	f.store = f.open(f.name)
	accounts, err := f.store.Claim(t.Context(), []ledger.Identity{{Name: "isp", Username: "leo", Host: "pop.example.net"}})
	f.must(err)
	f.account = accounts[0].ID
	return f
}

// open opens the ledger until the end of the test, as a process of that name.
func (f *fixture) open(name string) *postgres.Store {
	f.Helper()
	s, err := postgres.Open(f.Context(), f.url+"&application_name="+name, postgres.Options{Create: true})
	f.must(err)
	f.Cleanup(func() { f.must(s.Close()) })
	return s
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) lease(s *postgres.Store) ledger.Lease {
	f.Helper()
	l, err := s.Lease(f.Context(), f.account)
	f.must(err)
	f.Cleanup(func() { f.must(l.Release()) })
	return l
}

// leaseSoon is lease once the database has noticed that the last holder is gone.
func (f *fixture) leaseSoon(s *postgres.Store) (l ledger.Lease) {
	f.Helper()
	f.until("the lease is free", func() (err error) {
		l, err = s.Lease(f.Context(), f.account)
		return err
	})
	f.Cleanup(func() { f.must(l.Release()) })
	return l
}

func (f *fixture) until(what string, try func() error) {
	f.Helper()
	var err error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if err = try(); err == nil {
			return
		}
	}
	f.Fatalf("waited a minute until %s: %v", what, err)
}

// cut ends all sessions of a process of that name, as a network that breaks or an
// administrator does.
func (f *fixture) cut(name string) {
	f.Helper()
	u, err := url.Parse(f.url)
	f.must(err)
	f.server.Exec(f.T, "postgres", fmt.Sprintf("SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE application_name = '%s' AND datname = '%s'", name, u.Path[1:]))
}

func (f *fixture) wants(what string, err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Errorf("%s: error %v, want %v", what, err, want)
	}
}

// wantState fails unless the only message of the account is in a state.
func (f *fixture) wantState(want ledger.State) {
	f.Helper()
	var states []ledger.State
	f.must(f.store.Messages(f.Context(), ledger.Filter{}, func(_ string, r *ledger.Record) error {
		states = append(states, r.State)
		return nil
	}))
	if len(states) != 1 || states[0] != want {
		f.Errorf("the messages are %v, want one that is %s", states, want)
	}
}

// intent is a message that is being sent.
func intent() *ledger.Record {
	return &ledger.Record{
		Known: ledger.Known{UID: "1", State: ledger.Sending, Size: 10, Attempts: 1}, Trace: "trace",
		Recipients: []ledger.Recipient{{Address: "a@example.org", State: ledger.Sending, Attempts: 1}},
	}
}

// forwarded is its outcome.
func forwarded(of *ledger.Record) *ledger.Record {
	r := *of
	r.State = ledger.Forwarded
	r.Recipients = []ledger.Recipient{{Address: "a@example.org", State: ledger.Forwarded, Attempts: 1, Code: 250}}
	return &r
}

// TestLost: with its connection a process loses its leases, and writes nothing under
// them any more, also by way of the next connection.
func TestLost(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store)
	r := intent()
	f.must(l.Put(t.Context(), r))
	f.must(l.Alive())
	f.cut(f.name)
	other := f.open("second")
	f.leaseSoon(other)
	f.until("there is another session", func() error { return f.store.Ping(t.Context()) })

	f.wants("Put", l.Put(t.Context(), forwarded(r)), ledger.ErrLost)
	f.wants("Drop", l.Drop(t.Context(), r.ID), ledger.ErrLost)
	f.wants("PutAccount", l.PutAccount(t.Context(), ledger.Account{ID: f.account}), ledger.ErrLost)
	f.wants("Alive", l.Alive(), ledger.ErrLost)
	select {
	case <-l.Lost():
	default:
		t.Error("the lease is not lost")
	}
	f.wantState(ledger.Unknown)
	_, err := f.store.Lease(t.Context(), f.account)
	f.wants("a lease that another process has", err, ledger.ErrLeased)
}

// TestLostHere: a poll that has lost its lease may still run. No other one of its
// process begins before it has ended.
func TestLostHere(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store)
	f.cut(f.name)
	f.until("there is another session", func() error { return f.store.Ping(t.Context()) })
	_, err := f.store.Lease(t.Context(), f.account)
	f.wants("a second lease in the process", err, ledger.ErrLeased)
	f.must(l.Release())
	f.must(f.lease(f.store).Alive())
}

// TestSettleLate: the outcome of a transaction is written though the lease was lost.
func TestSettleLate(t *testing.T) {
	for _, test := range []struct {
		name  string
		taken bool // by another process, meanwhile
	}{{"the message is still being sent", false}, {"another process has found it", true}} {
		t.Run(test.name, func(t *testing.T) {
			f := setup(t, shared(t))
			l := f.lease(f.store)
			r := intent()
			f.must(l.Put(t.Context(), r))
			f.cut(f.name)
			var next ledger.Lease
			var found *ledger.Record
			if test.taken {
				next = f.leaseSoon(f.open("second"))
				var err error
				found, err = next.Record(t.Context(), r.ID)
				f.must(err)
				f.wantState(ledger.Unknown)
			}
			f.until("it is settled", func() error { return l.Settle(t.Context(), r, forwarded(r)) })
			f.wantState(ledger.Forwarded)
			f.must(l.Settle(t.Context(), r, forwarded(r))) // its answer may have been lost
			if !test.taken {
				return
			}
			found.State, found.Attempts = ledger.Sending, 2
			f.wants("sending it once more", next.Put(t.Context(), found), ledger.ErrNotFound)
			f.wantState(ledger.Forwarded)
		})
	}
}

// TestDoubtsOfALostLedger: that a process has lost its session while it was sending
// says nothing about the message. That it died may.
func TestDoubtsOfALostLedger(t *testing.T) {
	for _, test := range []struct {
		name string
		dies bool
		want int // doubts
	}{{"the process goes on", false, 0}, {"the process dies", true, 1}} {
		t.Run(test.name, func(t *testing.T) {
			f := setup(t, shared(t))
			beat := func() error {
				_, err := f.store.Beat(t.Context(), ledger.Replica{Name: "first"})
				return err
			}
			f.must(beat())
			l := f.lease(f.store)
			r := intent()
			f.must(l.Put(t.Context(), r))
			if test.dies {
				f.must(f.store.Close())
			} else {
				f.cut(f.name)
				f.until("it has another session", beat)
			}
			found, err := f.leaseSoon(f.open("second")).Record(t.Context(), r.ID)
			f.must(err)
			if got := found.Recipients[0].Doubts; found.State != ledger.Unknown || got != test.want {
				t.Errorf("%s after %d doubts, want unknown after %d", found.State, got, test.want)
			}
		})
	}
}

// TestSettleTooLate: what another process has begun since is not undone.
func TestSettleTooLate(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store)
	r := intent()
	f.must(l.Put(t.Context(), r))
	f.cut(f.name)
	next := f.leaseSoon(f.open("second"))
	again, err := next.Record(t.Context(), r.ID)
	f.must(err)
	again.State, again.Attempts = ledger.Sending, 2
	f.must(next.Put(t.Context(), again))
	f.until("there is another session", func() error { return f.store.Ping(t.Context()) })
	f.wants("the outcome", l.Settle(t.Context(), r, forwarded(r)), ledger.ErrLost)
	f.must(l.Settle(t.Context(), r, nil))
	f.wantState(ledger.Sending)
}

// TestSettleNothing: an intent without a transaction leaves no row, though the lease
// was lost, or though the answer to the intent was.
func TestSettleNothing(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store)
	r := intent()
	f.must(l.Put(t.Context(), r))
	unanswered := *r
	unanswered.ID, unanswered.Account = 0, 0
	f.cut(f.name)
	f.until("it is settled", func() error { return l.Settle(t.Context(), &unanswered, nil) })
	f.must(l.Release())
	known, err := f.lease(f.store).Known(t.Context())
	if err != nil || known.Len() != 0 {
		t.Errorf("%d rows, %v, want none", known.Len(), err)
	}
}

// TestCrash: the server dies. What was confirmed is there after its crash, whatever
// the database says about commits, and an outcome of before is written afterwards.
func TestCrash(t *testing.T) {
	f := setup(t, postgrestest.Start(t, "synchronous_commit = off", "wal_writer_delay = 10s"))
	l := f.lease(f.store)
	r := intent()
	f.must(l.Put(t.Context(), r))
	f.server.Stop(t)
	f.wants("an outcome", l.Settle(t.Context(), r, forwarded(r)), ledger.ErrUnavailable)
	f.wants("readiness", f.store.Ping(t.Context()), ledger.ErrUnavailable)
	f.server.Go(t)
	f.until("it is settled", func() error { return l.Settle(t.Context(), r, forwarded(r)) })
	f.wantState(ledger.Forwarded)
	f.must(l.Release())
	f.lease(f.store)
}

// TestReadersFollowTheWriter: after the writing session was lost, nothing is read by a
// connection from before. It may lead to a server that is not the primary any more.
func TestReadersFollowTheWriter(t *testing.T) {
	f := setup(t, shared(t))
	f.lease(f.store) // so that the writing session has a lock
	before, err := postgres.Readers(t.Context(), f.store, 20)
	f.must(err)
	u, err := url.Parse(f.url)
	f.must(err)
	f.server.Exec(t, u.Path[1:], "SELECT pg_terminate_backend(l.pid, 60000) FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory' AND d.datname = current_database()")
	f.until("it writes again", func() error { _, err := postgres.Settings(f.store, "fsync"); return err })
	after, err := postgres.Readers(t.Context(), f.store, 20)
	f.must(err)
	for pid := range after {
		if before[pid] {
			t.Errorf("session %d still reads, want only new ones", pid)
		}
	}
}

// TestAnotherProcessIntendsTheSame: what a process writes late about an intent does not
// touch the intent of another one for the same attempt, which has the same trace.
func TestAnotherProcessIntendsTheSame(t *testing.T) {
	f := setup(t, shared(t))
	first := f.lease(f.store)
	f.cut(f.name) // its intent is never written
	second := f.leaseSoon(f.open("second"))
	theirs := intent()
	f.must(second.Put(t.Context(), theirs))
	mine := intent()
	f.until("it is settled that nothing was sent", func() error { return first.Settle(t.Context(), mine, nil) })
	f.wantState(ledger.Sending)
	refused := intent()
	refused.State = ledger.Held
	f.until("another process has gone on", func() error {
		if err := first.Settle(t.Context(), mine, refused); !errors.Is(err, ledger.ErrLost) {
			return fmt.Errorf("got %w", err)
		}
		return nil
	})
	f.wantState(ledger.Sending)
	f.must(second.Settle(t.Context(), theirs, forwarded(theirs)))
	f.wantState(ledger.Forwarded)
}
