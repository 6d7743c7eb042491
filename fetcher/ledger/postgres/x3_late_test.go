package postgres_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
)

// TestX3LateOutcomeWhileTheLeaseIsTaken: the outcome of a transaction comes while the
// next process takes the lease, between its reading what was being sent and its writing
// that this is in doubt.
func TestX3LateOutcomeWhileTheLeaseIsTaken(t *testing.T) {
	f := setup(t, shared(t))
	l := f.lease(f.store)
	r := intent()
	f.must(l.Put(t.Context(), r))
	other := f.open("second")
	f.cut(f.name)
	conn, err := pgx.Connect(t.Context(), f.url)
	f.must(err)
	defer conn.Close(t.Context()) //nolint:errcheck // of the test
	tx, err := conn.Begin(t.Context())
	f.must(err)
	_, err = tx.Exec(t.Context(), "LOCK TABLE popferry.holders IN ACCESS EXCLUSIVE MODE") // it is asked in between
	f.must(err)
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
		if err := tx.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'second' AND wait_event_type = 'Lock')").Scan(&waits); err != nil || !waits {
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

// TestX3LateOutcomeWhileTheMessageIsFetched: the same while the next process has read the
// row and fetches the message, which it keeps, or fails to get.
func TestX3LateOutcomeWhileTheMessageIsFetched(t *testing.T) {
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
