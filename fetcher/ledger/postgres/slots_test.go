package postgres_test

import (
	"errors"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
)

// TestSlots: all processes together have as many as there are, and those of one that
// ends are free.
func TestSlots(t *testing.T) {
	f := setup(t, shared(t))
	other := f.open("second")
	slot := func(s *postgres.Store, kind string, want error) ledger.Slot {
		t.Helper()
		l, err := s.Slot(t.Context(), kind, 3)
		if !errors.Is(err, want) {
			t.Fatalf("a slot of %s: got %v, want %v", kind, err, want)
		}
		return l
	}
	first := slot(f.store, "pop3 a", nil)
	slot(f.store, "pop3 a", nil)
	slot(other, "pop3 a", nil)
	for _, s := range []*postgres.Store{f.store, other} {
		slot(s, "pop3 a", ledger.ErrLeased)
	}
	slot(other, "pop3 b", nil)
	for range 2 { // the second time does nothing
		f.must(first.Release())
	}
	slot(other, "pop3 a", nil)
	slot(other, "pop3 a", ledger.ErrLeased)
	f.cut("first")
	f.until("the slot is free of a process whose session has ended", func() error {
		_, err := other.Slot(t.Context(), "pop3 a", 3)
		return err
	})
}
