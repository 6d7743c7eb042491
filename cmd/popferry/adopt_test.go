package main

import (
	"fmt"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// Both answers are accepted, and either can be changed before the next poll.
func TestAdoptAndResendChangeTheLedger(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(1)...)
	f.poll(false)
	f.do(exitOther, []string{"isp: the mailbox has not been renumbered"}, "adopt", "isp")
	f.do(exitOther, []string{"isp: the mailbox has not been renumbered"}, "resend", "isp")
	want := f.accounts()["isp"]
	f.ledger(func(s *sqlite.Store) {
		lease, err := s.Lease(t.Context(), want.ID)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = lease.Release() }()
		row := want
		row.UIDs, row.Failures, row.NotBefore, row.Cause = ledger.UIDsRenumbered, 3, later, ledger.Cause{Code: "renumbered"}
		if err := lease.PutAccount(t.Context(), row); err != nil {
			t.Fatal(err)
		}
	})
	for _, test := range []struct {
		answer, say string
		uids        ledger.UIDState
	}{
		{"adopt", "isp: the next poll notes the mail that is on the server as seen", ledger.UIDsAdopting},
		{"resend", "isp: the next poll sends the mail that is on the server as new", ledger.UIDsStable},
	} {
		f.do(exitOK, []string{test.say}, test.answer, "isp")
		want.UIDs = test.uids
		if got := f.accounts()["isp"]; got != want {
			t.Errorf("%s: the account is %+v, want %+v", test.answer, got, want)
		}
	}
}

// If the headers do not show which mail is old, the account waits for an answer,
// and then acts on it.
func TestRenumberedMailboxWaitsForAdoptOrResend(t *testing.T) {
	t.Parallel()
	for answer, sent := range map[string]int{"adopt": 12, "resend": 24} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			var mail []string
			for i := range 12 {
				mail = append(mail, fmt.Sprintf("Subject: nothing else to tell it by\r\n\r\n%d\r\n", i))
			}
			f := newFixture(t, mail...)
			f.poll(false)
			f.change(func(r *ledger.Record) { r.Fingerprint, r.Digest = "", "" }) // as of messages that were only noted
			f.pop.Change("leo", func(all []pop3test.Message) []pop3test.Message {
				for i := range all {
					all[i].UID = "renumbered-" + all[i].UID
				}
				return all
			})
			f.do(exitAgain, []string{"popferry: isp: "}, "run", "--once", "--now")
			if f.accounts()["isp"].UIDs != ledger.UIDsRenumbered {
				t.Fatalf("its UIDs are in state %d, want %d: the account waits", f.accounts()["isp"].UIDs, ledger.UIDsRenumbered)
			}
			f.do(exitOK, nil, answer, "isp")
			f.do(exitOK, nil, "run", "--once") // without --now: the answer ends the wait
			f.poll(false)
			if n := len(f.sink.Messages()); n != sent {
				t.Errorf("%d messages were sent, want %d", n, sent)
			}
			if row := f.accounts()["isp"]; row.UIDs != ledger.UIDsStable {
				t.Errorf("afterwards its UIDs are in state %d, want %d", row.UIDs, ledger.UIDsStable)
			}
		})
	}
}
