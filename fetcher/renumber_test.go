package fetcher_test

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// renumber gives all messages new UIDs, as a server does that was moved.
func (f *fixture) renumber() {
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		for i := range ms {
			ms[i].UID = fmt.Sprint("moved-", i)
		}
		return ms
	})
}

// renumberedWithoutFingerprints is a mailbox that was renumbered when nothing could
// tell its messages from each other. The user is waited for.
func renumberedWithoutFingerprints(t *testing.T, b faults) *fixture {
	t.Helper()
	f := newFixture(t, withoutTOP(b))
	f.account.Policy.OnlyNew = true // rows without fingerprints
	f.add(numbered(12)...)
	f.poll()
	f.renumber()
	f.wantRenumbered()
	return f
}

// withoutTOP is a mailbox that shows no headers by themselves.
func withoutTOP(b faults) faults {
	other := b.pop
	b.pop = func(s *pop3test.Session, verb, arg string) bool {
		if verb == "TOP" {
			s.Err("unknown command")
			return true
		}
		return other != nil && other(s, verb, arg)
	}
	return b
}

// wantRenumbered: a poll ends with ErrRenumbered, and nothing arrived.
func (f *fixture) wantRenumbered() {
	f.t.Helper()
	wantResult(f.t, f.poll(), result{OnServer: -1, Err: fetcher.ErrRenumbered})
	f.wantArrived()
}

func TestRenumberedMessagesAreKnownByTheirHeaders(t *testing.T) {
	t.Parallel()
	for _, top := range []bool{true, false} {
		t.Run(fmt.Sprint("top ", top), func(t *testing.T) {
			t.Parallel()
			var b faults
			if !top {
				b.pop = popRefuses("unknown command", "TOP")
			}
			f := newFixture(t, b)
			f.add(numbered(30)...)
			f.poll()
			f.renumber()
			f.add("new1", "new2")
			wantResult(t, f.poll(), result{Counts: counts{Forwarded: 2}, OnServer: 32})
			wantResult(t, f.poll(), result{OnServer: 32})
			// What is known under its new UID is deleted by it.
			f.account.Policy.Keep = false
			wantResult(t, f.poll(), result{})
			f.wantArrived(append(numbered(30), "new1", "new2")...)
		})
	}
}

// By TOP they look alike, so they are told from each other by what RETR shows.
func TestRenumberedHeaderlessMessagesAreKnownByTheirBodies(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	for i := range 12 {
		f.addUnder(fmt.Sprint(i), fmt.Appendf(nil, "Subject: alike\r\n\r\nbody %d\r\n", i+10))
	}
	f.poll()
	f.renumber()
	wantResult(t, f.poll(), result{OnServer: 12})
	if got := len(f.smtp.Messages()); got != 12 {
		t.Errorf("%d messages arrived, want 12", got)
	}
}

func TestRenumberedMailboxWithOneMessageLessForwardsNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add(numbered(100)...)
	f.poll()
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
	f.renumber()
	wantResult(t, f.poll(), result{OnServer: 99})
}

func TestRenumberedWithoutFingerprintsWaitsForTheUser(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer          ledger.UIDState
		arrive, skipped int
	}{"adopt": {ledger.UIDsAdopting, 0, 12}, "resend": {ledger.UIDsStable, 12, 0}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := renumberedWithoutFingerprints(t, faults{})
			f.wantRenumbered()
			f.setUIDs(test.answer)
			wantResult(t, f.poll(), result{Counts: counts{Forwarded: test.arrive, Skipped: test.skipped}, OnServer: 12})
			wantResult(t, f.poll(), result{OnServer: 12})
			f.wantArrived(numbered(test.arrive)...)
			f.add("new")
			f.poll()
			f.wantArrived(append(numbered(test.arrive), "new")...)
		})
	}
}

// The user still has to say whether all is sent again.
func TestEmptyListingDoesNotEndRenumbered(t *testing.T) {
	t.Parallel()
	var p partialListing
	f := renumberedWithoutFingerprints(t, faults{pop: p.handle})
	for _, empty := range []bool{true, false} {
		p.on.Store(empty)
		f.wantRenumbered()
	}
}

// stopping is a ledger at whose first write the program is stopped.
type stopping struct {
	fetcher.Lease
	stop func()
}

func (l stopping) Put(ctx context.Context, recs ...*ledger.Record) error {
	defer l.stop()
	return l.Lease.Put(ctx, recs...)
}

func TestStoppedAdoptAdoptsNoLaterMessage(t *testing.T) {
	t.Parallel()
	f := renumberedWithoutFingerprints(t, faults{})
	f.setUIDs(ledger.UIDsAdopting)
	stop := sync.OnceFunc(func() { close(f.stop) })
	f.lease = func(l fetcher.Lease) fetcher.Lease { return stopping{l, stop} }
	f.poll()
	f.lease, f.stop = nil, make(chan struct{})
	f.add("news")
	f.pollEvery12Hours(2, true)
	f.wantArrived("news")
}

// A mailbox that another client emptied, with as many new messages since, was not
// renumbered, even if a row has no fingerprint.
func TestEmptiedMailboxWithNewMessagesIsNotRenumbered(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.account.Policy.MaxSize = 2000
	f.add(numbered(11)...)
	f.addUnder("big", append(octetsOf("big"), bytes.Repeat([]byte("x\r\n"), 1000)...))
	f.poll()
	f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
	for i := range 12 {
		f.add(fmt.Sprint("new", i))
	}
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 12}, OnServer: 12})
}

// numbersAsUIDs is a server whose UIDs are the numbers of the messages.
func numbersAsUIDs(s *pop3test.Session, verb, arg string) bool {
	if verb != "UIDL" || s.User() == "" {
		return false
	}
	if arg != "" {
		s.OK("%s %s", arg, arg)
		return true
	}
	var lines []string
	for n := 1; s.Message(fmt.Sprint(n)) != nil; n++ {
		lines = append(lines, fmt.Sprint(n, " ", n))
	}
	s.Lines("", lines...)
	return true
}

// The owner removes the first message, so that the others get the UIDs of those
// before them. All rows are compared, not only those of UIDs that are not listed.
func TestNumbersAsUIDsForwardNothingTwice(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		keep    bool
		refused string
	}{
		"DELE is ignored":     {keep: false},
		"no header was shown": {keep: true, refused: "TOP"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var refused atomic.Bool
			f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
				switch {
				case verb == "DELE":
					s.OK("as you like")
				case refused.Load() && verb == test.refused:
					s.Err("[SYS/TEMP] later")
				default:
					return numbersAsUIDs(s, verb, arg)
				}
				return true
			}})
			f.account.Policy.Keep = test.keep
			f.add("a", "bb", "ccc")
			f.poll()
			refused.Store(true)
			f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[1:] })
			f.add("dddd")
			f.pollEvery12Hours(2, true)
			refused.Store(false)
			f.pollEvery12Hours(2, true)
			f.wantArrived("a", "bb", "ccc", "dddd")
		})
	}
}

// shiftsAtTOP is a server that counts its messages again while a session goes on: from
// the first TOP on, because another client has removed the first message. It does so
// while odd is set.
func shiftsAtTOP(odd *atomic.Bool) popHandler {
	shift := 0
	return func(s *pop3test.Session, verb, arg string) bool {
		if verb == "" {
			shift = 0
		}
		number, _, _ := strings.Cut(arg, " ")
		n, _ := strconv.Atoi(number)
		switch {
		case verb == "UIDL" && arg == "" && shift > 0:
			var lines []string
			for i := 1; s.Message(strconv.Itoa(i+shift)) != nil; i++ {
				lines = append(lines, fmt.Sprint(i, " ", s.Message(strconv.Itoa(i+shift)).UID))
			}
			s.Lines("", lines...)
		case verb == "TOP" && odd.Load():
			shift = 1
			m := s.Message(strconv.Itoa(n + shift))
			if m == nil {
				return false
			}
			s.OK("")
			s.SendBody(bytes.NewReader(m.Octets), 0)
		default:
			return false
		}
		return true
	}
}

// Such a server shows the header of another message than was listed under a number.
// Nothing is taken for known by that.
func TestNumbersThatShiftMakeNothingKnown(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		first, then []string // all of one size
		resized     bool     // the server counts the sizes otherwise then
	}{
		"a message comes back":     {[]string{"m1"}, []string{"m2", "m3", "m1"}, false},
		"sizes have changed, too":  {[]string{"m1", "m2"}, []string{"m3", "m1", "m2"}, true},
		"all headers are compared": {numbered(6), []string{"m7", "m1", "m2", "m3", "m4", "m5", "m6"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var odd, resized atomic.Bool
			shifts := shiftsAtTOP(&odd)
			f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
				if verb != "LIST" || arg != "" || !resized.Load() {
					return shifts(s, verb, arg)
				}
				var lines []string
				for i := 1; s.Message(strconv.Itoa(i)) != nil; i++ {
					lines = append(lines, fmt.Sprint(i, " ", len(s.Message(strconv.Itoa(i)).Octets)+5))
				}
				s.Lines("", lines...)
				return true
			}})
			f.add(test.first...)
			f.poll()
			uids := make(map[string]string)
			for _, m := range f.pop.Messages("leo") {
				uids[nameOfOctets(m.Octets)] = m.UID
			}
			f.pop.Change("leo", func([]pop3test.Message) []pop3test.Message { return nil })
			for _, name := range test.then {
				uid := "back"
				if test.resized {
					uid = cmp.Or(uids[name], "uid-"+name)
				} else if uids[name] == "" {
					uid = "uid-" + name
				}
				f.addUnder(uid, octetsOf(name))
			}
			odd.Store(true)
			resized.Store(test.resized)
			if r := f.poll(); r.Err == nil {
				t.Error("no error, want that the numbers have changed")
			}
			odd.Store(false)
			f.pollEvery12Hours(2, true)
			all := append(slices.Clone(test.first), test.then...)
			slices.Sort(all)
			f.wantArrived(slices.Compact(all)...)
		})
	}
}

// The user has said once what the messages mean, and is not asked again when a session
// of the next poll breaks, and the server has given them other UIDs by the next one.
func TestResendHoldsForTheNextSession(t *testing.T) {
	t.Parallel()
	ended := true
	f := newFixture(t, faults{pool: oneInFlight, pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
		switch {
		case verb == "TOP":
			s.Err("no such command")
		case verb == "RETR" && arg == "12" && !ended:
			ended = true
			s.Write("+OK\r\nFrom: a")
			s.Close()
		default:
			return freshUIDs(s, verb, arg)
		}
		return true
	}})
	f.account.Policy.OnlyNew = true
	for i := range 12 {
		f.add(fmt.Sprintf("m%02d", i)) // of one size
	}
	f.pollEvery12Hours(1, false)
	f.wantRenumbered()
	f.setUIDs(ledger.UIDsStable)
	ended = false
	f.now.Add(12 * time.Hour)
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 12, Deferred: 1}, OnServer: 12})
	if !ended {
		t.Error("no session has ended early, want one")
	}
}

// A mailbox is set back from a backup, and its server gives UIDs of the lost messages to
// new ones of the same size. They are new all the same, and nothing else is sent again.
func TestUIDsOfMessagesThatABackupLacks(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		kept, lost, new int // messages
		tops            int // at most: of what is new, some messages before it, and once more of what is new
	}{
		"one new message":       {5, 3, 1, 5},
		"as many but one":       {20, 10, 9, 34},
		"more than all that is": {1, 40, 39, 80},
		"none":                  {5, 3, 0, 3},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			uid := func(i int) string { return fmt.Sprintf("uid-%03d", i) }
			var want []string
			for i := range test.kept + test.lost {
				name := fmt.Sprintf("a%03d", i)
				f.addUnder(uid(i), octetsOf(name))
				want = append(want, name)
			}
			f.poll()
			f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[:test.kept] })
			for i := range test.new {
				name := fmt.Sprintf("b%03d", i)
				f.addUnder(uid(test.kept+i), octetsOf(name))
				want = append(want, name)
			}
			before := len(f.verbs("TOP"))
			f.pollEvery12Hours(2, false)
			f.wantArrived(want...)
			if n := len(f.verbs("TOP")) - before; n > test.tops {
				t.Errorf("%d TOPs, want at most %d", n, test.tops)
			}
		})
	}
}

// Behind a proxy that adds a line to each message, with another number each time, headers
// tell nothing: no message is sent again because its owner has deleted another one.
func TestHeadersThatChangeShowNoBackup(t *testing.T) {
	t.Parallel()
	shown, tops := 0, 0
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		number, _, _ := strings.Cut(arg, " ")
		m := s.Message(number)
		if verb != "TOP" && verb != "RETR" || m == nil {
			return false
		}
		shown++
		header, body, _ := strings.Cut(string(m.Octets), "\r\n\r\n")
		lines := append([]string{fmt.Sprintf("Received: by proxy.example with no %d", shown)}, strings.Split(header, "\r\n")...)
		if verb == "TOP" {
			tops++
			s.Lines("", append(lines, "")...)
			return true
		}
		s.Lines("", append(append(lines, ""), strings.Split(strings.TrimSuffix(body, "\r\n"), "\r\n")...)...)
		return true
	}})
	f.add(numbered(9)...)
	f.poll()
	f.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message { return ms[:8] })
	f.pollEvery12Hours(2, false)
	f.wantArrived(numbered(9)...)
	if tops == 0 {
		t.Error("no header was asked for: this tests nothing")
	}
}

// After the server has renumbered, a copy comes under the UID that its twin had. Both are
// forwarded, and each has a trace of its own: else the one would be taken for the other,
// in the inbox or where messages in doubt are looked for.
func TestTwinUnderTheUIDThatItsTwinHad(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.addUnder("1", octetsOf("m1"))
	f.poll()
	f.renumber()
	f.pollEvery12Hours(1, false)
	f.addUnder("1", octetsOf("m1"))
	f.pollEvery12Hours(1, false)
	f.wantArrived("m1", "m1")
	f.wantTraces(2)
}

// The same where a server that gives each message once lists too much, so that each is
// kept before it is known to be whole: one after the other has the UID 1.
func TestMessagesThatAreKeptUnderOneNumberHaveTracesOfTheirOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{hides: &hiding{says: true}, pop: func(s *pop3test.Session, verb, arg string) bool {
		if verb == "LIST" && arg == "" && s.User() != "" {
			var lines []string
			for n := 1; s.Message(fmt.Sprint(n)) != nil; n++ {
				lines = append(lines, fmt.Sprint(n, " ", len(s.Message(fmt.Sprint(n)).Octets)+10))
			}
			s.Lines("", lines...)
			return true
		}
		return numbersAsUIDs(s, verb, arg)
	}})
	names := numbered(4)
	for i, name := range names {
		f.replace(fmt.Sprint("uid-", i), octetsOf(name))
		f.pollEvery12Hours(2, false)
	}
	f.wantArrived(names...)
	f.wantTraces(4)
}

// wantTraces wants as many traces of what has arrived.
func (f *fixture) wantTraces(n int) {
	f.t.Helper()
	traces := make(map[string]bool)
	for _, m := range f.smtp.Messages() {
		trace, _ := withoutTrace(m)
		traces[trace] = true
	}
	if len(traces) != n {
		f.t.Errorf("got the traces %v, want %d", traces, n)
	}
}

// A message that has the place of a row, because it did not come whole at first, is told
// from its twin, too.
func TestTwinThatDidNotComeWholeAtFirst(t *testing.T) {
	t.Parallel()
	var breaks atomic.Bool
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, arg string) bool {
		if m := s.Message(arg); verb == "RETR" && m != nil && m.UID == "1" && breaks.Load() {
			s.Close()
			return true
		}
		return false
	}})
	f.addUnder("1", octetsOf("m1"))
	f.poll()
	f.renumber()
	f.pollEvery12Hours(1, false)
	breaks.Store(true)
	f.addUnder("1", octetsOf("m1"))
	f.pollEvery12Hours(1, false)
	breaks.Store(false)
	f.pollEvery12Hours(1, false)
	f.wantArrived("m1", "m1")
	f.wantTraces(2)
}
