package fetcher_test

import (
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// alikeOf is a message that has the header and the size of others, and is told from
// them only by its body. No delivery left a Received line in it.
func alikeOf(body string) []byte {
	return []byte("From: cron@example.org\r\nMessage-ID: <job@example.org>\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n\r\n" + body + "\r\n")
}

// bodiesArrived are the last lines of what the destination took, in its order.
func (f *fixture) bodiesArrived() (bodies []string) {
	for _, m := range f.smtp.Messages() {
		end := len(m.Data) - 2
		begin := end
		for m.Data[begin-1] != '\n' {
			begin--
		}
		bodies = append(bodies, string(m.Data[begin:end]))
	}
	return bodies
}

// Two messages with one header and one size are two, wherever the first has gone. The
// first one is not sent again when it comes back.
func TestMessagesThatOnlyTheirBodiesTellApart(t *testing.T) {
	t.Parallel()
	noUIDL := popRefuses("unknown command", "UIDL")
	for name, test := range map[string]struct {
		keep     bool
		pop      popHandler
		uid      string // of all of them; "": each has its own
		together bool   // the second has come before the first was polled
		beside   bool   // another message is there all the time
		atOnce   bool   // no poll comes between the removal of one and the arrival of the next
	}{
		"deleted":                           {},
		"deleted, and the UID is reused":    {uid: "1"},
		"deleted, without UIDL":             {pop: noUIDL},
		"removed by their owner":            {keep: true},
		"removed as the next one comes":     {keep: true, atOnce: true},
		"removed, without UIDL":             {keep: true, pop: noUIDL, beside: true}, // an empty listing is not believed
		"new UIDs in each session, in pair": {keep: true, pop: freshUIDs, together: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pop: test.pop})
			f.account.Policy.Keep = test.keep
			want := []string{"one", "two"}
			if test.beside {
				f.addUnder("beside", []byte("From: a@example.org\r\n\r\nbeside\r\n"))
				want = append([]string{"beside"}, want...)
			}
			for i, body := range []string{"one", "two", "one"} {
				uid := test.uid
				if uid == "" {
					uid = fmt.Sprint("uid-", i)
				}
				f.addUnder(uid, alikeOf(body))
				if test.together && i == 0 {
					continue
				}
				f.pollEvery12Hours(2, false)
				if !test.together {
					f.without(uid)
				}
				if !test.together && !test.atOnce {
					f.pollEvery12Hours(1, false)
				}
			}
			if test.together {
				want = append(want, "one") // it has come twice
			}
			wantList(t, "arrived", f.bodiesArrived(), want)
		})
	}
}

// Where all messages are others under new UIDs at once, headers that are alike do not
// show that the mailbox was moved.
func TestAlikeMessagesDoNotMakeAMovedMailbox(t *testing.T) {
	t.Parallel()
	for _, keep := range []bool{true, false} {
		f := newFixture(t, faults{})
		var want []string
		for _, day := range []string{"mon", "tue"} {
			f.change(func([]pop3test.Message) []pop3test.Message { return nil })
			for i := range identify.MinMoved {
				body := fmt.Sprint(day, " ", i)
				want = append(want, body)
				f.addUnder(fmt.Sprint(day, i), alikeOf(body))
			}
			f.pollEvery12Hours(1, false)
			f.account.Policy.Keep = keep
		}
		f.pollEvery12Hours(2, false)
		got := f.bodiesArrived()
		slices.Sort(got) // two are on their way at a time
		wantList(t, "arrived", got, want)
	}
}

// The same where a delivery left a Received line, and a message was deleted: the header
// alone is not enough to delete another one that was not sent. What was deleted in vain,
// and comes back under another UID, is still known.
func TestMessageIsNotDeletedForItsHeaderAlone(t *testing.T) {
	t.Parallel()
	received := func(body string) []byte {
		return append([]byte("Received: from a.example by mx.example; Sun, 22 Nov 2026 10:00:00 +0000\r\n"), alikeOf(body)...)
	}
	for name, second := range map[string]string{"of the same size": "two", "of another size": "the second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{})
			f.account.Policy.Keep = false
			for i, body := range []string{"one", second, "one", second} {
				f.addUnder(fmt.Sprint("uid-", i), received(body))
				f.pollEvery12Hours(2, false)
			}
			wantList(t, "arrived", f.bodiesArrived(), []string{"one", second})
			f.wantLeft()
		})
	}
}

// A message that is deleted in vain is deleted again three times, though it has to be
// fetched to be known, and then left alone.
func TestAlikeMessageThatIsDeletedInVain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "DELE" {
			s.OK("as you like")
		}
		return verb == "DELE"
	}})
	f.account.Policy.Keep = false
	f.addUnder("1", alikeOf("one"))
	f.pollEvery12Hours(12, false)
	wantList(t, "arrived", f.bodiesArrived(), []string{"one"})
	f.wantSent("DELE", 3)
	f.wantSent("RETR", 1+3)
}

// withoutSizes answers LIST with these lines instead of the sizes, or by -ERR if there
// are none, while it is on.
func withoutSizes(on *atomic.Bool, instead ...string) popHandler {
	return func(s *pop3test.Session, verb, arg string) bool {
		switch {
		case verb != "LIST" || arg != "" || !on.Load():
			return false
		case len(instead) > 0:
			s.Lines("", instead...)
		default:
			s.Err("[SYS/TEMP] later")
		}
		return true
	}
}

// leaveAlone has a message in the mailbox that is left alone, then only another one.
func (f *fixture) leaveAlone(uid string, octets []byte, another string) {
	f.account.Policy.OnlyNew = true
	f.addUnder(uid, octets)
	f.poll()
	f.without(uid)
	f.add(another)
	f.pollEvery12Hours(1, false)
}

// A message that was left alone stays so when it comes back while no sizes are listed,
// or wrong ones, and when it comes back once more.
func TestSkippedMessageIsKnownWithoutAListedSize(t *testing.T) {
	t.Parallel()
	for _, sizes := range [][]string{nil, {"1 17", "2 17"}} {
		var unlisted atomic.Bool
		f := newFixture(t, faults{pop: withoutSizes(&unlisted, sizes...)})
		f.leaveAlone("1", alikeOf("one"), "m1")
		unlisted.Store(true)
		f.addUnder("2", alikeOf("one"))
		f.pollEvery12Hours(2, false)
		f.wantArrived("m1")
		f.without("2")
		f.pollEvery12Hours(1, false)
		unlisted.Store(false)
		f.addUnder("3", alikeOf("one"))
		f.pollEvery12Hours(2, false)
		f.wantArrived("m1")
	}
}

// The same for one that was left alone in a listing without sizes, and comes back under
// its UID.
func TestSkippedMessageWithoutASizeIsKnownByItsUID(t *testing.T) {
	t.Parallel()
	var unlisted atomic.Bool
	unlisted.Store(true)
	f := newFixture(t, faults{pop: withoutSizes(&unlisted)})
	f.leaveAlone("1", alikeOf("one"), "m1")
	unlisted.Store(false)
	f.addUnder("1", alikeOf("one"))
	f.pollEvery12Hours(2, false)
	f.wantArrived("m1")
}

// TestKnownMessageThatIsKeptBeforeItIsProven: a message was forwarded, came back under
// another UID, and broke off there. When it comes whole, at a server that gives each
// message once and lists wrong sizes, so that it is kept before it is asked for again,
// it is still the one that was forwarded.
func TestKnownMessageThatIsKeptBeforeItIsProven(t *testing.T) {
	t.Parallel()
	var breaks, says atomic.Bool
	f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: func(s *pop3test.Session, verb, arg string) bool {
		switch {
		case verb == "LIST" && arg == "":
			var lines []string
			for n := 1; s.Message(fmt.Sprint(n)) != nil; n++ {
				lines = append(lines, fmt.Sprint(n, " 1000"))
			}
			s.Lines("", lines...)
		case verb == "RETR" && breaks.Load():
			s.Write("+OK\r\nFrom: cron")
			s.Close()
		default:
			return says.Load() && saysExpire(s, verb, arg)
		}
		return true
	}})
	f.addUnder("beside", octetsOf("beside"))
	f.addUnder("1", alikeOf("one"))
	f.pollEvery12Hours(1, false)
	f.without("1")
	f.pollEvery12Hours(2, false)
	f.addUnder("2", alikeOf("one"))
	breaks.Store(true)
	f.pollEvery12Hours(1, false)
	f.wantStates(map[string]string{"beside": "forwarded", "1": "forwarded", "2": "deferred"})
	breaks.Store(false)
	says.Store(true)
	f.pollEvery12Hours(2, false)
	if got := f.smtp.Messages(); len(got) != 2 {
		t.Errorf("%d messages arrived, want 2: none is sent twice", len(got))
	}
	f.wantCopies(0)
}
