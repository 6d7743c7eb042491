package fetcher_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// inbox is an IMAP mailbox as the destination.
type inbox struct{ *imap.Pool }

func (i inbox) Submit(m *forwarder.Message) fetcher.Delivery { return i.Pool.Submit(m) }

// Find implements doubt.Finder.
func (i inbox) Find(ctx context.Context, sought []forwarder.Sought) ([]bool, error) {
	lie, err := i.Pool.Find(ctx, sought)
	found := make([]bool, len(sought))
	for n, m := range sought {
		_, found[n] = lie[m.Trace]
	}
	return found, err
}

// Traces implements doubt.Finder.
func (i inbox) Traces(ctx context.Context, folder string) (map[string]bool, error) {
	return i.Pool.Traces(ctx, folder)
}

// deliverByIMAP gives the account a folder of an IMAP server as its destination.
func (f *fixture) deliverByIMAP(folder string, o imaptest.Options) *imaptest.Server {
	f.t.Helper()
	s := imaptest.New(o)
	f.t.Cleanup(func() { _ = s.Close() })
	p := imap.New(imap.Options{Dial: s.Pipe, Username: "leo", Now: f.now.Now})
	f.t.Cleanup(func() { _ = p.Close() })
	d := &f.account.Destination
	d.Forwarder, d.Finder, d.Recipients, d.Address, d.Sender = inbox{p}, inbox{p}, []string{folder}, "leo@example.org", ""
	return s
}

// at answers a command so while it is to.
func at(command, reply string, on *atomic.Bool) func(imaptest.Event) imaptest.Fault {
	return func(e imaptest.Event) (f imaptest.Fault) {
		if e.Command == command && on.Load() {
			f.Reply = reply
		}
		return f
	}
}

// A folder that is missing, or may not be written to, is the route's fault: nothing is
// marked, and all mail comes once that is mended.
func TestFolderThatTakesNothingMarksNothing(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ folder, reply string }{
		"missing":        {"Nowhere", ""},
		"no right":       {"INBOX", "NO [NOPERM] Permission denied"},
		"only to read":   {"INBOX", "NO [READ-ONLY] Folder is read-only"},
		"in other words": {"INBOX", "NO No such mailbox"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var broken atomic.Bool
			broken.Store(tt.reply != "")
			f := newFixture(t, faults{})
			s := f.deliverByIMAP(tt.folder, imaptest.Options{Fault: at("APPEND", tt.reply, &broken)})
			f.add(numbered(3)...)
			r := f.poll()
			if !errors.As(r.Err, new(*outcome.RouteError)) {
				t.Errorf("got %v, want the route's fault", r.Err)
			}
			f.wantStates(nil)
			broken.Store(false)
			f.account.Destination.Recipients = []string{"INBOX"}
			f.now.Add(time.Hour)
			wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 3}, OnServer: 3})
			if n := len(s.Messages("INBOX")); n != 3 {
				t.Errorf("%d messages arrived, want 3", n)
			}
		})
	}
}

// A server that asks for a time is given it, and nothing is marked.
func TestTimeThatAServerAsksForIsGiven(t *testing.T) {
	t.Parallel()
	var broken atomic.Bool
	broken.Store(true)
	f := newFixture(t, faults{})
	f.deliverByIMAP("INBOX", imaptest.Options{Fault: at("MESSAGE", "NO Request is throttled. Suggested Backoff Time: 1800000 milliseconds", &broken)})
	f.add("m1")
	wantResult(t, f.poll(), result{OnServer: 1, Err: errAny})
	f.wantStates(nil)
	broken.Store(false)
	f.now.Add(29 * time.Minute)
	wantResult(t, f.pollBySchedule(), result{OnServer: -1, Skip: fetcher.BackingOff})
	f.now.Add(2 * time.Minute)
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
}

// A message that is refused without a reason is held the third time, since another one
// was accepted in between.
func TestMessageThatIsRefusedWithoutAReasonIsHeldTheThirdTime(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	var bare atomic.Bool
	f.deliverByIMAP("INBOX", imaptest.Options{Fault: at("MESSAGE", "NO Append failed.", &bare)})
	f.add("odd")
	for i, want := range []ledger.State{ledger.Deferred, ledger.Deferred, ledger.Held} {
		bare.Store(true)
		f.poll()
		if got := f.record("uid-odd").State; got != want {
			t.Fatalf("the message is %v, want %v", got, want)
		}
		bare.Store(false)
		f.add(fmt.Sprint("good", i))
		if r := f.pollBySchedule(); r.Err != nil || r.Forwarded != 1 { // the odd one is not due yet
			t.Errorf("got %+v, want the good one forwarded", r)
		}
		f.now.Add(time.Hour)
	}
}
