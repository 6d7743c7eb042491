package fetcher_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// flood sends a header and a body of 16 MB, as long as anybody reads it. It tells
// whether that was to its end.
func flood(s *pop3test.Session) bool {
	s.Write("+OK\r\nMessage-ID: <m1@example.org>\r\n\r\n")
	mega := strings.Repeat(strings.Repeat("x", 62)+"\r\n", 1<<14)
	for range 16 {
		s.Write(mega)
		if s.Flush() != nil {
			return false
		}
	}
	s.Write(".\r\n")
	return true
}

// TestHeaderWithoutAnEnd: TOP that goes on and on ends the session, and deletes
// nothing. The next one asks by RETR.
func TestHeaderWithoutAnEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "TOP" {
			flood(s)
		}
		return verb == "TOP"
	}})
	w.account.Policy.MaxSize = 1 << 20
	w.add("m1")
	w.poll()
	w.account.Policy.Keep = false // its header is asked for before it is deleted
	if r := w.poll(); r.Err == nil || !strings.Contains(r.Err.Error(), "goes on beyond") || len(w.left()) != 1 {
		t.Errorf("%+v, left %v", r, w.left())
	}
	if r := w.poll(); r.Err != nil || len(w.left()) != 0 {
		t.Errorf("then: %+v, left %v", r, w.left())
	}
}

// TestUnwantedMessageWithoutAnEnd was asked for ahead and is read away: that
// ends the session, which is repeated with one message at a time.
func TestUnwantedMessageWithoutAnEnd(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	var read atomic.Bool
	w := newWorld(t, bend{pool: oneLine, pop: func(s *pop3test.Session, verb, arg string) bool {
		switch {
		case verb == "RETR" && arg == "1" && asked.Add(1) == 1:
			s.OK("")
			s.SendBody(strings.NewReader("Subject: not as long as listed\r\n\r\n"), -1) // so it is asked for alone
		case verb == "RETR" && arg == "2" && asked.Load() == 1:
			read.Store(flood(s))
		default:
			return false
		}
		return true
	}})
	w.account.Policy.MaxSize = 1 << 20
	w.account.Policy.Keep = false
	w.add("m1", "m2", "m3")
	if r := w.poll(); r.Err != nil || r.Forwarded != 3 {
		t.Errorf("%+v", r)
	}
	same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2", "m3"})
	same(t, "left", w.left(), nil)
	if read.Load() {
		t.Error("it was read to its end")
	}
}
