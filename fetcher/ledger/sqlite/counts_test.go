package sqlite

import (
	"errors"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// TestCountsOfAGroup: what a change has counted goes with it, and an account
// that is forgotten in the same group takes none of the others with it.
func TestCountsOfAGroup(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	l := lease(t, s)
	s.writer.close() // the session is the test's now
	runs := 0
	own, all := s.writer.conn.transaction(
		func(c *writeConn) error { runs++; l.count(c, ledger.Held, 1); return nil },
		func(c *writeConn) error { l.count(c, ledger.Held, 10); return errOwn },
		func(c *writeConn) error { l.count(c, ledger.Held, 100); return nil },
	)
	if all != nil || own[0] != nil || !errors.Is(own[1], errOwn) || own[2] != nil || runs != 2 {
		t.Errorf("%v, %v, run %d times", own, all, runs)
	}
	days, err := s.Days(t.Context(), time.Time{})
	if err != nil || len(days) != 1 || days[0].Count != 101 {
		t.Errorf("%v, %v", days, err)
	}
	own, all = s.writer.conn.transaction(
		func(c *writeConn) error { l.count(c, ledger.Held, 1); return nil },
		func(c *writeConn) error { _, err := c.exec("DELETE FROM accounts"); return err },
		note("other"),
	)
	if err := errors.Join(append(own, all)...); err != nil || noted(t, s) != "other" {
		t.Errorf("an account that is forgotten: %v", err)
	}
}
