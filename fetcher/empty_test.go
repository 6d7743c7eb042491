package fetcher_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// A server that is not known to hide what it gave answers RETR with nothing, once. It
// shows the message again: the session does not end by QUIT.
func TestMessageThatCameEmptyStaysOnItsServer(t *testing.T) {
	t.Parallel()
	var times atomic.Int32
	f := newFixture(t, faults{hides: &hiding{}, pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb == "RETR" && s.Message(arg) != nil && s.Message(arg).UID == "uid-m2" && times.Add(1) == 1 {
			s.Write("+OK\r\n.\r\n")
			return true
		}
		return false
	}})
	f.add("m1", "m2", "m3")
	for range 3 {
		f.pollBySchedule()
		f.now.Add(time.Hour)
	}
	f.wantArrived("m1", "m2", "m3")
}
