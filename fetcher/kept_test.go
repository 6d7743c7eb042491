package fetcher_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// hiding is a server that gives each message once: what was retrieved is gone
// after QUIT, whether it says so (EXPIRE 0) or not.
type hiding struct {
	w    *world
	says bool
	seen []string
}

func (h *hiding) handle(s *pop3test.Session, verb, arg string) bool {
	switch verb {
	case "CAPA":
		if h.says {
			s.Lines("capabilities", "USER", "UIDL", "TOP", "EXPIRE 0")
			return true
		}
	case "RETR":
		if m := s.Message(arg); m != nil {
			h.seen = append(h.seen, m.UID)
		}
	case "QUIT":
		seen := h.seen
		h.seen = nil
		h.w.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
			return slices.DeleteFunc(ms, func(m pop3test.Message) bool { return slices.Contains(seen, m.UID) })
		})
	}
	return false
}

// kept lists the files that are kept.
func (w *world) kept() []string {
	w.t.Helper()
	files, err := filepath.Glob(filepath.Join(w.keptDir, "*"))
	must(w.t, err)
	return files
}

// TestServerKnownToHide: one that does not say so, as Gmail, loses nothing at
// the first poll, before it could have been seen to hide.
func TestServerKnownToHide(t *testing.T) {
	t.Parallel()
	busy := true
	h := &hiding{}
	h.w = newWorld(t, bend{pop: h.handle, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && busy {
			return smtptest.Fault{Code: 451, Text: "later"}
		}
		return smtptest.Fault{}
	}}})
	w := h.w
	w.account.Source.Hides = true
	w.add("m1", "m2")
	if r := w.poll(); r.Err != nil || r.Deferred != 2 || len(w.kept()) != 2 {
		t.Fatalf("%+v, kept %v", r, w.kept())
	}
	if len(w.left()) != 0 {
		t.Fatal("the server still has them: the test tests nothing")
	}
	busy = false
	w.now.Add(time.Hour)
	w.poll()
	same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2"})
}

func TestServerThatHidesWhatWasRetrieved(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		t.Run(fmt.Sprint("keep ", keep), func(t *testing.T) {
			t.Parallel()
			h := &hiding{says: true}
			busy := true
			h.w = newWorld(t, bend{pop: h.handle, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
				if e.Stage == forwarder.StageDot && busy {
					return smtptest.Fault{Code: 451, Text: "later"}
				}
				return smtptest.Fault{}
			}}})
			w := h.w
			w.account.Policy.Keep = keep
			w.account.Destination.Original = true
			w.add("m1", "m2", "m3")
			if r := w.poll(); r.Err != nil || r.Deferred != 3 || len(w.kept()) != 3 {
				t.Fatalf("%+v, kept %v", r, w.kept())
			}
			if len(w.left()) != 0 {
				t.Fatal("the server still has them: the test tests nothing")
			}
			if r := w.pollAs(false); r.Waiting != 3 || !r.TryAgain() {
				t.Errorf("%+v", r)
			}
			w.add("m4")
			busy = false
			w.now.Add(time.Hour)
			if r := w.pollAs(false); r.Err != nil || r.Forwarded != 4 {
				t.Errorf("%+v", r)
			}
			same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2", "m3", "m4"})
			if len(w.kept()) != 0 {
				t.Errorf("still kept: %v", w.kept())
			}
			for _, m := range w.smtp.Messages() {
				if m.Sender != "sender-"+w.nameOf(m)+"@example.org" {
					t.Errorf("the envelope sender of %s is %q", w.nameOf(m), m.Sender)
				}
			}
		})
	}
}

func TestServerThatIsSeenToHide(t *testing.T) {
	t.Parallel()
	h := &hiding{}
	refuse := false
	h.w = newWorld(t, bend{pop: h.handle, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && refuse {
			return smtptest.Fault{Code: 550, Text: "no"}
		}
		return smtptest.Fault{}
	}}})
	w := h.w
	w.add("m1", "m2", "m3", "m4")
	w.poll()
	w.now.Add(time.Minute)
	w.add("m5")
	refuse = true
	w.poll()
	if got := w.states()["uid-m5"]; got != "held" || len(w.kept()) != 1 {
		t.Errorf("it is %s, kept: %v", got, w.kept())
	}
	text, err := os.ReadFile(filepath.Join(w.keptDir, w.record("uid-m5").CopyFile))
	if err != nil || string(text) != string(letter("m5")) {
		t.Errorf("%v: %q", err, text)
	}
}

// TestCrashBetweenFileAndRow: a file without a row is left alone, for the ledger
// may be an older one, and the message is fetched again.
func TestCrashBetweenFileAndRow(t *testing.T) {
	t.Parallel()
	h := &hiding{says: true}
	h.w = newWorld(t, bend{pop: h.handle})
	h.w.add("m1")
	must(t, os.MkdirAll(h.w.keptDir, 0o700))
	must(t, os.WriteFile(filepath.Join(h.w.keptDir, fmt.Sprintf("%d-orphan.eml", h.w.account.ID)), []byte("x"), 0o600))
	h.w.poll()
	if len(h.w.kept()) != 1 || len(h.w.arrived()) != 1 {
		t.Errorf("kept %v, arrived %v", h.w.kept(), h.w.arrived())
	}
}

// TestLargeMailboxTakesSeveralSessions where its messages are deleted.
func TestLargeMailboxTakesSeveralSessions(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.Keep = false
	w.add(many(4500)...)
	r := w.poll()
	if r.Err != nil || r.Forwarded != 4500 || r.OnServer != 0 {
		t.Errorf("%+v", r)
	}
	if n := len(w.verbs("QUIT")); n != 2 {
		t.Errorf("%d sessions", n)
	}
}
