package sqlite

import (
	"database/sql"
	"testing"
	"testing/synctest"
	"time"
)

// TestIdleReadersAreClosed: a daemon between its polls does not keep the page caches
// of the connections that the last one read with, and reads with new ones later.
func TestIdleReadersAreClosed(t *testing.T) {
	t.Parallel()
	path := newPath(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), path, Options{Create: true})
		if err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		}()
		var used []*sql.Conn
		for range readers {
			c, err := s.read.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			used = append(used, c)
		}
		for _, c := range used {
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if n := s.read.Stats().OpenConnections; n != readers {
			t.Fatalf("%d connections are open after they were used, want %d", n, readers)
		}
		time.Sleep(2 * readerIdle)
		synctest.Wait()
		if n := s.read.Stats().OpenConnections; n != 0 {
			t.Errorf("%d connections are open after %v without a read, want none", n, 2*readerIdle)
		}
		if _, err := s.Accounts(t.Context()); err != nil {
			t.Errorf("a read after that: %v", err)
		}
	})
}

// TestReadersCacheLittle: four readers with SQLite's default of 2 MB would take more
// memory than all the rest of a small ledger.
func TestReadersCacheLittle(t *testing.T) {
	t.Parallel()
	s := create(t, newPath(t))
	var got int
	if err := s.read.QueryRowContext(t.Context(), "PRAGMA cache_size").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != -readerCache {
		t.Errorf("cache_size is %d, want %d (negative: in KiB)", got, -readerCache)
	}
}
