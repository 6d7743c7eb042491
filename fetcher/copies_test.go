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

// kept lists the files that are kept.
func (f *fixture) copies() []string {
	f.t.Helper()
	files, err := filepath.Glob(filepath.Join(f.copyDir, "*"))
	must(f.t, err)
	return files
}

// TestKnownHidingServerLosesNothingAtTheFirstPoll: one that does not say so, as Gmail, loses nothing at
// the first poll, before it could have been seen to hide.
func TestKnownHidingServerLosesNothingAtTheFirstPoll(t *testing.T) {
	t.Parallel()
	busy := true
	h := &hidingServer{}
	h.f = newFixture(t, faults{pop: h.handle, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && busy {
			return smtptest.Fault{Code: 451, Text: "later"}
		}
		return smtptest.Fault{}
	}}})
	f := h.f
	f.account.Source.Hides = true
	f.add("m1", "m2")
	if r := f.poll(); r.Err != nil || r.Deferred != 2 || len(f.copies()) != 2 {
		t.Fatalf("%+v, kept %v", r, f.copies())
	}
	if len(f.left()) != 0 {
		t.Fatal("the server still has them: the test tests nothing")
	}
	busy = false
	f.now.Add(time.Hour)
	f.poll()
	same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2"})
}

func TestHidingServerIsForwardedFromCopies(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		t.Run(fmt.Sprint("keep ", keep), func(t *testing.T) {
			t.Parallel()
			h := &hidingServer{says: true}
			busy := true
			h.f = newFixture(t, faults{pop: h.handle, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
				if e.Stage == forwarder.StageDot && busy {
					return smtptest.Fault{Code: 451, Text: "later"}
				}
				return smtptest.Fault{}
			}}})
			f := h.f
			f.account.Policy.Keep = keep
			f.account.Destination.Original = true
			f.add("m1", "m2", "m3")
			if r := f.poll(); r.Err != nil || r.Deferred != 3 || len(f.copies()) != 3 {
				t.Fatalf("%+v, kept %v", r, f.copies())
			}
			if len(f.left()) != 0 {
				t.Fatal("the server still has them: the test tests nothing")
			}
			if r := f.pollAs(false); r.Waiting != 3 || !r.TryAgain() {
				t.Errorf("%+v", r)
			}
			f.add("m4")
			busy = false
			f.now.Add(time.Hour)
			if r := f.pollAs(false); r.Err != nil || r.Forwarded != 4 {
				t.Errorf("%+v", r)
			}
			same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2", "m3", "m4"})
			if len(f.copies()) != 0 {
				t.Errorf("still kept: %v", f.copies())
			}
			for _, m := range f.smtp.Messages() {
				if m.Sender != "sender-"+f.nameOf(m)+"@example.org" {
					t.Errorf("the envelope sender of %s is %q", f.nameOf(m), m.Sender)
				}
			}
		})
	}
}

func TestServerSeenToHideHasCopiesKept(t *testing.T) {
	t.Parallel()
	h := &hidingServer{}
	refuse := false
	h.f = newFixture(t, faults{pop: h.handle, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && refuse {
			return smtptest.Fault{Code: 550, Text: "no"}
		}
		return smtptest.Fault{}
	}}})
	f := h.f
	f.add("m1", "m2", "m3", "m4")
	f.poll()
	f.now.Add(time.Minute)
	f.add("m5")
	refuse = true
	f.poll()
	if got := f.states()["uid-m5"]; got != "held" || len(f.copies()) != 1 {
		t.Errorf("it is %s, kept: %v", got, f.copies())
	}
	text, err := os.ReadFile(filepath.Join(f.copyDir, f.record("uid-m5").CopyFile))
	if err != nil || string(text) != string(octetsOf("m5")) {
		t.Errorf("%v: %q", err, text)
	}
}

// TestServerSeenToHideLosesNothingFromThenOn: of what comes once that is
// known, nothing is lost.
func TestServerSeenToHideLosesNothingFromThenOn(t *testing.T) {
	t.Parallel()
	h := &hidingServer{}
	f, free := busyWorld(t, h.handle)
	h.f = f
	f.account.Policy.Keep = false
	f.add("m1", "m2", "m3", "m4")
	f.poll()
	f.now.Add(time.Hour)
	f.add("n1", "n2", "n3", "n4")
	f.poll()
	free()
	f.pollTwiceDaily(2, true)
	same(t, "arrived", sorted(f.arrived()), []string{"n1", "n2", "n3", "n4"})
}

// TestUnnoticedHidingLosesNothingAtAStop: what was given out and not sent when a poll was
// stopped is there the next time, also if a message that an unfinished session
// left behind made the server look as if it hid nothing.
func TestUnnoticedHidingLosesNothingAtAStop(t *testing.T) {
	t.Parallel()
	h := &shy{given: make(map[int][]string)}
	stopAt := 1
	b := faults{pop: h.handle, smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == stopAt {
			close(h.f.stop)
		}
		return smtptest.Fault{}
	}}}
	b.pool.InFlight = 1
	h.f = newFixture(t, b)
	for _, step := range []struct {
		stopAt int // at which message of all the program is stopped
		add    []string
	}{{1, []string{"m1", "m2"}}, {-1, nil}, {3, []string{"m3", "m4", "m5", "m6", "m7"}}, {-1, nil}} {
		h.f.stop, stopAt = make(chan struct{}), step.stopAt
		h.f.add(step.add...)
		h.f.poll()
		h.f.now.Add(time.Hour)
	}
	same(t, "arrived", sorted(h.f.arrived()), []string{"m1", "m2", "m3", "m4", "m5", "m6", "m7"})
}

// TestCopyFailureFailsThePollAndSendsNoQUIT: without it no QUIT is said, and the message is
// fetched again.
func TestCopyFailureFailsThePollAndSendsNoQUIT(t *testing.T) {
	t.Parallel()
	for name, hinder := range map[string]func(f *fixture){
		"no folder": func(f *fixture) {
			file := filepath.Join(f.t.TempDir(), "file")
			must(f.t, os.WriteFile(file, nil, 0o600))
			f.copyDir = filepath.Join(file, "kept")
		},
		"no row": func(f *fixture) {
			f.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
				l, err := f.store.Lease(ctx, id)
				return failing{l, new(atomic.Int64)}, err
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := &hidingServer{says: true}
			h.f = newFixture(t, faults{pop: h.handle})
			f := h.f
			dir := f.copyDir
			hinder(f)
			f.add("m1")
			if r := f.poll(); r.Err == nil {
				t.Errorf("%+v", r)
			}
			same(t, "left", f.left(), []string{"uid-m1"})
			f.copyDir, f.lease = dir, nil
			f.poll()
			same(t, "arrived", f.arrived(), []string{"m1"})
		})
	}
}

// TestCopiesAreFoundAfterTheirFolderMoved are found by their names.
func TestCopiesAreFoundAfterTheirFolderMoved(t *testing.T) {
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
			h := &hidingServer{says: true}
			f, free := busyWorld(t, h.handle)
			h.f = f
			before, after := paths(t, f.copyDir)
			f.copyDir = before
			f.add("m1", "m2")
			f.poll()
			if len(f.left()) != 0 || len(f.copies()) != 2 {
				t.Fatalf("left %v, kept %v: the test tests nothing", f.left(), f.copies())
			}
			must(t, os.Rename(before, after))
			f.copyDir = after
			free()
			f.pollTwiceDaily(1, false)
			same(t, "arrived", sorted(f.arrived()), []string{"m1", "m2"})
			same(t, "kept", f.copies(), nil)
		})
	}
}

// TestMissingCopyIsFetchedAgain: the message is fetched anew if its server still has it.
func TestMissingCopyIsFetchedAgain(t *testing.T) {
	t.Parallel()
	f, free := busyWorld(t, saysExpire)
	f.add("m1")
	f.poll()
	must(t, os.RemoveAll(f.copyDir))
	free()
	f.pollTwiceDaily(3, false)
	same(t, "arrived", f.arrived(), []string{"m1"})
}

// TestCopyWithoutARowIsLeftAlone: a file without a row is left alone, for the ledger
// may be an older one, and the message is fetched again.
func TestCopyWithoutARowIsLeftAlone(t *testing.T) {
	t.Parallel()
	h := &hidingServer{says: true}
	h.f = newFixture(t, faults{pop: h.handle})
	h.f.add("m1")
	must(t, os.MkdirAll(h.f.copyDir, 0o700))
	must(t, os.WriteFile(filepath.Join(h.f.copyDir, fmt.Sprintf("%d-orphan.eml", h.f.account.ID)), []byte("x"), 0o600))
	h.f.poll()
	if len(h.f.copies()) != 1 || len(h.f.arrived()) != 1 {
		t.Errorf("kept %v, arrived %v", h.f.copies(), h.f.arrived())
	}
}

// TestReusedUIDOfACopyForwardsBoth: both arrive, and the second is not
// deleted for the first.
func TestReusedUIDOfACopyForwardsBoth(t *testing.T) {
	t.Parallel()
	for second, keep := range map[string]bool{"a longer name": true, "m2": false} { // m2 is as long as m1
		t.Run(fmt.Sprint(second, ", keep ", keep), func(t *testing.T) {
			t.Parallel()
			f, free := busyWorld(t, saysExpire)
			f.account.Policy.Keep = keep
			f.pop.Add("leo", pop3test.Message{UID: "1", Octets: octetsOf("m1")})
			f.poll()
			f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message {
				return []pop3test.Message{{UID: "1", Octets: octetsOf(second)}}
			})
			free()
			f.pollTwiceDaily(3, true)
			same(t, "arrived", sorted(f.arrived()), sorted([]string{"m1", second}))
			if (len(f.left()) == 1) != keep {
				t.Errorf("left %v", f.left())
			}
		})
	}
}

// TestMailLoopFromHidingServerIsHeldWithACopy is held with a copy: its server has it no more.
func TestMailLoopFromHidingServerIsHeldWithACopy(t *testing.T) {
	t.Parallel()
	h := &hidingServer{says: true}
	h.f = newFixture(t, faults{pop: h.handle})
	f := h.f
	loop := append(bytes.Repeat([]byte("Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000\r\n"), 60), octetsOf("m1")...)
	f.pop.Add("leo", pop3test.Message{UID: "loop", Octets: loop})
	if r := f.poll(); r.Held != 1 || len(f.copies()) != 1 {
		t.Fatalf("%+v, kept %v", r, f.copies())
	}
	if text, err := os.ReadFile(f.copies()[0]); err != nil || len(text) != len(loop) {
		t.Errorf("%v: %d octets are kept, want %d", err, len(text), len(loop))
	}
}

// TestShortBodyFromHidingServerIsFetchedAgain does not end in QUIT, which would take the rest.
func TestShortBodyFromHidingServerIsFetchedAgain(t *testing.T) {
	t.Parallel()
	h := &hidingServer{says: true}
	var n atomic.Int32
	h.f = newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		done := h.handle(s, verb, arg)
		if verb == "RETR" && n.Add(1) < 3 {
			s.Lines("part", "Subject: x", "", "abc"[:n.Load()])
			return true
		}
		return done
	}})
	h.f.add("m1")
	h.f.pollTwiceDaily(2, true)
	same(t, "arrived", h.f.arrived(), []string{"m1"})
}
