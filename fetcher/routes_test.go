package fetcher_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// What a destination refuses to some recipients says nothing about others there,
// and nothing about the messages. A destination that was given another server does
// not wait for what the old one did.
func TestRefusedRecipientsMakeOnlyTheirRouteWait(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]smtptest.Fault{
		"unknown":      reply(550, 5, 1, 1),
		"greylisted":   reply(450, 4, 2, 0),
		"full":         reply(452, 4, 2, 2),
		"relay denied": {Code: 554, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "Relay access denied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{smtp: smtpFault(forwarder.StageRcpt, fault, onAddress("bad"))})
			f.account.Destination.Recipients = []string{"bad@example.org"}
			f.add(numbered(5)...)
			r := f.pollBySchedule()
			if !errors.As(r.Err, new(*outcome.RouteError)) || len(f.records()) != 0 {
				t.Errorf("error %v, %d rows; want that the route is at fault, no rows", r.Err, len(f.records()))
			}
			if r := f.pollBySchedule(); r.Skip != fetcher.BackingOff {
				t.Errorf("the next poll was skipped for reason %d, want %d: backing off", r.Skip, fetcher.BackingOff)
			}
			f.account.Destination.Server = "another"
			if r := f.pollBySchedule(); r.Skip != fetcher.NotSkipped {
				t.Errorf("with another server the poll was skipped for reason %d, want none", r.Skip)
			}
			f.account.Destination.Recipients = []string{"good@example.org"}
			wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 5}, OnServer: 5})
		})
	}
}

// A message that finds no room is tried against the smallest that is due: if that
// passes, it is this message's size; if not, the mailbox is full, and all wait
// without a mark.
func TestNoRoomIsTheMessagesOrTheMailboxes(t *testing.T) {
	t.Parallel()
	for _, stage := range []forwarder.Stage{forwarder.StageRcpt, forwarder.StageDot} {
		t.Run(stage.String(), func(t *testing.T) {
			t.Parallel()
			room := -1 // octets that are left; -1: none
			large := 0
			f := newFixture(t, faults{pool: oneInFlight, pipelining: pop3test.PipeliningHidden, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
				switch {
				case e.Stage == forwarder.StageMail:
					large = 0
					if strings.HasPrefix(e.Address, "sender-large") {
						large = 100
					}
				case e.Stage == stage && large > room:
					return reply(452, 4, 2, 2)
				}
				return smtptest.Fault{}
			}}})
			f.account.Destination.Original = true
			f.addUnder("uid-large", slices.Concat(octetsOf("large"), make([]byte, 2000)))
			f.add("m1", "m2", "m3")

			r := f.pollBySchedule()
			if !errors.As(r.Err, new(*outcome.RouteError)) || len(f.records()) != 0 {
				t.Errorf("a full mailbox: error %v, %d rows; want that the route is at fault, no rows", r.Err, len(f.records()))
			}
			f.wantSent("RETR", 2) // the first, and the smallest

			room = 50
			f.now.Add(time.Hour)
			wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 3, Deferred: 1}, OnServer: 4})
			f.wantState("uid-large", "deferred")

			room = 1000
			f.now.Add(time.Hour)
			wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}, OnServer: 4})
		})
	}
}

// Recipients that are too many for one transaction get the message in others at
// once (RFC 5321 4.5.3.1.10), each only once.
func TestTooManyRecipientsGetFurtherTransactions(t *testing.T) {
	t.Parallel()
	var inTransaction int
	f := newFixture(t, faults{pool: oneConnection, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		switch e.Stage {
		case forwarder.StageMail:
			inTransaction = 0
		case forwarder.StageRcpt:
			if inTransaction++; inTransaction > 2 {
				return smtptest.Fault{Code: 452, Enhanced: forwarder.EnhancedCode{4, 5, 3}, Text: "too many recipients"}
			}
		}
		return smtptest.Fault{}
	}}})
	var to []string
	for i := range 7 {
		to = append(to, fmt.Sprintf("r%d@example.org", i))
	}
	f.account.Destination.Recipients = to
	f.add("m1", "m2")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 2}, OnServer: 2})
	got := make(map[string]int)
	for _, m := range f.smtp.Messages() {
		for _, rcpt := range m.Recipients {
			got[nameOf(m)+" to "+rcpt]++
		}
	}
	for _, name := range []string{"m1", "m2"} {
		for _, rcpt := range to {
			if n := got[name+" to "+rcpt]; n != 1 {
				t.Errorf("%s arrived %d times for %s, want once", name, n, rcpt)
			}
		}
	}
}

// After five messages in a row that are deferred with one code nothing more is
// fetched. The account pauses, and begins with messages that were never tried.
func TestDestinationThatDefersEverythingPausesTheAccount(t *testing.T) {
	t.Parallel()
	busy, free := busyDestination()
	f := newFixture(t, faults{smtp: busy, pool: oneInFlight})
	f.add(numbered(20)...)
	r := f.pollBySchedule()
	if !errors.As(r.Err, new(*outcome.PausedError)) || r.Deferred != 5 {
		t.Errorf("error %v, %d deferred; want a pause, 5", r.Err, r.Deferred)
	}
	if r := f.pollBySchedule(); r.Skip != fetcher.BackingOff || r.Until.Sub(f.now.Now()) > outcome.Pause {
		t.Errorf("skipped for reason %d until %v, want %d for at most %v", r.Skip, r.Until, fetcher.BackingOff, outcome.Pause)
	}
	free()
	f.now.Add(outcome.Pause)
	f.pollBySchedule()
	if got := f.arrived(); len(got) != 20 || got[0] != "m6" {
		t.Errorf("arrived are %v, want 20, m6 first", got)
	}
}

// A session that breaks after it has made progress is followed by another one,
// and the poll counts as none that failed.
func TestSessionsThatBreakAfterProgressAreNoFailure(t *testing.T) {
	t.Parallel()
	retrieved := 0
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		switch verb {
		case "UIDL":
			retrieved = 0
		case "RETR":
			if retrieved++; retrieved > 2 {
				s.Close()
				return true
			}
		}
		return false
	}})
	f.add(numbered(40)...)
	r := f.pollBySchedule()
	if r.Err == nil || r.Forwarded != 16 { // eight sessions
		t.Errorf("error %v, %d forwarded; want an error, 16", r.Err, r.Forwarded)
	}
	if a := f.accountRow(); a.Failures != 0 || !a.NotBefore.IsZero() {
		t.Errorf("%d failures, next poll not before %v; want none", a.Failures, a.NotBefore)
	}
	for range 2 {
		f.pollBySchedule()
	}
	if got := len(f.arrived()); got != 40 {
		t.Errorf("%d arrived after three polls, want 40", got)
	}
	if got := f.inState(ledger.Held); got != 0 {
		t.Errorf("%d messages are held, want 0", got)
	}
}

// noRoomForLarge is a destination that has no room for messages from a sender
// whose name begins with "large", while full is true.
func noRoomForLarge(full *atomic.Bool) smtptest.Options {
	large := false
	return smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage == forwarder.StageMail:
			large = strings.HasPrefix(e.Address, "sender-large")
		case e.Stage == forwarder.StageRcpt && large && full.Load():
			return reply(452, 4, 2, 2)
		}
		return smtptest.Fault{}
	}}
}

// A message that found no room in a session that then broke is due again in the
// next one. It is deferred only there.
func TestMessageWithoutRoomInTwoSessionsHasOneRow(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	full.Store(true)
	broken := false
	f := newFixture(t, faults{pool: oneInFlight, pipelining: pop3test.PipeliningHidden, smtp: noRoomForLarge(&full), pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || arg != "3" || broken {
			return false
		}
		broken = true
		s.Close()
		return true
	}})
	f.account.Destination.Original = true
	f.add("m1")
	f.addUnder("uid-large", slices.Concat(octetsOf("large"), make([]byte, 2000)))
	f.add("m2", "m3")
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 3, Deferred: 1}, OnServer: 4})
	f.wantState("uid-large", "deferred")
}

// A message that found no room, and was accepted in the next session of the same
// poll, is forwarded: what was noted of its first try does not make it due again.
func TestMessageThatFindsRoomInAnotherSessionArrivesOnce(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	full.Store(true)
	armed, broken := false, 0
	f := newFixture(t, faults{pool: oneInFlight, pipelining: pop3test.PipeliningHidden, smtp: noRoomForLarge(&full), pop: func(s *pop3test.Session, verb, arg string) bool {
		switch {
		case verb == "" && broken > 0 && s.Number > broken:
			full.Store(false)
		case verb == "LIST" && arg == "": // the first as smaller than it is
			lines := []string{"1 200", "2 310", "3 100", "4 310"}
			for s.Message(strconv.Itoa(len(lines))) == nil {
				lines = lines[:len(lines)-1]
			}
			s.Lines("", lines...)
			return true
		case verb == "RETR" && arg == "2" && armed && broken == 0:
			broken = s.Number
			s.Close()
			return true
		}
		return false
	}})
	f.account.Destination.Original = true
	f.addUnder("uid-large1", slices.Concat(octetsOf("large1"), make([]byte, 2000)))
	f.add("large2", "m1")
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1, Deferred: 2}, OnServer: 3})
	f.now.Add(time.Hour)
	f.add("m2")
	armed = true
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 3}, OnServer: 4})
	f.now.Add(time.Hour)
	wantResult(t, f.pollBySchedule(), result{OnServer: 4})
	f.wantArrived("large1", "large2", "m1", "m2")
}

// Messages that end each session at their beginning hold up the others for few
// polls only, however many there are and though none was tried before.
func TestMessagesThatEndSessionsDelayTheOthersForFewPolls(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || !strings.HasPrefix(s.Message(arg).UID, "uid-bad") {
			return false
		}
		s.Close()
		return true
	}})
	for i := range 9 {
		f.add(fmt.Sprintf("bad%d", i))
	}
	f.add("m1", "m2", "m3")
	polls := 0
	for ; len(f.arrived()) < 3 && polls < 20; polls++ {
		f.pollBySchedule()
		f.now.Add(10 * time.Minute)
	}
	if polls > 4 {
		t.Errorf("the healthy messages arrived after %d polls, want at most 4", polls)
	}
}
