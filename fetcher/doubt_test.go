package fetcher_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imaptest"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// deadly cuts the connection each time that it has one of these messages whole, with
// its final dot, and keeps the message.
func deadly(names ...string) smtptest.Options {
	return smtpFault(forwarder.StageDot, smtptest.Fault{Close: true, Keep: true}, func(e smtptest.Event) bool {
		return slices.Contains(names, nameOfOctets(e.Data))
	})
}

// A message at whose final dot the destination cuts the connection each time holds up
// no other. What was under way with it is sent again alone, so that each of these
// comes at most twice; and the third time it is held.
func TestMessageWithoutAnAnswerHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3, 20} {
		t.Run(fmt.Sprint("the letter is number ", n), func(t *testing.T) {
			t.Parallel()
			letter := fmt.Sprint("m", n)
			f := newFixture(t, faults{smtp: deadly(letter)})
			f.add(numbered(20)...)
			r := f.pollBySchedule()
			if r.Err != nil || r.Forwarded+r.Unknown != 20 || r.Unknown == 0 || !r.TryAgain() {
				t.Errorf("the first poll came to %s, want all sent and some unclear, to be tried again", inWords(r))
			}
			f.now.Add(10 * time.Minute)
			if r = f.pollBySchedule(); r.Err != nil || r.Unknown != 1 {
				t.Errorf("the second poll came to %s, want only the letter unclear", inWords(r))
			}
			f.wantState("uid-"+letter, "unknown")
			f.now.Add(10 * time.Minute)
			f.add("late")
			f.pollBySchedule()
			f.wantState("uid-"+letter, "held")
			times := make(map[string]int)
			for _, name := range f.arrived() {
				times[name]++
			}
			for _, name := range append(numbered(20), "late") {
				want := 2
				if name == letter {
					want = 3
				}
				if got := times[name]; got < 1 || got > want {
					t.Errorf("%s arrived %d times, want once, and at most %d times", name, got, want)
				}
			}
		})
	}
}

// The same for one that ends the connection before the server has read all of it, or is
// answered with 421 each time: it goes last.
func TestMessageThatEndsTheConnectionHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		stage forwarder.Stage
		fault smtptest.Fault
		hide  []string
	}{
		"in the body":                  {forwarder.StageBody, smtptest.Fault{Close: true, After: 10}, []string{"CHUNKING"}},
		"in the body, one at a time":   {forwarder.StageBody, smtptest.Fault{Close: true, After: 10}, []string{"CHUNKING", "PIPELINING"}},
		"421":                          {forwarder.StageDot, reply(421, 4, 3, 0), nil},
		"421 to a server without BDAT": {forwarder.StageDot, reply(421, 4, 3, 0), []string{"CHUNKING"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			letters := make(map[int]bool) // the numbers of its transactions
			f := newFixture(t, faults{smtp: smtptest.Options{Hide: tt.hide, Fault: func(e smtptest.Event) smtptest.Fault {
				mu.Lock()
				defer mu.Unlock()
				switch {
				case e.Stage == forwarder.StageMail && strings.HasPrefix(e.Address, "sender-m3@"):
					letters[e.Message] = true
				case e.Stage == tt.stage && letters[e.Message]:
					return tt.fault
				}
				return smtptest.Fault{}
			}}})
			f.account.Destination.Original = true
			f.add(numbered(20)...)
			for range 4 {
				if r := f.pollBySchedule(); r.Skip == 0 && r.Err != nil {
					t.Errorf("a poll came to %s, want no error", inWords(r))
				}
				f.now.Add(10 * time.Minute)
			}
			if n, letter := f.inState(ledger.Forwarded), f.record("uid-m3").State; n != 19 || letter == ledger.Forwarded {
				t.Errorf("%d messages were forwarded, and the letter is %v; want 19, all but the letter", n, letter)
			}
		})
	}
}

// A destination that answers no message at all is given two to find out, and then the
// route waits: how many messages come twice does not grow with the mailbox.
func TestDestinationWithoutAnswersStopsThePoll(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, smtptest.Fault{Close: true, Keep: true}), pool: oneInFlight})
	f.add(numbered(20)...)
	for i := range 4 {
		r := f.poll()
		if got := len(f.arrived()); !errors.As(r.Err, new(*outcome.RouteError)) || got != 2*(i+1) || r.Unknown != 2 {
			t.Errorf("poll %d came to %s and %d messages arrived; want the route's fault after two more, which are unclear", i+1, inWords(r), got)
		}
		f.now.Add(12 * time.Hour)
	}
}

// One that answers every other message is not given more and more of them.
func TestDoubtsOfAPollAreBounded(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pool: oneInFlight, smtp: smtpFault(forwarder.StageDot, smtptest.Fault{Close: true, Keep: true}, func(e smtptest.Event) bool { return e.Message%2 == 0 })})
	f.add(numbered(20)...)
	r := f.pollBySchedule()
	if !errors.As(r.Err, new(*outcome.RouteError)) || r.Unknown != 3 || r.Forwarded != 3 {
		t.Errorf("the poll came to %s, want the route's fault after three messages that are unclear", inWords(r))
	}
}

// At an IMAP destination only the message in doubt waits, until it can be told that it
// is not there; the others go on.
func TestOnlyTheMessageInDoubtWaitsForIMAP(t *testing.T) {
	t.Parallel()
	for name, stored := range map[string]bool{"it was stored": true, "it was not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			messages := 0
			f := newFixture(t, faults{})
			s := f.deliverByIMAP("INBOX", imaptest.Options{Fault: func(e imaptest.Event) (fault imaptest.Fault) {
				if e.Command != "MESSAGE" {
					return fault
				}
				if messages++; messages == 3 {
					fault = imaptest.Fault{Close: true, Store: stored}
				}
				return fault
			}})
			f.add(numbered(20)...)
			r := f.pollBySchedule()
			if r.Err != nil || r.Forwarded+r.Unknown != 20 || r.Unknown == 0 || !r.TryAgain() {
				t.Errorf("the poll came to %s, want all sent and some unclear, to be tried again", inWords(r))
			}
			f.now.Add(2 * time.Minute)
			f.add("m21")
			if r = f.pollBySchedule(); r.Err != nil || r.Skip != 0 || r.Forwarded == 0 || r.TryAgain() == stored {
				t.Errorf("two minutes later the poll came to %s", inWords(r))
			}
			f.now.Add(4 * time.Minute)
			f.pollBySchedule()
			f.wantAll("forwarded")
			times := make(map[string]int)
			for _, m := range s.Messages("INBOX") {
				times[nameOfOctets(m.Octets)]++
			}
			for _, name := range numbered(21) {
				if times[name] != 1 {
					t.Errorf("%s arrived %d times, want once", name, times[name])
				}
			}
		})
	}
}
