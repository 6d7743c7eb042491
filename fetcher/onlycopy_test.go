package fetcher_test

import (
	"fmt"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
)

// listsLonger is a server that lists each message as longer than it is, so that each is
// asked for twice.
func listsLonger(s *pop3test.Session, verb, arg string) bool {
	if verb != "LIST" || arg != "" {
		return false
	}
	var lines []string
	for n := 1; s.Message(fmt.Sprint(n)) != nil; n++ {
		lines = append(lines, fmt.Sprint(n, " ", len(s.Message(fmt.Sprint(n)).Octets)+37))
	}
	s.Lines("", lines...)
	return true
}

// The UIDs of the server are the numbers of the messages, so the row of a held message
// gives its UID away, and the program is stopped before another message gets it. Then
// the same message comes once more under it, and is kept until it is known to be the held
// one. That copy goes, and the one of the held message stays: they do not have one name.
func TestSecondCopyHasANameOfItsOwn(t *testing.T) {
	t.Parallel()
	var f *fixture
	stops := false
	f = newFixture(t, faults{
		pipelining: pop3test.PipeliningHidden, smtp: smtpFault(forwarder.StageDot, reply(554, 5, 6, 0)),
		pop: func(s *pop3test.Session, verb, arg string) bool {
			switch {
			case verb == "TOP": // the message has to be fetched to be known
				s.Close()
				return true
			case verb == "LIST" && stops:
				close(f.stop)
			}
			return numbersAsUIDs(s, verb, arg) || listsLonger(s, verb, arg) || saysExpire(s, verb, arg)
		},
	})
	f.add("m1")
	f.pollEvery12Hours(3, false) // then it is known that there is no TOP
	stops = true
	f.pollEvery12Hours(1, false)
	stops, f.stop = false, make(chan struct{})
	f.pollEvery12Hours(1, false)
	f.wantSent("RETR", 2*4) // else nothing was kept a second time, and this tests nothing
	if got := f.inState(ledger.Held); got != 1 {
		t.Errorf("%d messages are held, want 1", got)
	}
	f.wantCopies(1)
	f.wantRowForEachCopy()
}

// At a server that deletes each message once it was retrieved, gives its number as its UID
// and lists it as longer than it is, all that there is of a message is a copy that may not
// be whole. What is listed under its UID later is another message, also of the same size:
// it is fetched, and the copy does not wait for it.
func TestNumbersAsUIDsOfServerThatGivesAllOnceAndShort(t *testing.T) {
	t.Parallel()
	for name, noTop := range map[string]bool{"TOP": false, "no TOP": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			once, f := onceShort(true)
			x := newFixture(t, faults{
				pipelining: pop3test.PipeliningHidden, smtp: smtpFault(forwarder.StageDot, reply(554, 5, 6, 0), onMessage(1)),
				pop: func(s *pop3test.Session, verb, arg string) bool {
					if verb == "TOP" && noTop {
						s.Close()
						return true
					}
					return numbersAsUIDs(s, verb, arg) || once(s, verb, arg)
				},
			})
			f.Store(x)
			x.add("m1")
			x.pollEvery12Hours(2, false)
			x.wantStates(map[string]string{"1": "held"})
			for _, name := range []string{"m2", "m3", "m4"} {
				x.add(name)
				x.pollEvery12Hours(1, false)
			}
			x.pollEvery12Hours(3, false)
			x.wantArrived("m2", "m3", "m4")
			x.wantCopies(1) // of m1, which is held
			x.wantRowForEachCopy()
		})
	}
}

// With first_run: new, a message that was there before is to be left alone. Its owner moves
// it out of the mailbox and back in, so that it is fetched under another UID, from a server
// that deletes what it gives, and gives less than it lists. Nobody else has it then. (It
// says EXPIRE 0 only after the first session, so that its headers are known.)
func TestSkippedMessageOfServerThatGivesAllOnceAndShort(t *testing.T) {
	t.Parallel()
	once, f := onceShort(false)
	x := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
		return s.Number > 1 && saysExpire(s, verb, arg) || once(s, verb, arg)
	}})
	f.Store(x)
	x.account.Policy.OnlyNew = true
	x.add("m1", "m2")
	x.pollEvery12Hours(1, false)
	x.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	x.pollEvery12Hours(1, false)
	x.addUnder("moved-m1", octetsOf("m1"))
	x.pollEvery12Hours(3, false)
	x.wantArrived()
	x.wantCopies(1) // of m1
	x.wantRowForEachCopy()
	x.wantState("uid-m1", "skipped")
}
