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

// The octets of a message that its server does not give again outlive the connection to
// the ledger that is to keep them.
func TestCopyOutlivesTheConnectionToTheLedger(t *testing.T) {
	t.Parallel()
	database := postgrestest.Start(t)
	for name, atRetr := range map[string]bool{"the server deletes at RETR": true, "at QUIT": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := database.New(t)
			parsed, err := url.Parse(at)
			must(t, err)
			var f *fixture
			var given []string
			f = newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
				switch m := s.Message(arg); {
				case verb == "CAPA":
					s.Lines("capabilities", "USER", "UIDL", "TOP", "EXPIRE 0")
					return true
				case verb == "RETR" && m != nil:
					given = append(given, m.UID)
				case verb == "QUIT" && !atRetr, verb == "" && atRetr:
					f.hide(given...)
				}
				return false
			}})
			store, err := postgres.Open(t.Context(), at+"&application_name=cut", postgres.Options{Create: true})
			must(t, err)
			t.Cleanup(func() { must(t, store.Close()) })
			rows, err := store.Claim(t.Context(), []ledger.Identity{{Name: "isp", Username: "leo", Host: "pop.example.net"}})
			must(t, err)
			f.account.ID = rows[0].ID
			f.add("m1", "m2", "m3")
			cut := sync.OnceFunc(func() {
				database.Exec(t, "postgres", fmt.Sprintf("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE application_name = 'cut' AND datname = '%s'", parsed.Path[1:]))
			})
			o := f.options()
			o.Routes, o.Now = store, nil
			o.Lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
				l, err := store.Lease(ctx, id)
				if err != nil {
					return nil, err
				}
				return cutAtCopy{l, l.(retained.Keeper), cut}, nil
			}
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && !slices.Equal(sorted(f.arrived()), numbered(3)); <-tick.C {
				fetcher.New(o).Poll(t.Context(), f.account, true)
			}
			f.wantArrived(numbered(3)...)
		})
	}
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
