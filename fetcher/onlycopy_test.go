package fetcher_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/identify"
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

// UIDs are numbers, and the row of a message of which there is a part is planned for the
// one that has its number now. That one is fetched when the former has come whole, under
// another number, and was held: its row has the only copy of it.
func TestRowThatWasPlannedForAnotherMessage(t *testing.T) {
	t.Parallel()
	lease := &untilHeld{held: make(chan struct{})}
	sessions, asked := 0, 0
	f := newFixture(t, faults{
		pipelining: pop3test.PipeliningHidden, smtp: smtpFault(forwarder.StageDot, reply(554, 5, 6, 0), onMessage(1)),
		pop: func(s *pop3test.Session, verb, arg string) bool {
			m := s.Message(arg)
			if s.Number > sessions {
				sessions, asked = s.Number, 0
			}
			switch {
			case verb == "TOP": // the messages have to be fetched to be known
				s.Close()
				return true
			case verb == "RETR" && m != nil && m.UID == "uid-m2":
				<-lease.held
			case verb == "RETR":
				if asked++; asked == 2 && sessions == 1 {
					s.Err("no such message")
					return true
				}
			}
			return numbersAsUIDs(s, verb, arg) || listsLonger(s, verb, arg) || saysExpire(s, verb, arg)
		},
	})
	f.lease = func(l fetcher.Lease) fetcher.Lease { lease.Lease = l; return lease }
	f.account.Policy.Order = identify.NewestFirst
	f.add("m1")
	f.poll()
	f.wantCopies(1)
	f.add("m2")
	f.change(func(ms []pop3test.Message) []pop3test.Message { slices.Reverse(ms); return ms })
	f.pollEvery12Hours(3, false)
	f.wantArrived("m2")
	f.wantCopies(1)
	f.wantRowForEachCopy()
	for _, path := range f.copies() {
		octets, err := os.ReadFile(path)
		must(t, err)
		if !bytes.Contains(octets, []byte("body of m1")) {
			t.Errorf("the copy is %q, want m1, which is held", octets)
		}
	}
}

// untilHeld is a lease that tells when a message was held.
type untilHeld struct {
	fetcher.Lease
	held chan struct{}
	once sync.Once
}

func (l *untilHeld) Put(ctx context.Context, recs ...*ledger.Record) error {
	err := l.Lease.Put(ctx, recs...)
	if slices.ContainsFunc(recs, func(r *ledger.Record) bool { return r.State == ledger.Held }) {
		l.once.Do(func() { close(l.held) })
	}
	return err
}
