package main

import (
	"fmt"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// TestRenumbered: a person's two answers, and their second thoughts.
func TestRenumbered(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(1)...)
	o.poll(false)
	o.do(exitOther, []string{"isp: the mailbox has not been renumbered"}, "adopt", "isp")
	o.do(exitOther, []string{"isp: the mailbox has not been renumbered"}, "resend", "isp")
	want := o.accounts()["isp"]
	o.ledger(func(s *sqlite.Store) {
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
		o.do(exitOK, []string{test.say}, test.answer, "isp")
		want.UIDs = test.uids
		if got := o.accounts()["isp"]; got != want {
			t.Errorf("%s: %+v, want %+v", test.answer, got, want)
		}
	}
}

// TestRenumberedMailbox: where the headers do not tell old mail from new, the
// account waits for an answer, and does what it says.
func TestRenumberedMailbox(t *testing.T) {
	t.Parallel()
	for answer, sent := range map[string]int{"adopt": 12, "resend": 24} {
		t.Run(answer, func(t *testing.T) {
			t.Parallel()
			var mail []string
			for i := range 12 {
				mail = append(mail, fmt.Sprintf("Subject: nothing else to tell it by\r\n\r\n%d\r\n", i))
			}
			o := newFixture(t, mail...)
			o.poll(false)
			o.change(func(r *ledger.Record) { r.Fingerprint = "" }) // as of messages that were only noted
			o.pop.Change("leo", func(all []pop3test.Message) []pop3test.Message {
				for i := range all {
					all[i].UID = "renumbered-" + all[i].UID
				}
				return all
			})
			o.do(exitAgain, []string{"popferry: isp: "}, "run", "--once", "--now")
			if o.accounts()["isp"].UIDs != ledger.UIDsRenumbered {
				t.Fatal("the account does not wait")
			}
			o.do(exitOK, nil, answer, "isp")
			o.do(exitOK, nil, "run", "--once") // without --now: the answer ends the wait
			o.poll(false)
			if n := len(o.sink.Messages()); n != sent {
				t.Errorf("%d were sent, want %d", n, sent)
			}
			if row := o.accounts()["isp"]; row.UIDs != ledger.UIDsStable {
				t.Errorf("afterwards its UIDs are in state %d, want %d", row.UIDs, ledger.UIDsStable)
			}
		})
	}
}
