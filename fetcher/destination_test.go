package fetcher_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// The destination backs off for itself, until the user asks or the time has come.
func TestDestinationDownBacksOffAndMarksNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.Keep = false
	f.add("m1", "m2")
	f.smtpDown()
	wantResult(t, f.poll(), result{OnServer: 2, Err: errAny})
	f.wantStates(nil)
	f.wantLeft("uid-m1", "uid-m2")
	wantResult(t, f.pollBySchedule(), result{OnServer: -1, Skip: fetcher.BackingOff})
	f.now.Add(2 * time.Minute)
	wantResult(t, f.pollBySchedule(), result{OnServer: 2, Err: errAny})
}

// A recipient that the server cannot take is a fault of the configuration, not of
// the messages.
func TestUnusableRecipientFailsThePollAndHoldsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Destination.Recipients = []string{"jürgen@example.org"} // and no SMTPUTF8
	f.add(numbered(10)...)
	wantResult(t, f.poll(), result{OnServer: 10, Err: errAny})
	if got := f.inState(ledger.Held); got != 0 {
		t.Errorf("%d messages are held, want 0", got)
	}
}

// Each message is held, the poll goes on, and that everything is refused is said.
// Once the destination accepts a message, all others are tried once more.
func TestDestinationThatRefusesEverythingIsReportedAndTriedAgain(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		how      fetcher.Reject
		inFlight int
	}{{fetcher.Hold, 1}, {fetcher.Wrap, 1}, {fetcher.Hold, 32}, {fetcher.Wrap, 32}} {
		t.Run(fmt.Sprint(test.how, " ", test.inFlight), func(t *testing.T) {
			t.Parallel()
			var broken atomic.Bool
			broken.Store(true)
			f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(554), while(&broken)), pool: smtp.Options{InFlight: test.inFlight}})
			f.account.Policy.Keep = false
			f.account.Destination.OnReject = test.how
			wantResult(t, f.pollBySchedule(), result{}) // nothing is there
			worked := f.now.Now()
			f.now.Add(10 * time.Minute)
			f.add(numbered(20)...)
			r := f.pollBySchedule()
			if !errors.As(r.Err, new(*outcome.RefusesEverythingError)) || r.Held != 20 || !r.TryAgain() {
				t.Errorf("error %v, %d held; want that everything is refused, 20", r.Err, r.Held)
			}
			if r := f.pollBySchedule(); r.Err == nil || r.Forwarded+r.Held+r.Deferred != 0 {
				t.Errorf("the next poll: error %v, %+v; want an error, and nothing sent within the hour", r.Err, r.Counts)
			}
			f.now.Add(time.Hour)
			if r := f.pollBySchedule(); r.Err == nil || r.Held != 1 {
				t.Errorf("after an hour: error %v, %d held; want an error, 1 tried again", r.Err, r.Held)
			}
			if a := f.accountRow(); !a.LastSuccess.Equal(worked) || a.Cause.Code == "" || a.Failures != 0 {
				t.Errorf("the account's last success is at %s, its cause %q, %d failures; want %s, a cause, and 0: its own mailbox is well", a.LastSuccess, a.Cause.Code, a.Failures, worked)
			}
			broken.Store(false)
			f.now.Add(time.Hour)
			wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 20}})
			if a := f.accountRow(); !a.LastSuccess.Equal(f.now.Now()) || a.Cause.Code != "" {
				t.Errorf("once all are accepted: last success at %s, cause %q; want %s, none", a.LastSuccess, a.Cause.Code, f.now.Now())
			}
			f.wantLeft()
		})
	}
}

// They are held though there are as many as make a destination suspect.
func TestRefusedMessagesInARowAreHeldInTheEnd(t *testing.T) {
	t.Parallel()
	var spam atomic.Bool
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage == forwarder.StageMail:
			spam.Store(strings.HasPrefix(e.Address, "sender-spam"))
		case e.Stage == forwarder.StageDot && spam.Load():
			return reply(550, 5, 7, 1)
		}
		return smtptest.Fault{}
	}}, pool: oneConnection})
	f.account.Destination.Original = true
	f.add("spam1", "spam2", "spam3", "spam4", "spam5")
	var good []string
	missed := 0
	for i := range 60 {
		if i%10 == 0 {
			good = append(good, fmt.Sprint("good", i))
			f.add(good[len(good)-1])
		}
		f.now.Add(10 * time.Minute)
		if r := f.pollBySchedule(); r.Err != nil || r.Skip != fetcher.NotSkipped {
			missed++
		}
	}
	if missed > 2 {
		t.Errorf("%d of 60 polls failed or were skipped, want at most 2", missed)
	}
	if got := f.inState(ledger.Held); got != 5 {
		t.Errorf("%d messages are held, want 5", got)
	}
	f.wantArrived(good...)
}

// However many there are.
func TestRefusedSendersHoldUpNoOther(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]smtptest.Fault{
		"for now":            {Code: 450, Enhanced: forwarder.EnhancedCode{4, 1, 8}, Text: "Sender address rejected: Domain not found"},
		"in words only":      {Code: 550, Text: "Sender verify failed"},
		"for good":           {Code: 553, Enhanced: forwarder.EnhancedCode{5, 1, 8}, Text: "no such domain"},
		"by hanging up":      {Close: true},
		"by ending politely": {Code: 421, Text: "go away"},
	} {
		for _, connections := range []int{1, 4} {
			t.Run(fmt.Sprint(name, ", connections ", connections), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, faults{smtp: smtpFault(forwarder.StageMail, fault, onAddress("sender-bad")), pool: smtp.Options{Connections: connections}})
				f.account.Destination.Original = true
				f.add("bad1", "bad2", "bad3", "bad4")
				f.add(numbered(10)...)
				for range 48 { // a day
					f.pollBySchedule()
					f.now.Add(30 * time.Minute)
				}
				f.wantArrived(numbered(10)...)
			})
		}
	}
}

func TestMessagesThatLoseConnectionsDoNotStopPolls(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageMail, smtptest.Fault{Close: true}, onAddress("sender-bad")), pool: oneConnection})
	f.account.Destination.Original = true
	f.add("bad1", "bad2", "bad3")
	skipped := 0
	for i := range 60 {
		f.add(fmt.Sprint("n", i))
		if f.pollBySchedule().Skip == fetcher.BackingOff {
			skipped++
		}
		f.now.Add(10 * time.Minute)
	}
	if got := len(f.arrived()); skipped > 2 || got < 59 {
		t.Errorf("%d of 60 polls were skipped, %d messages arrived; want at most 2, at least 59", skipped, got)
	}
}

// Each sender is refused once, at RCPT.
func TestGreylistingBySenderDeliversEverything(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	seen, from := make(map[string]bool), make(map[int]string)
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		mu.Lock()
		defer mu.Unlock()
		switch sender := from[e.Connection]; {
		case e.Stage == forwarder.StageMail:
			from[e.Connection] = e.Address
		case e.Stage == forwarder.StageRcpt && !seen[sender]:
			seen[sender] = true
			return reply(450, 4, 7, 1)
		}
		return smtptest.Fault{}
	}}, pool: oneConnection})
	f.account.Destination.Original = true
	f.add(numbered(30)...)
	for range 144 { // a day
		f.pollBySchedule()
		f.now.Add(10 * time.Minute)
	}
	f.wantArrived(numbered(30)...)
}
