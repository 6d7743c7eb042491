package fetcher_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// busyWorld has a destination that refuses every message for now, until it is
// told that it is free.
func busyWorld(t *testing.T, pop func(*pop3test.Session, string, string) bool) (w *world, free func()) {
	var busy atomic.Bool
	busy.Store(true)
	w = newWorld(t, bend{pop: pop, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && busy.Load() {
			return smtptest.Fault{Code: 451, Text: "later"}
		}
		return smtptest.Fault{}
	}}})
	return w, func() { busy.Store(false) }
}

// saysExpire is a server that says EXPIRE 0 and does not do it.
func saysExpire(s *pop3test.Session, verb, _ string) bool {
	if verb == "CAPA" {
		s.Lines("capabilities", "USER", "UIDL", "TOP", "EXPIRE 0")
	}
	return verb == "CAPA"
}

// TestCopyThatCannotBeMade: without it no QUIT is said, and the message is
// fetched again.
func TestCopyThatCannotBeMade(t *testing.T) {
	t.Parallel()
	for name, hinder := range map[string]func(w *world){
		"no folder": func(w *world) {
			file := filepath.Join(w.t.TempDir(), "file")
			must(w.t, os.WriteFile(file, nil, 0o600))
			w.keptDir = filepath.Join(file, "kept")
		},
		"no row": func(w *world) {
			w.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
				l, err := w.store.Lease(ctx, id)
				return failing{l, new(atomic.Int64)}, err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &hiding{says: true}
			h.w = newWorld(t, bend{pop: h.handle})
			w := h.w
			dir := w.keptDir
			hinder(w)
			w.add("m1")
			if r := w.poll(); r.Err == nil {
				t.Errorf("%+v", r)
			}
			same(t, "left", w.left(), []string{"uid-m1"})
			w.keptDir, w.lease = dir, nil
			w.poll()
			same(t, "arrived", w.arrived(), []string{"m1"})
		})
	}
}

// TestCopiesUnderAnotherPath are found by their names.
func TestCopiesUnderAnotherPath(t *testing.T) {
	t.Parallel()
	for name, paths := range map[string]func(t *testing.T, dir string) (before, after string){
		"moved": func(t *testing.T, dir string) (string, string) { return dir, filepath.Join(t.TempDir(), "elsewhere") },
		"relative before": func(t *testing.T, dir string) (string, string) {
			here, err := os.Getwd()
			must(t, err)
			path, err := filepath.Rel(here, dir)
			if err != nil {
				t.Skip(err) // another drive
			}
			return path, dir
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &hiding{says: true}
			w, free := busyWorld(t, h.handle)
			h.w = w
			before, after := paths(t, w.keptDir)
			w.keptDir = before
			w.add("m1", "m2")
			w.poll()
			if len(w.left()) != 0 || len(w.kept()) != 2 {
				t.Fatalf("left %v, kept %v: the test tests nothing", w.left(), w.kept())
			}
			must(t, os.Rename(before, after))
			w.keptDir = after
			free()
			w.daily(1, false)
			same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2"})
			same(t, "kept", w.kept(), nil)
		})
	}
}

// TestCopyThatIsGone: the message is fetched anew if its server still has it.
func TestCopyThatIsGone(t *testing.T) {
	t.Parallel()
	w, free := busyWorld(t, saysExpire)
	w.add("m1")
	w.poll()
	must(t, os.RemoveAll(w.keptDir))
	free()
	w.daily(3, false)
	same(t, "arrived", w.arrived(), []string{"m1"})
}

// TestUIDOfAKeptMessageGivenToAnother: both arrive, and the second is not
// deleted for the first.
func TestUIDOfAKeptMessageGivenToAnother(t *testing.T) {
	t.Parallel()
	for second, keep := range map[string]bool{"a longer name": true, "m2": false} { // m2 is as long as m1
		t.Run(fmt.Sprint(second, ", keep ", keep), func(t *testing.T) {
			t.Parallel()
			w, free := busyWorld(t, saysExpire)
			w.account.Policy.Keep = keep
			w.pop.Add("leo", pop3test.Message{UID: "1", Octets: letter("m1")})
			w.poll()
			w.pop.Change("leo", func([]pop3test.Message) []pop3test.Message {
				return []pop3test.Message{{UID: "1", Octets: letter(second)}}
			})
			free()
			w.daily(3, true)
			same(t, "arrived", sorted(w.arrived()), sorted([]string{"m1", second}))
			if (len(w.left()) == 1) != keep {
				t.Errorf("left %v", w.left())
			}
		})
	}
}

// TestLoopFromHidingServer is held with a copy: its server has it no more.
func TestLoopFromHidingServer(t *testing.T) {
	t.Parallel()
	h := &hiding{says: true}
	h.w = newWorld(t, bend{pop: h.handle})
	w := h.w
	loop := append(bytes.Repeat([]byte("Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000\r\n"), 60), letter("m1")...)
	w.pop.Add("leo", pop3test.Message{UID: "loop", Octets: loop})
	if r := w.poll(); r.Held != 1 || len(w.kept()) != 1 {
		t.Fatalf("%+v, kept %v", r, w.kept())
	}
	if text, err := os.ReadFile(w.kept()[0]); err != nil || len(text) != len(loop) {
		t.Errorf("%v: %d octets are kept, want %d", err, len(text), len(loop))
	}
}

// TestStumpFromHidingServer does not end in QUIT, which would take the rest.
func TestStumpFromHidingServer(t *testing.T) {
	t.Parallel()
	h := &hiding{says: true}
	var n atomic.Int32
	h.w = newWorld(t, bend{pop: func(s *pop3test.Session, verb, arg string) bool {
		done := h.handle(s, verb, arg)
		if verb == "RETR" && n.Add(1) < 3 {
			s.Lines("part", "Subject: x", "", "abc"[:n.Load()])
			return true
		}
		return done
	}})
	h.w.add("m1")
	h.w.daily(2, true)
	same(t, "arrived", h.w.arrived(), []string{"m1"})
}

// TestServerThatIsSeenToHideWhatIsToBeDeleted: of what comes once that is
// known, nothing is lost.
func TestServerThatIsSeenToHideWhatIsToBeDeleted(t *testing.T) {
	t.Parallel()
	h := &hiding{}
	w, free := busyWorld(t, h.handle)
	h.w = w
	w.account.Policy.Keep = false
	w.add("m1", "m2", "m3", "m4")
	w.poll()
	w.now.Add(time.Hour)
	w.add("n1", "n2", "n3", "n4")
	w.poll()
	free()
	w.daily(2, true)
	same(t, "arrived", sorted(w.arrived()), []string{"n1", "n2", "n3", "n4"})
}
