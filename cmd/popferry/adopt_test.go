package main

import (
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// TestRenumbered: a person's two answers, and their second thoughts.
func TestRenumbered(t *testing.T) {
	t.Parallel()
	o := newOffice(t, letters(1)...)
	o.poll(false)
	o.do(exitOther, []string{"isp: its server has not renumbered it"}, "adopt", "isp")
	o.do(exitOther, []string{"isp: its server has not renumbered it"}, "resend", "isp")
	want := o.accounts()["isp"]
	o.ledger(func(s *sqlite.Store) {
		lease, err := s.Lease(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = lease.Release() }()
		row := want
		row.Renumbered, row.Failures, row.NotBefore, row.Cause = true, 3, later, ledger.Cause{Code: "renumbered"}
		if err := lease.PutAccount(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	})
	for _, test := range []struct {
		answer, say string
		adopt       bool
	}{
		{"adopt", "isp: what is on the server now counts as seen from the next poll", true},
		{"resend", "isp: what is on the server now is new mail, and is sent by the next poll", false},
	} {
		o.do(exitOK, []string{test.say}, test.answer, "isp")
		want.Adopt = test.adopt
		if got := o.accounts()["isp"]; got != want {
			t.Errorf("%s: %+v, want %+v", test.answer, got, want)
		}
	}
}
