package fetcher_test

import (
	"fmt"
	"testing"
	"time"
)

// A message for one recipient came, was forwarded and left, and then the mailbox was made
// one of a domain. The copy for another recipient is not the same.
func TestX3CopyForAnotherRecipientAfterMultidropIsSwitchedOn(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"leave_on_server": true, "deleted": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			f.add("beside")
			f.addUnder("1", dated("list", "Delivered-To: leo@example.org\r\n"+youngReceived))
			f.poll()
			f.without("1")
			f.pollEvery12Hours(2, false)
			f.sortBy(nil)
			f.account.Policy.Keep = keep
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
func TestX3FieldOfMultidropIsChanged(t *testing.T) {
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
