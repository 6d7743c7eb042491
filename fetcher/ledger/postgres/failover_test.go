package postgres_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
)

// TestFailover: a standby that had not got the last commits becomes the primary. The
// ledger says so, to those who had it open and at the next start.
func TestFailover(t *testing.T) {
	primary := postgrestest.Start(t)
	standby := primary.Standby(t)
	f := setup(t, primary)
	f.url = postgrestest.URLs(f.database(), primary, standby)
	f.store = f.open("both")
	var told []postgres.Failover
	f.store.OnFailover(func(f postgres.Failover) { told = append(told, f) })
	l := f.lease(f.store)
	made, before := l.(*postgres.Lease).Timelines()
	if before == "" || made != before {
		t.Fatalf("the timeline is %q, and the ledger was made in %q; want the same one", before, made)
	}
	kept := intent()
	f.must(l.Put(t.Context(), kept))
	primary.Until(t, "the standby has it", "SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication")

	standby.Detach(t)
	lost := intent()
	lost.UID = "2"
	f.must(l.Put(t.Context(), lost))
	primary.Stop(t)
	standby.Promote(t)
	f.until("the store has the new primary", func() error { return f.store.Ping(t.Context()) })
	f.must(l.Release())

	l = f.leaseSoon(f.store)
	known, err := l.Known(t.Context())
	f.must(err)
	if known.Len() != 1 {
		t.Errorf("%d messages are left, want the one that the standby had", known.Len())
	}
	made, after := l.(*postgres.Lease).Timelines()
	if after == before || made != before {
		t.Errorf("the timeline is %q, that in which the ledger was made %q; want another one than before, and still %q", after, made, before)
	}
	want := postgres.Failover{Was: before, Is: after}
	if len(told) != 1 || told[0] != want {
		t.Errorf("told of %+v, want %+v", told, want)
	}
	if number, n := f.store.Timeline(); n != 1 || number < 2 {
		t.Errorf("timeline %d after %d failovers, want 2 or more after 1", number, n)
	}
	if _, n := f.open("next").Timeline(); n != 0 {
		t.Errorf("a process that starts later noticed %d failovers, want 0: it is in the ledger", n)
	}
	a, err := l.Account(t.Context())
	f.must(err)
	a.Server.Timeline = after
	f.must(l.PutAccount(t.Context(), a))
	if got := f.timelineOf(l); got != after {
		t.Errorf("the account was dealt with in %q, want %q", got, after)
	}
}

// TestFailoverWhileNoneRuns: the next start notices it.
func TestFailoverWhileNoneRuns(t *testing.T) {
	primary := postgrestest.Start(t)
	standby := primary.Standby(t)
	f := setup(t, primary)
	primary.Until(t, "the standby has it", "SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication")
	f.must(f.store.Close())
	primary.Stop(t)
	standby.Promote(t)
	f.url = postgrestest.URLs(f.database(), primary, standby)
	look, err := postgres.Open(t.Context(), f.url, postgres.Options{Look: true})
	f.must(err)
	f.must(look.Close())
	if _, n := f.open("next").Timeline(); n != 1 {
		t.Errorf("noticed %d failovers, want 1", n)
	}
}

func (f *fixture) database() string {
	f.Helper()
	u, err := url.Parse(f.url)
	f.must(err)
	return u.Path[1:]
}

func (f *fixture) timelineOf(l ledger.Lease) string {
	f.Helper()
	a, err := l.Account(f.Context())
	f.must(err)
	return a.Server.Timeline
}

// TestAsynchronous: standbys that the database does not wait for are noticed, also by a
// user without privileges.
func TestAsynchronous(t *testing.T) {
	primary := postgrestest.Start(t)
	f := setup(t, primary)
	f.server.Exec(t, f.database(), "CREATE USER plain; ALTER DATABASE "+f.database()+" OWNER TO plain; DROP SCHEMA popferry CASCADE")
	f.url = strings.Replace(f.url, "popferry@", "plain@", 1)
	f.must(f.store.Close())
	f.store = f.open("plain")
	wantAsynchronous := func(want bool) {
		t.Helper()
		if got, err := f.store.Asynchronous(t.Context()); got != want || err != nil {
			t.Errorf("asynchronous is %v, %v; want %v", got, err, want)
		}
	}
	if number, _ := f.store.Timeline(); number != 1 {
		t.Errorf("timeline %d, want 1", number)
	}
	wantAsynchronous(false)
	primary.Standby(t)
	wantAsynchronous(true)
	primary.Exec(t, "postgres", "ALTER SYSTEM SET synchronous_standby_names = 'standby'")
	primary.Exec(t, "postgres", "SELECT pg_reload_conf()")
	primary.Until(t, "the standby is synchronous", "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE sync_state = 'sync')")
	f.until("the setting is known", func() error {
		if got, err := f.store.Asynchronous(t.Context()); err != nil || got {
			return fmt.Errorf("asynchronous is %v, %w", got, err)
		}
		return nil
	})
}
