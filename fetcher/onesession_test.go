package fetcher_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// Where the server wants a pause between logins, a poll has one session only. A
// message at which sessions end holds up neither those behind it nor the deletion
// of those that were forwarded.
func TestMessageThatEndsTheOnlySessionHoldsUpNothing(t *testing.T) {
	t.Parallel()
	for name, breaks := range map[string]func(s *pop3test.Session){
		"a first dot that is not doubled": func(s *pop3test.Session) { s.Write("+OK\r\n.\r\nx\r\n.\r\n") },
		"the connection ends":             (*pop3test.Session).Close,
		"it ends within the message":      func(s *pop3test.Session) { s.Write("+OK\r\nFrom: a"); s.Close() },
	} {
		for mode, pipelining := range map[string]pop3test.Pipelining{"pipelined": pop3test.PipeliningWorks, "one by one": pop3test.PipeliningHidden} {
			t.Run(name+", "+mode, func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, faults{pipelining: pipelining, pop: func(s *pop3test.Session, verb, arg string) bool {
					if m := s.Message(arg); verb != "RETR" || m == nil || m.UID != "uid-m3" && m.UID != "uid-m6" {
						return false
					}
					breaks(s)
					return true
				}})
				f.account.Policy.Keep, f.account.Policy.MinInterval = false, time.Minute
				good := []string{"m1", "m2", "m4", "m5", "m7", "m8"}
				f.add(numbered(8)...)
				f.pollEvery12Hours(3, false)
				f.wantArrived(good...)
				f.wantLeft("uid-m3", "uid-m6")
				for i := range 24 { // mail comes while they are tried again
					name := fmt.Sprint("n", i)
					f.add(name)
					good = append(good, name)
					f.pollEvery12Hours(1, false)
					f.wantArrived(good...)
				}
				f.wantLeft("uid-m3", "uid-m6")
				f.wantState("uid-m3", "held")
				f.wantState("uid-m6", "held")
			})
		}
	}
}

// TestMessageThatEndedASessionUnderAWrongClock: the clock was far ahead when a session
// ended at a message, and is mended. The message is tried again, though each session
// has headers to compare, because the server ignores DELE.
func TestMessageThatEndedASessionUnderAWrongClock(t *testing.T) {
	t.Parallel()
	var breaks atomic.Bool
	f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
		switch m := s.Message(arg); {
		case verb == "DELE":
			s.OK("as you like")
		case verb == "RETR" && breaks.Load() && m != nil && m.UID == "uid-m2":
			s.Close()
		default:
			return false
		}
		return true
	}})
	f.account.Policy.Keep, f.account.Policy.MinInterval = false, time.Minute
	mended := f.now.Now().Add(time.Hour)
	f.add("m1")
	f.poll()
	f.add("m2")
	breaks.Store(true)
	f.now.Set(time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC))
	f.poll()
	breaks.Store(false)
	f.now.Set(mended)
	f.pollEvery12Hours(3, false)
	f.wantArrivedInOrder("m1", "m2")
}
