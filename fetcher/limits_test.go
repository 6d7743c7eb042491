package fetcher_test

import (
	"fmt"
	"maps"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
)

// The rest is shown, waits for the next polls, and is nothing that failed.
func TestMaxMessagesBoundsAPoll(t *testing.T) {
	t.Parallel()
	for name, keep := range map[string]bool{"kept": true, "deleted": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			f.account.Policy.Keep, f.account.Policy.MaxMessages = keep, 2
			f.add("m1", "m2", "m3", "m4", "m5")
			for _, want := range []counts{{Forwarded: 2}, {Forwarded: 2}, {Forwarded: 1}} {
				r := f.poll()
				done := len(f.arrived())
				onServer := 5
				if !keep {
					onServer -= done
				}
				wantResult(t, r, result{Counts: want, Postponed: 5 - done, OnServer: onServer})
				if r.TryAgain() {
					t.Error("something is to be tried again, want that nothing failed")
				}
				if got := f.accountRow().Postponed; got != 5-done {
					t.Errorf("the ledger says that %d messages wait, want %d", got, 5-done)
				}
			}
			f.wantArrivedInOrder("m1", "m2", "m3", "m4", "m5")
			f.wantSent("RETR", 5)
		})
	}
}

// Messages that are fetched again in another session of the poll count, too.
func TestMaxMessagesCountsOverTheSessionsOfAPoll(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: popOnce("RETR", func(s *pop3test.Session) { s.Hang() })})
	f.account.Source.Timeout = shortTimeout
	f.account.Policy.MaxMessages = 3
	f.add(numbered(6)...)
	f.poll()
	if got := len(f.arrived()); got > 3 {
		t.Errorf("%d messages arrived in one poll, want at most 3", got)
	}
	for range 6 {
		f.now.Add(time.Hour)
		f.poll()
	}
	f.wantArrived(numbered(6)...)
}

// popOnce does something else with the first of these commands.
func popOnce(verb string, do func(*pop3test.Session)) popHandler {
	var done atomic.Bool
	return func(s *pop3test.Session, v, _ string) bool {
		if v != verb || !done.CompareAndSwap(false, true) {
			return false
		}
		do(s)
		return true
	}
}

// A server that gives each message another UID in each session, and has no TOP: all of
// them look new until they were fetched. A poll that may fetch only a few of them comes to
// the new ones all the same.
func TestMaxMessagesUnderFreshUIDs(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		return withoutTop(s, verb, arg) || freshUIDs(s, verb, arg)
	}})
	f.account.Policy.MaxMessages = 2
	old := numbered(8)
	f.add(old...)
	poll := func(most int) {
		t.Helper()
		for range most {
			f.pollBySchedule()
			f.now.Add(10 * time.Minute)
		}
	}
	poll(4)
	f.wantArrived(old...)
	f.add("n1", "n2", "n3") // of the same size
	poll(2)
	f.wantArrived(append(old, "n1", "n2", "n3")...)
	// Their owner has deleted some, so that there are more rows than messages.
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[6:] })
	f.add("o1", "o2", "o3")
	poll(30)
	f.wantArrived(append(old, "n1", "n2", "n3", "o1", "o2", "o3")...)
	f.wantSent("RETR", 36*2)
}

// However much new mail there is.
func TestMaxMessagesStarvesNoMessageThatFailed(t *testing.T) {
	t.Parallel()
	var busy atomic.Bool
	busy.Store(true)
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(451), while(&busy))})
	f.account.Policy.MaxMessages = 2
	f.add("m1")
	f.poll()
	busy.Store(false)
	f.wantState("uid-m1", "deferred")
	f.now.Add(time.Hour)
	f.add("m2", "m3", "m4", "m5")
	f.poll()
	f.wantState("uid-m1", "forwarded")
}

func TestOrderOnTheWire(t *testing.T) {
	t.Parallel()
	for order, want := range map[identify.Order][]string{
		identify.Listed:      {"m1", "m22", "m333"},
		identify.NewestFirst: {"m22", "m1", "m333"},
		identify.SmallFirst:  {"m1", "m22", "m333"},
	} {
		f := newFixture(t, faults{pool: oneConnection})
		f.account.Policy.Order = order
		f.add("m333", "m1", "m22")
		if order == identify.Listed {
			want = []string{"m333", "m1", "m22"}
		}
		f.poll()
		f.wantArrivedInOrder(want...)
	}
}

// dated is a message with these lines above the others of its header.
func dated(name, lines string) []byte {
	return fmt.Appendf(nil, "%sFrom: a@example.org\r\nMessage-ID: <%s@example.org>\r\n\r\nbody\r\n", lines, name)
}

const (
	oldReceived   = "Received: from a by b; Fri, 02 Oct 2026 10:00:00 +0000\r\n"
	youngReceived = "Received: from a by b; Sun, 01 Nov 2026 10:00:00 +0000\r\n"
	oldDate       = "Date: Thu, 02 Oct 2003 10:00:00 +0000\r\n"
	youngDate     = "Date: Sun, 01 Nov 2026 10:00:00 +0000\r\n"
)

// Only what is certain to be older is left alone, and only what was there at first.
func TestFirstRunOfAnAge(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.FirstAge = 30 * 24 * time.Hour
	old, young := map[string]string{
		"by Received":                  oldReceived + youngDate,
		"by Received though Date is 0": oldReceived,
		"by Date alone":                oldDate,
	}, map[string]string{
		"by Received":           youngReceived + oldDate,
		"the topmost Received":  youngReceived + oldReceived + oldDate,
		"by Date alone":         youngDate,
		"no date at all":        "",
		"no date that is known": "Date: yesterday\r\n",
		"Received has no date":  "Received: from a by b\r\n" + oldDate,
		"a clock that was 1970": "Received: from a by b; Thu, 01 Jan 1970 00:00:09 +0000\r\n" + oldDate,
		"of a time to come":     "Received: from a by b; Fri, 02 Oct 2037 10:00:00 +0000\r\n" + oldDate,
	}
	want := make(map[string]string)
	for i, name := range slices.Sorted(maps.Keys(old)) {
		f.addUnder("old "+name, dated(fmt.Sprint("old", i), old[name]))
		want["old "+name] = "skipped"
	}
	for i, name := range slices.Sorted(maps.Keys(young)) {
		f.addUnder("young "+name, dated(fmt.Sprint("young", i), young[name]))
		want["young "+name] = "forwarded"
	}
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: len(young), Skipped: len(old)}, OnServer: len(want)})
	f.wantStates(want)
	f.addUnder("later", dated("later", oldReceived))
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: len(want) + 1})
	f.wantSent("RETR", len(young)+1)
	for _, r := range f.records() {
		if r.Fingerprint == "" {
			t.Errorf("%s has no fingerprint", r.UID)
		}
	}
}

// When in doubt, deliver.
func TestFirstRunOfAnAgeWithoutTOP(t *testing.T) {
	t.Parallel()
	for name, pop := range map[string]popHandler{
		"refused":  popRefuses("unknown command", "TOP"),
		"hangs up": popCloses("TOP", func() bool { return true }),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pop: pop})
			f.account.Policy.FirstAge = 30 * 24 * time.Hour
			f.addUnder("1", dated("m1", oldReceived))
			f.addUnder("2", dated("m2", youngReceived))
			for range 3 {
				f.poll()
				f.now.Add(time.Hour)
			}
			f.wantArrived("m1", "m2")
		})
	}
}

// popCloses hangs up at such a command, if it is to.
func popCloses(verb string, is func() bool) popHandler {
	return func(s *pop3test.Session, v, _ string) bool {
		if v != verb || !is() {
			return false
		}
		s.Close()
		return true
	}
}

// The ages of a large mailbox are asked for in parts; all of it is looked at, and a
// session that breaks loses nothing of what was decided.
func TestFirstRunOfAnAgeInALargeMailbox(t *testing.T) {
	t.Parallel()
	const messages, broken = 2500, 1700
	var tops atomic.Int32
	f := newFixture(t, faults{pop: popCloses("TOP", func() bool { return tops.Add(1) == broken })})
	f.account.Policy.FirstAge = 30 * 24 * time.Hour
	var young []string
	for i := range messages {
		name, lines := fmt.Sprint("m", i), oldReceived
		if i%500 == 499 {
			young = append(young, name)
			lines = youngReceived
		}
		f.addUnder("uid-"+name, dated(name, lines))
	}
	for range 3 {
		f.poll()
		f.now.Add(time.Hour)
	}
	f.wantArrived(young...)
	if got := f.inState(ledger.Skipped); got != messages-len(young) {
		t.Errorf("%d messages are skipped, want %d", got, messages-len(young))
	}
	if f.accountRow().Listed.IsZero() {
		t.Error("the first run has not ended")
	}
	if got := tops.Load(); got > messages+1000 {
		t.Errorf("TOP was sent %d times for %d messages", got, messages)
	}
}
