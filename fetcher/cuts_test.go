package fetcher_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// The POP3 server hangs up instead of its n-th reply, whichever that is. With the
// polls after that all has arrived once, and the mailbox is empty.
func TestPOP3CutAtEveryReplyLosesAndDuplicatesNothing(t *testing.T) {
	t.Parallel()
	for n := range 40 {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			var replies atomic.Int64
			f := newFixture(t, faults{pop: func(s *pop3test.Session, _, _ string) bool {
				if replies.Add(1) != int64(n+1) {
					return false
				}
				s.Close()
				return true
			}})
			f.account.Policy.Keep = false
			f.add("m1", "m2", "m3", "m4")
			for range 3 {
				f.poll()
			}
			f.wantArrived("m1", "m2", "m3", "m4")
			f.wantLeft()
		})
	}
}

// The destination hangs up instead of a reply. All arrives; what it took without
// saying so comes twice, and nothing else.
func TestSMTPCutAtEveryReplyDuplicatesOnlyWhatWasInDoubt(t *testing.T) {
	t.Parallel()
	for _, lmtp := range []bool{false, true} {
		for _, stage := range []forwarder.Stage{forwarder.StageHello, forwarder.StageMail, forwarder.StageRcpt, forwarder.StageBody, forwarder.StageDot} {
			for n := range 3 {
				for _, taken := range []bool{false, true} {
					if taken && stage != forwarder.StageDot {
						continue
					}
					t.Run(fmt.Sprint(stage, " ", n+1, " lmtp ", lmtp, " taken ", taken), func(t *testing.T) {
						t.Parallel()
						cutDestination(t, lmtp, stage, n+1, taken)
					})
				}
			}
		}
	}
}

func cutDestination(t *testing.T, lmtp bool, stage forwarder.Stage, n int, taken bool) {
	t.Helper()
	var seen atomic.Int64
	nth := func(smtptest.Event) bool { return seen.Add(1) == int64(n) }
	b := faults{smtp: smtpFault(stage, smtptest.Fault{Close: true, Keep: taken}, nth), pool: oneInFlight}
	b.smtp.LMTP = lmtp
	f := newFixture(t, b)
	f.account.Policy.Keep = false
	f.add("m1", "m2", "m3", "m4")
	for range 4 {
		f.poll()
	}
	want := []string{"m1", "m2", "m3", "m4"}
	if taken {
		want = append(want, fmt.Sprint("m", n))
	}
	f.wantArrived(want...)
	f.wantLeft()
	f.wantAll("forwarded")
}
