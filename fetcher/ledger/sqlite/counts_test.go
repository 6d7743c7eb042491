package sqlite

import (
	"errors"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// TestCountsOfGroup: the counts of a failed change are dropped, and forgetting an
// account does not fail the other changes of its group.
func TestCountsOfGroup(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	l := lease(t, s)
	s.writer.close() // the connection is the test's now
	runs := 0
	results, err := s.writer.conn.transaction(
		func(c *writeConn) error { runs++; l.count(c, ledger.Held, 1); return nil },
		func(c *writeConn) error { l.count(c, ledger.Held, 10); return errOwn },
		func(c *writeConn) error { l.count(c, ledger.Held, 100); return nil },
	)
	if err != nil || results[0] != nil || !errors.Is(results[1], errOwn) || results[2] != nil || runs != 2 {
		t.Errorf("results %v, error %v, the first change ran %d times; want only the second to fail, and 2 runs", results, err, runs)
	}
	days, err := s.Days(t.Context(), time.Time{})
	if err != nil || len(days) != 1 || days[0].Count != 101 {
		t.Errorf("counts %v, error %v; want one count of 101", days, err)
	}
	results, err = s.writer.conn.transaction(
		func(c *writeConn) error { l.count(c, ledger.Held, 1); return nil },
		func(c *writeConn) error { _, err := c.exec("DELETE FROM accounts"); return err },
		note("other"),
	)
	if err := errors.Join(append(results, err)...); err != nil || noted(t, s) != "other" {
		t.Errorf("with an account that is forgotten, written is %q, error %v; want \"other\", no error", noted(t, s), err)
	}
}
