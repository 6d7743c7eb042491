package fetcher_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

func keepAll(context.Context, string) (v fetcher.Verdict, err error) { return v, nil }

// The rows are older than the account's filter. That does not mean that UIDs, which are
// numbers, belong to other messages now.
func TestFilterIsSwitchedOnWhereUIDsAreNumbers(t *testing.T) {
	t.Parallel()
	for name, noTop := range map[string]bool{"TOP": false, "no TOP": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pop := numbersAsUIDs
			if noTop {
				pop = func(s *pop3test.Session, verb, arg string) bool {
					return withoutTop(s, verb, arg) || numbersAsUIDs(s, verb, arg)
				}
			}
			f := newFixture(t, faults{pop: pop})
			const n = 100
			f.add(numbered(n)...)
			f.pollEvery12Hours(2, false)
			count := func() int {
				before := len(f.verbs("TOP", "RETR"))
				f.pollEvery12Hours(1, false)
				return len(f.verbs("TOP", "RETR")) - before
			}
			without := count()
			f.account.Filter = filterFunc(keepAll)
			f.pollEvery12Hours(1, false)
			if with := count(); with > without {
				t.Errorf("%d headers or messages are asked for in each poll, want %d as before", with, without)
			}
			f.wantArrived(numbered(n)...)
		})
	}
}

// asOldVersionsWrote takes from all rows what a fingerprint had not always.
func (f *fixture) asOldVersionsWrote() {
	f.t.Helper()
	f.underLease(func(ctx context.Context, l fetcher.Lease) error {
		for _, r := range f.records() {
			r.Fingerprint = ledger.HeaderFingerprint(r.Fingerprint)
			if err := l.Put(ctx, r); err != nil {
				return err
			}
		}
		return nil
	})
}

// A message for one recipient came, was forwarded and left, and then the mailbox was made
// one of a domain. The copy for another recipient is not the same.
func TestCopyForAnotherRecipientAfterMultidropIsSwitchedOn(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ keep, old bool }{
		"leave_on_server": {keep: true}, "deleted": {}, "leave_on_server, rows of an older version": {true, true}, "deleted, rows of an older version": {false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			f.add("beside")
			f.addUnder("1", dated("list", "Delivered-To: leonore@example.org\r\n"+youngReceived))
			f.poll()
			if c.old {
				f.asOldVersionsWrote()
			}
			f.without("1")
			f.pollEvery12Hours(2, false)
			f.sortBy(nil)
			f.account.Policy.Keep = c.keep
			f.addUnder("2", dated("list", "Delivered-To: mia@example.org\r\n"+youngReceived))
			f.pollEvery12Hours(3, false)
			t.Log(f.recipients(), f.left())
			if got := f.recipients()["list"]; got != "me@example.orgmia@example.org" {
				t.Errorf("the message went to %q, want mia as well; %v left", got, f.left())
			}
		})
	}
}

// The field that names the recipients is another one from now on. That makes no message
// new.
func TestFieldOfMultidropIsChanged(t *testing.T) {
	t.Parallel()
	for name, numbers := range map[string]bool{"UIDs": false, "UIDs are numbers": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := faults{}
			if numbers {
				b.pop = numbersAsUIDs
			}
			f := newFixture(t, b)
			f.sortBy(nil)
			f.account.Multidrop.Header = "X-Delivered-For"
			f.account.Policy.KeepFor = 14 * 24 * time.Hour
			for i := range 5 {
				f.addDelivered(fmt.Sprint("m", i), "Delivered-To: leo@example.org\r\nX-Delivered-For: mia@example.org\r\n")
			}
			f.pollEvery12Hours(2, false)
			f.account.Multidrop.Header = "Delivered-To"
			f.pollEvery12Hours(40, false)
			t.Log(f.left())
			f.wantArrived("m0", "m1", "m2", "m3", "m4")
		})
	}
}
