package sqlite

import (
	"fmt"
	"os"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

// TestMessagesKeepsNoSnapshot: a reader that takes its time, as a pager left open,
// does not keep the log of writes from being moved into the database.
func TestMessagesKeepsNoSnapshot(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	s := create(t, path)
	l := lease(t, s)
	var recs []*ledger.Record
	for i := range 2*groupSize + 1 {
		recs = append(recs, held(fmt.Sprint(i)))
	}
	if err := l.Put(t.Context(), recs...); err != nil {
		t.Fatal(err)
	}
	n := 0
	err := s.Messages(t.Context(), ledger.Filter{}, func(string, *ledger.Record) error {
		if n++; n%groupSize != 1 {
			return nil
		}
		if err := l.Put(t.Context(), recs[0]); err != nil {
			return err
		}
		statement(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
		if info, err := os.Stat(path + "-wal"); err != nil || info.Size() > 0 {
			t.Errorf("after %d messages the log has %d octets, want all of it in the database", n, info.Size())
		}
		return nil
	})
	if err != nil || n != len(recs) {
		t.Errorf("%d messages, error %v; want %d, no error", n, err, len(recs))
	}
}
