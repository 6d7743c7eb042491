package fetcher_test

import (
	"bytes"
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// A: hiding server that is not known as such.
func TestHidingThatNobodySaw(t *testing.T) {
	var w *world
	var mu sync.Mutex
	seen := map[int][]string{}
	pop := func(s *pop3test.Session, verb, arg string) bool {
		mu.Lock()
		defer mu.Unlock()
		switch verb {
		case "RETR":
			if m := s.Message(arg); m != nil {
				seen[s.Number] = append(seen[s.Number], m.UID)
			}
		case "QUIT":
			gone := seen[s.Number]
			w.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
				return slices.DeleteFunc(ms, func(m pop3test.Message) bool { return slices.Contains(gone, m.UID) })
			})
		}
		return false
	}
	stopAt := 1
	b := bend{pop: pop, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == stopAt {
			close(w.stop)
		}
		return smtptest.Fault{}
	}}}
	b.pool.InFlight = 1
	w = newWorld(t, b)
	w.add("m1", "m2")
	r := w.poll() // SIGTERM while m1 is sent
	t.Logf("poll 1: %+v left %v", r, w.left())
	w.now.Add(time.Hour)
	w.stop, stopAt = make(chan struct{}), -1
	r = w.poll()
	t.Logf("poll 2: %+v left %v", r, w.left())
	w.now.Add(time.Hour)
	w.add("m3", "m4", "m5", "m6", "m7")
	stopAt = 3
	r = w.poll()
	t.Logf("poll 3: %+v left %v arrived %v", r, w.left(), w.arrived())
	w.now.Add(time.Hour)
	w.stop, stopAt = make(chan struct{}), -1
	r = w.poll()
	t.Logf("poll 4: %+v left %v", r, w.left())
	same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2", "m3", "m4", "m5", "m6", "m7"})
}

// B: lesson is lost where a gap between logins is wanted.
func TestPipeliningThatFailsWithAGapBetweenLogins(t *testing.T) {
	for name, mode := range map[string]pop3test.Pipelining{"closes": pop3test.PipeliningCloses, "discards": pop3test.PipeliningDiscards} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, bend{pipelining: mode})
			w.account.Policy.MinInterval = time.Minute
			w.account.Source.Timeout = 200 * time.Millisecond
			w.add("m1")
			for i := range 6 {
				r := w.poll()
				t.Logf("poll %d: %v", i+1, r.Err)
				w.now.Add(3 * time.Hour)
			}
			same(t, "arrived", w.arrived(), []string{"m1"})
		})
	}
}

// C: the maildrop stays locked for a while after a session that was cut.
func TestPipeliningThatFailsAndALockedMailbox(t *testing.T) {
	for name, mode := range map[string]pop3test.Pipelining{"closes": pop3test.PipeliningCloses, "discards": pop3test.PipeliningDiscards} {
		t.Run(name, func(t *testing.T) {
			var w *world
			var locked time.Time
			var mu sync.Mutex
			pop := func(s *pop3test.Session, verb, arg string) bool {
				mu.Lock()
				defer mu.Unlock()
				switch verb {
				case "AUTH", "PASS":
					if !locked.IsZero() && w.now.Now().Sub(locked) < 10*time.Minute {
						s.Err("[IN-USE] maildrop is locked")
						return true
					}
					locked = w.now.Now()
				case "QUIT":
					locked = time.Time{}
				}
				return false
			}
			w = newWorld(t, bend{pop: pop, pipelining: mode})
			w.account.Source.Timeout = 200 * time.Millisecond
			w.add("m1")
			for i := range 6 {
				r := w.poll()
				t.Logf("poll %d: %v", i+1, r.Err)
				w.now.Add(3 * time.Hour)
			}
			same(t, "arrived", w.arrived(), []string{"m1"})
		})
	}
}

// D: sizes are wrong and markers are refused.
func TestMarkersThatAreRefused(t *testing.T) {
	for _, hidden := range []bool{true, false} {
		mode := pop3test.PipeliningWorks
		if hidden {
			mode = pop3test.PipeliningHidden
		}
		w := newWorld(t, bend{pipelining: mode, pop: func(s *pop3test.Session, verb, arg string) bool {
			if arg == "" || verb != "UIDL" && verb != "LIST" {
				return false
			}
			s.Err("no arguments, please")
			return true
		}})
		for _, n := range many(60) {
			w.pop.Add("leo", pop3test.Message{UID: "uid-" + n, Size: int64(len(letter(n)) - 10), Open: func() io.Reader { return bytes.NewReader(letter(n)) }})
		}
		r := w.poll()
		t.Logf("hidden %v: %+v: %d RETR", hidden, r, len(w.verbs("RETR")))
		if len(w.verbs("RETR")) > 200 {
			t.Errorf("%d RETR for 60 messages", len(w.verbs("RETR")))
		}
	}
}

var _ = context.Background
