package sqlite

import "testing"

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
