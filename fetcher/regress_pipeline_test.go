package fetcher_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// shy is a server that drops at QUIT what was retrieved, and does not say so.
type shy struct {
	w     *world
	mu    sync.Mutex
	given map[int][]string // UIDs by session
}

func (h *shy) handle(s *pop3test.Session, verb, arg string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch verb {
	case "RETR":
		if m := s.Message(arg); m != nil {
			h.given[s.Number] = append(h.given[s.Number], m.UID)
		}
	case "QUIT":
		gone := h.given[s.Number]
		h.w.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
			return slices.DeleteFunc(ms, func(m pop3test.Message) bool { return slices.Contains(gone, m.UID) })
		})
	}
	return false
}

// TestHidingThatNobodySaw: what was given out and not sent when a poll was
// stopped is there the next time, also if a message that an unfinished session
// left behind made the server look as if it hid nothing.
func TestHidingThatNobodySaw(t *testing.T) {
	t.Parallel()
	h := &shy{given: make(map[int][]string)}
	stopAt := 1
	b := bend{pop: h.handle, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == stopAt {
			close(h.w.stop)
		}
		return smtptest.Fault{}
	}}}
	b.pool.InFlight = 1
	h.w = newWorld(t, b)
	for _, step := range []struct {
		stopAt int // at which message of all the program is stopped
		add    []string
	}{{1, []string{"m1", "m2"}}, {-1, nil}, {3, []string{"m3", "m4", "m5", "m6", "m7"}}, {-1, nil}} {
		h.w.stop, stopAt = make(chan struct{}), step.stopAt
		h.w.add(step.add...)
		h.w.poll()
		h.w.now.Add(time.Hour)
	}
	same(t, "arrived", sorted(h.w.arrived()), []string{"m1", "m2", "m3", "m4", "m5", "m6", "m7"})
}

// TestPipeliningThatFailsWhereLoginsAreRare: that it fails is remembered, also
// where the session cannot be repeated at once, for the server wants a pause
// between logins, or locks the mailbox for minutes after a session that was cut.
func TestPipeliningThatFailsWhereLoginsAreRare(t *testing.T) {
	t.Parallel()
	for _, mode := range []pop3test.Pipelining{pop3test.PipeliningCloses, pop3test.PipeliningDiscards} {
		for _, locks := range []bool{false, true} {
			t.Run(fmt.Sprint(mode, " locks ", locks), func(t *testing.T) {
				t.Parallel()
				var w *world
				var mu sync.Mutex
				var locked time.Time
				lock := func(s *pop3test.Session, verb, _ string) bool {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case verb == "QUIT":
						locked = time.Time{}
					case verb != "AUTH":
					case w.now.Now().Sub(locked) < 10*time.Minute:
						s.Err("[IN-USE] maildrop is locked")
						return true
					default:
						locked = w.now.Now()
					}
					return false
				}
				b := bend{pipelining: mode}
				if locks {
					b.pop = lock
				}
				w = newWorld(t, b)
				w.account.Source.Timeout = impatience
				if !locks {
					w.account.Policy.MinInterval = time.Minute
				}
				w.add("m1")
				for range 4 {
					w.poll()
					w.now.Add(3 * time.Hour)
				}
				same(t, "arrived", w.arrived(), []string{"m1"})
			})
		}
	}
}

// TestMarkersThatAreRefused where sizes are wrong: nothing can be asked for
// ahead there, and it is not tried again with each message.
func TestMarkersThatAreRefused(t *testing.T) {
	t.Parallel()
	const messages = 60
	w := newWorld(t, bend{pop: func(s *pop3test.Session, verb, arg string) bool {
		if arg == "" || verb != "UIDL" && verb != "LIST" {
			return false
		}
		s.Err("no arguments, please")
		return true
	}})
	for _, n := range many(messages) {
		w.pop.Add("leo", pop3test.Message{UID: "uid-" + n, Size: int64(len(letter(n)) - 10), Open: func() io.Reader { return bytes.NewReader(letter(n)) }})
	}
	if r := w.poll(); r.Err != nil || r.Forwarded != messages {
		t.Errorf("%+v", r)
	}
	// The window once for the first wrong size, and once for the first marker.
	if n := len(w.verbs("RETR")); n > 3*messages {
		t.Errorf("%d RETR for %d messages", n, messages)
	}
}
