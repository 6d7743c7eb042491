package fetcher_test

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// TestDestinationIsConnectedBesideTheLogin: where there is mail to send, as far as that is
// known before the mailbox is listed; not for a poll that may find nothing.
func TestDestinationIsConnectedBesideTheLogin(t *testing.T) {
	t.Parallel()
	var f *fixture
	want := 1
	f = newFixture(t, faults{pop: func(_ *pop3test.Session, verb, _ string) bool {
		if verb != "UIDL" {
			return false
		}
		for end := time.Now().Add(time.Minute); f.smtp.Connections() < want; time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Errorf("%d sessions with the destination before the listing, want %d", f.smtp.Connections(), want)
				break
			}
		}
		return false
	}})
	f.add("one")
	must(t, f.poll().Err)
	want = 0
	before := f.smtp.Connections()
	must(t, f.poll().Err)
	if got := f.smtp.Connections(); got != before {
		t.Errorf("a poll that finds nothing opened %d sessions", got-before)
	}
}
