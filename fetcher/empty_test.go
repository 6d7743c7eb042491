package fetcher_test

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/fetcher/spool"
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

// noDisk is a spool with room for what is small only.
func noDisk(t *testing.T) *spool.Spool {
	noFolder := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(noFolder, nil, 0o600))
	return spool.New(noFolder, 256<<10)
}

func tooLargeForMemory(name string) []byte {
	return append(octetsOf(name), strings.Repeat("a line\r\n", 50_000)...)
}

// A message that finds no room in the spool is read away, so that the others come in the
// same session. That does not end by QUIT where the server is not known to show the
// message again.
func TestMessageWithoutRoomInTheSpoolStaysOnItsServer(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"others are left there": true, "others are deleted": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{hides: &hiding{bySession: true}})
			f.account.Policy.Keep = keep
			roomy := f.spool
			f.spool = noDisk(t)
			f.add("m1", "m2")
			f.addUnder("uid-large", tooLargeForMemory("large"))
			f.poll()
			f.wantArrived("m1", "m2")
			f.spool = roomy
			f.now.Add(time.Hour)
			f.poll()
			f.wantArrived("m1", "m2", "large")
		})
	}
}

// Nor is it asked for, because that alone may hide it: in a later session's QUIT, say.
func TestMessageWithoutRoomInTheSpoolIsNotAskedFor(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]*hiding{
		"shown by session": {bySession: true}, "hidden by any QUIT": {},
		"shown by session, and says so": {says: true, bySession: true}, "hidden by any QUIT, and says so": {says: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{hides: h})
			f.account.Policy.Keep = false
			roomy := f.spool
			f.spool = noDisk(t)
			f.addUnder("uid-large", tooLargeForMemory("large"))
			f.add("m1", "m2", "m3")
			for range 4 {
				f.pollBySchedule()
				f.now.Add(time.Hour)
			}
			f.wantArrived("m1", "m2", "m3")
			if got := f.left(); len(got) != 1 {
				t.Errorf("the server has %v, want the large message alone", got)
			}
			f.spool = roomy
			f.poll()
			f.now.Add(time.Hour)
			f.poll()
			f.wantArrived("m1", "m2", "m3", "large")
		})
	}
}

// Nor do messages without room take the places of others where a poll fetches only so
// many, poll after poll.
func TestMessagesWithoutRoomInTheSpoolLetOthersPassWithMaxMessages(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.spool, f.account.Policy.MaxMessages = noDisk(t), 2
	for _, name := range []string{"large1", "large2", "large3", "large4", "large5"} {
		f.addUnder("uid-"+name, tooLargeForMemory(name))
	}
	f.add("m1", "m2", "m3")
	f.poll()
	f.wantArrived("m1", "m2")
	f.poll()
	f.wantArrived("m1", "m2", "m3")
}
