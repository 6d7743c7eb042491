package postgres_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
)

// TestLateOutcomeWhileTheLeaseIsTaken: the outcome of a transaction comes while the
// next process takes the lease, between its reading what was being sent and its writing
// that this is in doubt.
func TestLateOutcomeWhileTheLeaseIsTaken(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store)
	r := intent()
	f.must(l.Put(t.Context(), r))
	other := f.open("second")
	f.cut(f.name)
	conn, err := pgx.Connect(t.Context(), f.url)
	f.must(err)
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	f.must(err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE popferry.holders IN ACCESS EXCLUSIVE MODE") // it is asked in between
	f.must(err)
	watch, err := pgx.Connect(t.Context(), f.url) // what a transaction sees of others stays the same
	f.must(err)
	defer watch.Close(t.Context())
	taken := make(chan error, 1)
	var next ledger.Lease
	go func() {
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			l, err := other.Lease(t.Context(), f.account)
			if !errors.Is(err, ledger.ErrLeased) || time.Now().After(deadline) {
				next = l
				taken <- err
				return
			}
		}
	}()
	f.until("the other process asks who had the lease", func() error {
		var waits bool
		if err := watch.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'second' AND wait_event_type = 'Lock')").Scan(&waits); err != nil || !waits {
			return errors.Join(err, errors.New("it does not wait"))
		}
		return nil
	})
	f.until("it is settled", func() error { return l.Settle(t.Context(), r, forwarded(r)) })
	f.wantState(ledger.Forwarded)
	f.must(tx.Rollback(t.Context()))
	if err := <-taken; err == nil {
		f.must(next.Release())
	}
	f.wantState(ledger.Forwarded)
}

// TestLateOutcomeWhileTheMessageIsFetched: the same while the next process has read the
// row and fetches the message, which it keeps, or fails to get.
func TestLateOutcomeWhileTheMessageIsFetched(t *testing.T) {
	for _, state := range []ledger.State{ledger.Deferred, ledger.Unknown, ledger.Held, ledger.Gone} {
		t.Run(state.String(), func(t *testing.T) {
			f := setup(t, shared(t))
			l := f.lease(f.store)
			r := intent()
			f.must(l.Put(t.Context(), r))
			f.cut(f.name)
			next := f.leaseSoon(f.open("second"))
			found, err := next.Record(t.Context(), r.ID)
			f.must(err)
			f.until("it is settled", func() error { return l.Settle(t.Context(), r, forwarded(r)) })
			found.State = state
			_ = next.Put(t.Context(), found)
			f.wantState(ledger.Forwarded)
		})
	}
}

// TestLateCopyIntoALedgerThatHasMoved: what comes late is an error, for nobody looks
// into the old ledger any more.
func TestLateCopyIntoALedgerThatHasMoved(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store)
	rec := &ledger.Record{Known: ledger.Known{UID: "1", State: ledger.Deferred, Size: 3, CopyFile: "1-00000000000000000000000000000000-0-00000000000000000000000000000000.eml"}, Account: f.account}
	l.(*postgres.Lease).StageCopy(rec.CopyFile, bytes.NewBufferString("abc"))
	f.cut(f.name)
	other := f.open("second")
	f.must(f.leaseSoon(other).Release())
	f.must(other.MarkMoved(t.Context(), "popferry.db"))
	var late error
	f.until("the ledger answers", func() error {
		if late = l.(*postgres.Lease).PutCopy(context.Background(), rec); errors.Is(late, ledger.ErrUnavailable) {
			return late
		}
		return nil
	})
	var moved *ledger.MovedError
	if !errors.As(late, &moved) {
		t.Errorf("the late copy: error %v, want that the ledger has moved", late)
	}
}

// TestTableThatIsLocked: that an administrator has locked a table is a reason that
// passes, so what is known of a message is kept until it can be written.
func TestTableThatIsLocked(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store)
	r := intent()
	f.must(l.Put(t.Context(), r))
	conn, err := pgx.Connect(t.Context(), f.url)
	f.must(err)
	defer conn.Close(t.Context())
	tx, err := conn.Begin(t.Context())
	f.must(err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE popferry.messages IN ACCESS EXCLUSIVE MODE")
	f.must(err)
	err = l.Put(t.Context(), forwarded(r))
	t.Log(err)
	f.wants("Put", err, ledger.ErrUnavailable)
	f.must(tx.Rollback(t.Context()))
}
