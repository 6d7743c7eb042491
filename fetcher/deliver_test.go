package fetcher_test

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

func TestForwardedOctets(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, sent, want string }{ // want "": as sent
		{"plain", "Subject: a\r\n\r\nbody\r\n", ""},
		{"return path", "Return-Path: <a@b>\r\nSubject: a\r\n\r\nbody\r\n", "Subject: a\r\n\r\nbody\r\n"},
		{"folded return path", "return-PATH:\r\n\t<a@b>\r\nSubject: a\r\n\r\nx\r\n", "Subject: a\r\n\r\nx\r\n"},
		{"return path further down", "Subject: a\r\nReturn-Path: <a@b>\r\n\r\nx\r\n", ""},
		{"return path alone", "Return-Path: <a@b>\r\n\r\nx\r\n", "\r\nx\r\n"},
		{"mbox line", "From a@b Sun Nov  1 10:00:00 2026\nReturn-Path: <a@b>\nSubject: a\n\nFrom c\r\n", "Subject: a\r\n\r\nFrom c\r\n"},
		{"Delivered-To of a recipient", "Delivered-To: Me@example.org\r\nSubject: a\r\n\r\nDelivered-To: me@example.org\r\n",
			"Subject: a\r\n\r\nDelivered-To: me@example.org\r\n"},
		{"Delivered-To of another", "Delivered-To: leo@example.org\r\nSubject: a\r\n\r\n", ""},
		{"bare LF", "Subject: a\n\nx\ny\r\nz\r\n", "Subject: a\r\n\r\nx\r\ny\r\nz\r\n"},
		{"bare CR", "Subject: a\r\n\r\nx\ry\r\r\nz\r\n", ""},
		{"dots", "Subject: a\r\n\r\n.\r\n..\r\n...x\r\n.\r\n", ""},
		{"smuggling", "Subject: a\r\n\r\nx\n.\nMAIL FROM:<a@b>\r\n", "Subject: a\r\n\r\nx\r\n.\r\nMAIL FROM:<a@b>\r\n"},
		{"NUL and 8-bit", "Subject: \xe9\r\n\r\n\x00\xff\xfe\r\n", ""},
		{"no header", "\r\nonly a body\r\n", ""},
		{"no body", "Subject: a\r\n", ""},
		{"long line", "Subject: a\r\n\r\n" + strings.Repeat("x", 300_000) + "\r\n", ""},
		{"large", "Subject: a\r\n\r\n" + strings.Repeat("line of a large message\r\n", 200_000), ""},
		{"empty", "", ""},
	}
	f := newFixture(t, faults{smtp: smtptest.Options{UTF8: true}})
	for i, c := range cases {
		f.addUnder(fmt.Sprint(i), []byte(c.sent))
	}
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: len(cases)}, OnServer: len(cases)})
	arrived := make(map[string]smtptest.Message)
	for _, m := range f.smtp.Messages() {
		trace, _ := withoutTrace(m)
		arrived[trace] = m
	}
	for i, c := range cases {
		if c.want == "" {
			c.want = c.sent
		}
		trace := f.record(fmt.Sprint(i)).Trace
		m := arrived[trace]
		if want := "Received: from pop.example.net (account isp)\r\n\tby popferry with POP3 id " + trace; !bytes.HasPrefix(m.Data, []byte(want)) {
			t.Errorf("%s: arrived as %.120q, want it to begin with %q", c.name, m.Data, want)
		}
		if m.UTF8 {
			t.Errorf("%s: sent with SMTPUTF8, want it without: no address needs that", c.name)
		}
		if _, got := withoutTrace(m); got != c.want {
			t.Errorf("%s: below the trace lines %.80q, want %.80q", c.name, got, c.want)
		}
	}
}

// Even if the destination has it: a server behind it may not.
func TestOwnSenderNeverAsksForSMTPUTF8(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtptest.Options{UTF8: true}})
	f.account.Destination.Original = true
	f.addUnder("eai", []byte("Return-Path: <jörg@example.org>\r\nSubject: a\r\n\r\nx\r\n"))
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
	if m := f.smtp.Messages()[0]; m.UTF8 || m.Sender != "" {
		t.Errorf("MAIL FROM:<%s>, SMTPUTF8 %t; want <>, false", m.Sender, m.UTF8)
	}
}

// TestDeliveryOutcomes is what the answers to the second of three messages mean for
// it and for the third.
func TestDeliveryOutcomes(t *testing.T) {
	t.Parallel()
	const mail, rcpt, dot = forwarder.StageMail, forwarder.StageRcpt, forwarder.StageDot
	lost := smtptest.Fault{Close: true}
	taken := smtptest.Fault{Close: true, Keep: true}
	for _, test := range []struct {
		name    string
		stage   forwarder.Stage
		fault   smtptest.Fault
		own     bool   // the envelope sender is the message's own
		state   string // of the second message after the first poll, "" for no row
		blocked bool   // the third is not sent in the first poll
		copies  int    // of the second message after a second poll
	}{
		{"4xx at the dot", dot, reply(451, 4, 3, 0), false, "deferred", false, 1},
		{"5xx at the dot", dot, reply(554, 5, 7, 1), false, "held", false, 0},
		{"too big at MAIL", mail, reply(552, 5, 3, 4), false, "held", false, 0},
		{"552 without a word at RCPT", rcpt, reply(552), false, "held", false, 0},
		{"no room for it, but for the next message", rcpt, reply(552, 5, 2, 2), false, "deferred", false, 1},
		{"no room, told after the message", dot, reply(452, 4, 2, 2), false, "deferred", false, 1},
		{"500 at the dot", dot, smtptest.Fault{Code: 500, Text: "Line too long"}, false, "held", false, 0},
		{"content at RCPT", rcpt, reply(550, 5, 6, 0), false, "held", false, 0},
		{"sender refused, ours", mail, reply(550, 5, 1, 8), false, "", true, 1},
		{"sender refused, its own", mail, reply(550, 5, 1, 8), true, "held", false, 0},
		{"MAIL refused, no word of the sender", mail, reply(550, 5, 3, 0), true, "", true, 1},
		{"MAIL refused, no word at all", mail, reply(550), true, "deferred", false, 1},
		{"its own sender has no domain", mail, reply(450, 4, 1, 8), true, "deferred", false, 1},
		{"recipient refused", rcpt, reply(550, 5, 1, 1), false, "", true, 1},
		{"recipient 4xx", rcpt, reply(450, 4, 2, 1), false, "", true, 1},
		{"out of sync", rcpt, reply(503, 5, 5, 1), false, "deferred", false, 1},
		{"421 at RCPT", rcpt, reply(421), false, "deferred", false, 1},
		{"cut after the dot, taken", dot, taken, false, "unknown", false, 2},
		{"cut after the dot, not taken", dot, lost, false, "unknown", false, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{smtp: smtpFault(test.stage, test.fault, onMessage(2)), pool: oneInFlight})
			f.account.Policy.Keep = false
			f.account.Destination.Original = test.own
			f.add("m1", "m2", "m3")
			first := f.poll()
			f.wantState("uid-m2", test.state)
			if got := first.Err != nil; got != test.blocked {
				t.Errorf("the first poll failed: %v (%v), want %v", got, first.Err, test.blocked)
			}
			if got := slices.Contains(f.arrived(), "m3"); got == test.blocked {
				t.Errorf("m3 arrived in the first poll: %v, want %v", got, !test.blocked)
			}
			if left := f.left(); !slices.Contains(left, "uid-m2") || slices.Contains(left, "uid-m1") {
				t.Errorf("left on the server: %v, want uid-m2 and not uid-m1", left)
			}
			if got, want := first.TryAgain(), test.state != "held"; got != want {
				t.Errorf("to be tried again: %v, want %v", got, want)
			}
			f.poll()
			want := slices.Concat([]string{"m1", "m3"}, slices.Repeat([]string{"m2"}, test.copies))
			f.wantArrived(want...)
			if test.copies > 0 {
				f.wantLeft()
			}
		})
	}
}

// Nothing was said against the message.
func TestConnectionLostInTheBodyIsRetriedAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageBody, smtptest.Fault{Close: true, After: 100_000}, onMessage(1))})
	f.account.Policy.Keep = false
	large := bytes.Repeat([]byte("a line of a large message, enough of them to fill every buffer\r\n"), 100_000)
	f.addUnder("large", append(octetsOf("large"), large...))
	f.poll()
	f.wantState("large", "deferred")
	f.wantArrived()
	f.wantLeft("large")
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}})
	f.wantArrived("large")
}

// Also if the account and its server have other names by then. Its own trace is
// recognised all the same.
func TestSecondAttemptAfterARenameSendsTheSameOctets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, smtptest.Fault{Close: true, Keep: true}, onMessage(1))})
	f.add("m1")
	f.poll()
	f.wantState("uid-m1", "unknown")
	f.account.Name = "renamed"
	f.account.Source.Secure = !f.account.Source.Secure
	f.now.Add(3 * time.Hour)
	f.poll()
	f.add("m2")
	f.poll()
	f.wantArrived("m1", "m1", "m2")
	ms := f.smtp.Messages()
	if len(ms) == 3 && ms[0].SHA256 != ms[1].SHA256 {
		t.Errorf("the second time %q arrived, want the same octets as before, %q", ms[1].Data, ms[0].Data)
	}
	if got := ms[2].Data; !bytes.Contains(got, []byte("(account renamed)")) {
		t.Errorf("m2 has no trace of the new name:\n%s", got)
	}
	if kept := f.record("uid-m1").TraceLines; kept != "" {
		t.Errorf("trace lines %q are kept of a message that was forwarded, want none", kept)
	}
	f.addUnder("loop", ms[0].Data)
	f.poll()
	f.wantState("loop", "held")
}

func TestSecondAttemptSendsTheSameOctets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, smtptest.Fault{Close: true, Keep: true}, onMessage(1))})
	f.add("m1")
	f.poll()
	f.now.Add(3 * time.Hour)
	f.poll()
	f.wantArrived("m1", "m1")
	if ms := f.smtp.Messages(); len(ms) == 2 && ms[0].SHA256 != ms[1].SHA256 {
		t.Errorf("the second time %q arrived, want the same octets as before, %q", ms[1].Data, ms[0].Data)
	}
}

func TestEachRecipientHasItsOwnOutcome(t *testing.T) {
	t.Parallel()
	for _, lmtp := range []bool{false, true} {
		t.Run(fmt.Sprint("lmtp ", lmtp), func(t *testing.T) {
			t.Parallel()
			stage := forwarder.StageRcpt
			if lmtp {
				stage = forwarder.StageDot
			}
			first := true
			f := newFixture(t, faults{smtp: smtptest.Options{LMTP: lmtp, Fault: func(e smtptest.Event) smtptest.Fault {
				switch {
				case e.Stage != stage:
				case strings.HasPrefix(e.Address, "never"):
					return reply(550, 5, 1, 1)
				case strings.HasPrefix(e.Address, "later") && first:
					first = false
					return reply(450, 4, 2, 1)
				}
				return smtptest.Fault{}
			}}})
			f.account.Policy.Keep = false
			f.account.Destination.Recipients = []string{"good@example.org", "never@example.org", "later@example.org"}
			f.add("m1")
			f.poll()
			f.wantState("uid-m1", "deferred")
			f.poll()
			f.poll()
			f.wantState("uid-m1", "held")
			f.wantLeft("uid-m1")
			var to []string
			for _, m := range f.smtp.Messages() {
				to = append(to, m.Recipients...)
			}
			wantList(t, "delivered to", sorted(to), []string{"good@example.org", "later@example.org"})
		})
	}
}

// What a recipient who is tried again answers is still its own affair.
func TestRecipientTriedAgainIsNotTheDestinationsFault(t *testing.T) {
	t.Parallel()
	for state, then := range map[string]smtptest.Fault{"deferred": reply(450, 4, 2, 1), "held": reply(550, 5, 1, 1)} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
				switch {
				case e.Stage != forwarder.StageRcpt || !strings.HasPrefix(e.Address, "later"):
					return smtptest.Fault{}
				case n.Add(1) == 1:
					return reply(450, 4, 2, 1)
				}
				return then
			}}})
			f.account.Destination.Recipients = []string{"good@example.org", "later@example.org"}
			f.add("m1")
			f.poll()
			for i := range 10 {
				f.now.Add(10 * time.Minute)
				if r := f.pollBySchedule(); r.Err != nil || r.Skip != fetcher.NotSkipped {
					t.Errorf("poll %d: error %v, skipped %d; want none, 0", i+2, r.Err, r.Skip)
				}
			}
			f.wantState("uid-m1", state)
			f.wantArrived("m1")
		})
	}
}

func TestFullMailboxOfOneRecipientHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageRcpt, reply(452, 4, 2, 2), onAddress("full")), pool: oneConnection})
	f.account.Destination.Recipients = []string{"good@example.org", "full@example.org"}
	f.add(numbered(10)...)
	f.poll()
	f.wantArrived(numbered(10)...)
}

// failing is a ledger that fails after so many writes.
type failing struct {
	fetcher.Lease
	left *atomic.Int64
}

func (l failing) Put(ctx context.Context, recs ...*ledger.Record) error {
	if l.left.Add(-1) < 0 {
		return errTest
	}
	return l.Lease.Put(ctx, recs...)
}

// failAfter has the ledger fail after so many writes of each poll.
func failAfter(writes int64) func(fetcher.Lease) fetcher.Lease {
	return func(l fetcher.Lease) fetcher.Lease {
		var left atomic.Int64
		left.Store(writes)
		return failing{l, &left}
	}
}

func TestLedgerFailureDeletesNothing(t *testing.T) {
	t.Parallel()
	for n := range 6 { // intents and outcomes of three messages
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pool: oneInFlight})
			f.account.Policy.Keep = false
			f.add("m1", "m2", "m3")
			f.lease = failAfter(int64(n))
			if r := f.poll(); !hasError(r.Err, errTest) || !r.TryAgain() {
				t.Errorf("error %v, to be tried again: %v; want %v, true", r.Err, r.TryAgain(), errTest)
			}
			f.wantLeft("uid-m1", "uid-m2", "uid-m3")
			f.lease = nil
			f.poll()
			f.wantLeft()
			got := f.arrived()
			if extra := len(got) - 3; extra < 0 || extra > 1 {
				t.Errorf("arrived: %v, want each message once, and at most one twice, whose outcome was lost", got)
			}
			wantList(t, "arrived at least once", slices.Compact(sorted(got)), []string{"m1", "m2", "m3"})
			f.wantAll("forwarded")
		})
	}
}
