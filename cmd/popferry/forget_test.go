package main

import (
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// What was learnt of a server can be wrong, and is learnt again. The messages stay.
func TestForgetFacts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(2)...)
	f.poll(false)
	want := f.accounts()["isp"]
	if want.Server.LastLogin.IsZero() {
		t.Fatal("no login is known, so this tests nothing")
	}
	f.ledger(func(s *sqlite.Store) {
		lease, err := s.Lease(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = lease.Release() }()
		row := want
		row.Server.RetrHides.See(true, time.Now())
		row.Server.LoginDelay.See(time.Hour, time.Now())
		if err := lease.PutAccount(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	})
	f.do(exitUsage, []string{"--facts forgets no messages"}, "forget", "isp", "--facts", "--yes")
	f.do(exitOK, []string{"isp: what was learnt of 127.0.0.1 is forgotten, and the next poll learns it again"}, "forget", "isp", "--facts")
	want.Server = want.Server.Forget()
	if got := f.accounts()["isp"]; got != want {
		t.Errorf("the account is %+v, want %+v", got, want)
	}
	f.hasStates("uid-1 forwarded, uid-2 forwarded")
	f.poll(false)
	if n := len(f.sink.Messages()); n != 2 {
		t.Errorf("%d messages were sent, want 2", n)
	}
}

// Without --yes nothing is removed. With it, everything on the server is new.
func TestForget(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(2)...)
	f.poll(false)
	f.do(exitUsage, []string{"isp (leo at 127.0.0.1): 2 messages would be forgotten", "all the mail on its server will be forwarded again",
		"nothing was removed: to remove them, popferry forget --config " + f.config + " isp --yes"}, "forget", "isp")
	f.hasStates("uid-1 forwarded, uid-2 forwarded")
	f.do(exitOK, []string{"isp: 2 messages forgotten"}, "forget", "isp", "--yes")
	if all := f.accounts(); len(all) != 0 {
		t.Errorf("the accounts are %+v, want none", all)
	}
	f.poll(false)
	f.hasStates("uid-1 forwarded, uid-2 forwarded")
	if n := len(f.sink.Messages()); n != 4 {
		t.Errorf("%d messages were sent, want each of 2 twice", n)
	}
}
