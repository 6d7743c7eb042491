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
