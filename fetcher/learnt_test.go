package fetcher_test

import (
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
)

// A message that is still listed shows that a server keeps what it gave out only if the
// session ended by QUIT: a server that hides it does so there. This one is known to hide;
// a session breaks, and what it gave out stays, and is held, for many polls. Copies are
// kept all the same.
func TestBrokenSessionDoesNotShowThatTheServerKeeps(t *testing.T) {
	t.Parallel()
	var breaks atomic.Bool
	f := newFixture(t, faults{
		pipelining: pop3test.PipeliningHidden, smtp: smtpFault(forwarder.StageDot, reply(554, 5, 6, 0), onMessage(4)),
		hides: &hiding{bySession: true},
		pop: func(s *pop3test.Session, verb, arg string) bool {
			if m := s.Message(arg); breaks.Load() && verb == "RETR" && m != nil && m.UID == "uid-last" {
				s.Close()
				return true
			}
			return false
		},
	})
	f.add("m1", "m2", "m3")
	f.pollEvery12Hours(1, false)
	f.add("m4")
	breaks.Store(true)
	f.add("last")
	f.pollEvery12Hours(1, false) // now it is known that it hides
	breaks.Store(false)
	f.pollEvery12Hours(3, false)
	f.wantState("uid-m4", "held")
	f.wantLeft("uid-m4")
	if row := f.accountRow(); !row.Server.RetrHides.Get(f.now.Now()) {
		t.Error("it is forgotten that the server hides what it gave out")
	}
}
