package fetcher_test

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// Messages and deletions are asked for ahead, and arrive in the order of the
// mailbox, however many are under way.
func TestPipelinedMessagesArriveInOrder(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pool: oneConnection})
	f.account.Policy.Keep = false
	f.add(numbered(100)...)
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 100}})
	f.wantArrivedInOrder(numbered(100)...)
	f.wantLeft()
	if got := f.pop.MostWaiting(); got < 20 {
		t.Errorf("at most %d commands were waiting at the server, want at least 20", got)
	}
	f.wantSent("RETR", 100)
}

// Nothing arrives twice, no message is to blame, and it is remembered.
func TestBrokenPipeliningRepeatsTheSessionWithoutIt(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		mode  pop3test.Pipelining
		polls int // until it is remembered
	}{{pop3test.PipeliningDiscards, 1}, {pop3test.PipeliningCloses, 2}} {
		t.Run(fmt.Sprint(test.mode), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pool: oneConnection, pipelining: test.mode})
			f.account.Policy.Keep = false
			f.account.Source.Timeout = shortTimeout
			var want []string
			for n := range test.polls {
				names := []string{fmt.Sprint("a", n), fmt.Sprint("b", n), fmt.Sprint("c", n)}
				want = append(want, names...)
				f.add(names...)
				wantResult(t, f.poll(), result{Counts: counts{Forwarded: 3}})
			}
			before := f.pop.Sessions()
			f.add("d", "e")
			wantResult(t, f.poll(), result{Counts: counts{Forwarded: 2}})
			if got := f.pop.Sessions() - before; got != 1 {
				t.Errorf("the last poll took %d sessions, want 1", got)
			}
			f.wantArrivedInOrder(append(want, "d", "e")...)
			f.wantLeft()
			for _, r := range f.records() {
				if r.Attempts != 1 {
					t.Errorf("%s was tried %d times, want 1", r.UID, r.Attempts)
				}
			}
		})
	}
}

// The session cannot be repeated at once there: the server wants a pause between
// logins, or locks the mailbox for minutes after a session that was cut.
func TestBrokenPipeliningIsRememberedWhereLoginsAreRare(t *testing.T) {
	t.Parallel()
	for _, mode := range []pop3test.Pipelining{pop3test.PipeliningCloses, pop3test.PipeliningDiscards} {
		for _, locks := range []bool{false, true} {
			t.Run(fmt.Sprint(mode, " locks ", locks), func(t *testing.T) {
				t.Parallel()
				var f *fixture
				var locked time.Time
				b := faults{pipelining: mode}
				if locks {
					b.pop = func(s *pop3test.Session, verb, _ string) bool {
						switch {
						case verb == "QUIT":
							locked = time.Time{}
						case verb != "AUTH":
						case f.now.Now().Sub(locked) < 10*time.Minute:
							s.Err("[IN-USE] maildrop is locked")
							return true
						default:
							locked = f.now.Now()
						}
						return false
					}
				}
				f = newFixture(t, b)
				f.account.Source.Timeout = shortTimeout
				if !locks {
					f.account.Policy.MinInterval = time.Minute
				}
				f.add("m1")
				for range 4 {
					f.poll()
					f.now.Add(3 * time.Hour)
				}
				f.wantArrived("m1")
			})
		}
	}
}

func TestOneCutDoesNotDisablePipelining(t *testing.T) {
	t.Parallel()
	var cut atomic.Bool
	f := newFixture(t, faults{pool: oneConnection, pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb != "RETR" || arg != "5" || cut.Swap(true) {
			return false
		}
		s.Close()
		return true
	}})
	f.account.Policy.Keep = false
	f.add(numbered(10)...)
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 10}})
	f.wantArrivedInOrder(numbered(10)...)
	f.wantLeft()
	if got := f.pop.MostWaiting(); got < 2 {
		t.Errorf("at most %d commands were waiting at the server, want at least 2", got)
	}
	f.underLease(func(ctx context.Context, l fetcher.Lease) error {
		a, err := l.Account(ctx)
		if got := a.Server.NoPipelining.Sure(f.now.Now()); got {
			t.Errorf("no pipelining since %v, want it not to be disabled", got)
		}
		return err
	})
	f.add("more1", "more2", "more3")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 3}})
	f.wantLeft()
}

// Whether the server shows again what it gave out is not known, so the session does
// not end in QUIT. What was forwarded is deleted in another one.
func TestStopWithUnsentMessagesDeletesInAnotherSession(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageRcpt, reply(550, 5, 1, 1), onMessage(5)), pool: oneInFlight})
	f.account.Policy.Keep = false
	f.add(numbered(20)...)
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 4}, OnServer: 16, Err: errAny})
	if got := len(f.left()); got != 16 {
		t.Errorf("left on the server: %v, want 16", f.left())
	}
	if got := len(f.states()); got != 4 {
		t.Errorf("rows: %v, want 4", f.states())
	}
	f.wantSent("QUIT", 1)
	if got := f.pop.Sessions(); got != 2 {
		t.Errorf("the poll took %d sessions, want 2", got)
	}
	f.poll()
	f.wantArrivedInOrder(numbered(20)...)
	f.wantLeft()
}

// The session that only deletes leaves messages alone, too, and notes under which
// UIDs it saw them.
func TestDeletionsInAnotherSessionNoteWhatIsLeftAlone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: freshUIDs, smtp: smtpFault(forwarder.StageRcpt, reply(550, 5, 1, 1), onMessage(2)), pool: oneInFlight})
	f.account.Policy = identify.Policy{MaxSize: 1000}
	f.addUnder("uid-large", append(octetsOf("large"), bytes.Repeat([]byte("x\r\n"), 500)...))
	f.add(numbered(10)...)
	f.poll()
	if got := f.pop.Sessions(); got != 2 {
		t.Fatalf("the poll took %d sessions, want 2", got)
	}
	f.wantState("2-uid-large", "skipped")
}

// What was asked for ahead is discarded once to keep the session alive, not each
// time.
func TestSlowDestinationDiscardsPipelinedMessagesOnce(t *testing.T) {
	t.Parallel()
	const messages = 12
	alive := make(chan struct{}, 10*messages)
	f := newFixture(t, faults{
		pop: func(_ *pop3test.Session, verb, _ string) bool {
			if verb == "NOOP" {
				alive <- struct{}{}
			}
			return false
		},
		smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
			if e.Stage == forwarder.StageDot {
				<-alive // each message takes longer than the session may be silent
			}
			return smtptest.Fault{}
		}},
		pool: oneInFlight,
	})
	f.account.Source.Timeout = shortTimeout
	f.add(numbered(messages)...)
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: messages}, OnServer: messages})
	if got := len(f.verbs("RETR")); got > 2*messages {
		t.Errorf("RETR was sent %d times for %d messages, want at most %d", got, messages, 2*messages)
	}
}
