package fetcher_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

func TestForwardedOctets(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, sent, want string }{
		{"plain", "Subject: a\r\n\r\nbody\r\n", ""},
		{"return path", "Return-Path: <a@b>\r\nSubject: a\r\n\r\nbody\r\n", "Subject: a\r\n\r\nbody\r\n"},
		{"folded return path", "return-PATH:\r\n\t<a@b>\r\nSubject: a\r\n\r\nx\r\n", "Subject: a\r\n\r\nx\r\n"},
		{"return path further down", "Subject: a\r\nReturn-Path: <a@b>\r\n\r\nx\r\n", ""},
		{"return path alone", "Return-Path: <a@b>\r\n\r\nx\r\n", "\r\nx\r\n"},
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
	f.account.Destination.Recipients = []string{"me@example.org"}
	for i, c := range cases {
		f.pop.Add("leo", pop3test.Message{UID: fmt.Sprint(i), Octets: []byte(c.sent)})
	}
	if r := f.poll(); r.Err != nil || r.Forwarded != len(cases) {
		t.Fatalf("%+v", r)
	}
	for i, c := range cases {
		if c.want == "" {
			c.want = c.sent
		}
		rec := f.record(fmt.Sprint(i))
		found := false
		for _, m := range f.smtp.Messages() {
			if !bytes.Contains(m.Data, []byte("X-Popferry-Trace: id="+rec.Trace)) {
				continue
			}
			head, body, _ := bytes.Cut(m.Data, []byte("X-Popferry-Trace: "))
			_, body, _ = bytes.Cut(body, []byte("\r\n"))
			found = bytes.HasPrefix(head, []byte("Received: from pop.example.net (account isp)\r\n\tby popferry with POP3 id "))
			if string(body) != c.want {
				t.Errorf("%s: %.80q, want %.80q", c.name, body, c.want)
			}
		}
		if !found {
			t.Errorf("%s: did not arrive with its trace", c.name)
		}
	}
}

func TestDeliveryOutcomes(t *testing.T) {
	t.Parallel()
	reply := func(stage forwarder.Stage, code int, e forwarder.EnhancedCode) func(smtptest.Event) smtptest.Fault {
		return func(ev smtptest.Event) smtptest.Fault {
			if ev.Stage == stage && ev.Message == 2 {
				return smtptest.Fault{Code: code, Enhanced: e, Text: "made to fail"}
			}
			return smtptest.Fault{}
		}
	}
	cut := func(stage forwarder.Stage, keep bool) func(smtptest.Event) smtptest.Fault {
		return func(ev smtptest.Event) smtptest.Fault {
			if ev.Stage == stage && ev.Message == 2 {
				return smtptest.Fault{Close: true, Keep: keep}
			}
			return smtptest.Fault{}
		}
	}
	cases := []struct {
		name    string
		fault   func(smtptest.Event) smtptest.Fault
		own     bool
		state   string // of the second message after the first poll, "" for none
		blocked bool   // the third is not sent in the first poll
		copies  int    // of the second message after a second poll
	}{
		{"4xx at the dot", reply(forwarder.StageDot, 451, forwarder.EnhancedCode{4, 3, 0}), false, "deferred", false, 1},
		{"5xx at the dot", reply(forwarder.StageDot, 554, forwarder.EnhancedCode{5, 7, 1}), false, "held", false, 0},
		{"too big at MAIL", reply(forwarder.StageMail, 552, forwarder.EnhancedCode{5, 3, 4}), false, "held", false, 0},
		{"552 without a word at RCPT", reply(forwarder.StageRcpt, 552, forwarder.EnhancedCode{}), false, "held", false, 0},
		{"mailbox full", reply(forwarder.StageRcpt, 552, forwarder.EnhancedCode{5, 2, 2}), false, "", true, 1},
		{"content at RCPT", reply(forwarder.StageRcpt, 550, forwarder.EnhancedCode{5, 6, 0}), false, "held", false, 0},
		{"sender refused, ours", reply(forwarder.StageMail, 550, forwarder.EnhancedCode{5, 1, 8}), false, "", true, 1},
		{"sender refused, its own", reply(forwarder.StageMail, 550, forwarder.EnhancedCode{5, 1, 8}), true, "held", false, 0},
		{"MAIL refused, no word of the sender", reply(forwarder.StageMail, 550, forwarder.EnhancedCode{5, 3, 0}), true, "", true, 1},
		{"MAIL refused, no word at all", reply(forwarder.StageMail, 550, forwarder.EnhancedCode{}), true, "deferred", false, 1},
		{"its own sender has no domain", reply(forwarder.StageMail, 450, forwarder.EnhancedCode{4, 1, 8}), true, "deferred", false, 1},
		{"recipient refused", reply(forwarder.StageRcpt, 550, forwarder.EnhancedCode{5, 1, 1}), false, "", true, 1},
		{"recipient 4xx", reply(forwarder.StageRcpt, 450, forwarder.EnhancedCode{4, 2, 1}), false, "", true, 1},
		{"out of step", reply(forwarder.StageRcpt, 503, forwarder.EnhancedCode{5, 5, 1}), false, "deferred", false, 1},
		{"421 at RCPT", reply(forwarder.StageRcpt, 421, forwarder.EnhancedCode{}), false, "deferred", false, 1},
		{"cut after the dot, taken", cut(forwarder.StageDot, true), false, "unknown", true, 2},
		{"cut after the dot, not taken", cut(forwarder.StageDot, false), false, "unknown", true, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := faults{smtp: smtptest.Options{Fault: c.fault}}
			b.pool.InFlight = 1 // so that it is the second one // so that the second message is the second
			f := newFixture(t, b)
			f.account.Policy.Keep = false
			f.account.Destination.Original = c.own
			f.add("m1", "m2", "m3")
			first := f.poll()
			if got := f.states()["uid-m2"]; got != c.state {
				t.Errorf("after the first poll it is %q, want %q", got, c.state)
			}
			if c.blocked != (first.Err != nil) || c.blocked == slices.Contains(f.arrived(), "m3") {
				t.Errorf("blocked: %v, but %v, arrived %v", c.blocked, first.Err, f.arrived())
			}
			if !slices.Contains(f.left(), "uid-m2") || slices.Contains(f.left(), "uid-m1") {
				t.Errorf("left on the server: %v", f.left())
			}
			if first.TryAgain() == (c.state == "held") {
				t.Errorf("try again: %v", first.TryAgain())
			}
			f.poll()
			count := 0
			for _, n := range f.arrived() {
				if n == "m2" {
					count++
				}
			}
			if count != c.copies {
				t.Errorf("%d copies arrived, want %d", count, c.copies)
			}
			if c.copies > 0 && len(f.left()) > 0 {
				t.Errorf("left on the server in the end: %v", f.left())
			}
		})
	}
}

func TestConnectionLostInTheBodyIsRetriedAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		return smtptest.Fault{Close: e.Stage == forwarder.StageBody && e.Message == 1, After: 100_000}
	}}})
	f.account.Policy.Keep = false
	large := bytes.Repeat([]byte("a line of a large message, enough of them to fill every buffer\r\n"), 100_000)
	f.pop.Add("leo", pop3test.Message{UID: "large", Octets: append(octetsOf("large"), large...)})
	f.poll()
	if got := f.states()["large"]; got != "deferred" || len(f.arrived()) != 0 || len(f.left()) != 1 {
		t.Errorf("it is %s, arrived: %v, left: %v", got, f.arrived(), f.left())
	}
	if r := f.pollAs(false); r.Forwarded != 1 { // due at once: nothing was said against it
		t.Errorf("%+v", r)
	}
	same(t, "arrived", f.arrived(), []string{"large"})
}

func TestSecondAttemptSendsTheSameOctets(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		return smtptest.Fault{Close: e.Stage == forwarder.StageDot && e.Message == 1, Keep: true}
	}}})
	f.add("m1")
	f.poll()
	f.now.Add(3 * time.Hour)
	f.poll()
	ms := f.smtp.Messages()
	if len(ms) != 2 || ms[0].SHA256 != ms[1].SHA256 {
		t.Errorf("%d messages arrived, or their octets differ", len(ms))
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
					return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 1, 1}, Text: "no such user"}
				case strings.HasPrefix(e.Address, "later") && first:
					first = false
					return smtptest.Fault{Code: 450, Enhanced: forwarder.EnhancedCode{4, 2, 1}, Text: "later"}
				}
				return smtptest.Fault{}
			}}})
			f.account.Policy.Keep = false
			f.account.Destination.Recipients = []string{"good@example.org", "never@example.org", "later@example.org"}
			f.add("m1")
			f.poll()
			if got := f.states()["uid-m1"]; got != "deferred" {
				t.Errorf("%s after the first poll", got)
			}
			f.poll()
			f.poll()
			if got := f.states()["uid-m1"]; got != "held" {
				t.Errorf("%s in the end", got)
			}
			same(t, "left", f.left(), []string{"uid-m1"})
			var to []string
			for _, m := range f.smtp.Messages() {
				to = append(to, m.Recipients...)
			}
			same(t, "delivered to", sorted(to), []string{"good@example.org", "later@example.org"})
		})
	}
}

// TestRecipientTriedAgainIsNotTheDestinationsFault: what it answers then is still its own affair, not
// the destination's.
func TestRecipientTriedAgainIsNotTheDestinationsFault(t *testing.T) {
	t.Parallel()
	for state, then := range map[string]smtptest.Fault{
		"deferred": {Code: 450, Enhanced: forwarder.EnhancedCode{4, 2, 1}, Text: "mailbox disabled"},
		"held":     {Code: 550, Enhanced: forwarder.EnhancedCode{5, 1, 1}, Text: "no such user"},
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			var n atomic.Int32
			f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
				switch {
				case e.Stage != forwarder.StageRcpt || !strings.HasPrefix(e.Address, "later"):
					return smtptest.Fault{}
				case n.Add(1) == 1:
					return smtptest.Fault{Code: 450, Enhanced: forwarder.EnhancedCode{4, 2, 1}, Text: "later"}
				}
				return then
			}}})
			f.account.Destination.Recipients = []string{"good@example.org", "later@example.org"}
			f.add("m1")
			f.poll()
			for range 10 {
				f.now.Add(10 * time.Minute)
				if r := f.pollAs(false); r.Err != nil || r.Skip != fetcher.NotSkipped {
					t.Errorf("%+v", r)
				}
			}
			if got := f.states()["uid-m1"]; got != state || len(f.arrived()) != 1 {
				t.Errorf("it is %s, arrived %v", got, f.arrived())
			}
		})
	}
}

// TestFullMailboxOfOneRecipientHoldsUpNoOther holds up no other one.
func TestFullMailboxOfOneRecipientHoldsUpNoOther(t *testing.T) {
	t.Parallel()
	f := newFixture(t, failAt(forwarder.StageRcpt, "full", smtptest.Fault{Code: 452, Enhanced: forwarder.EnhancedCode{4, 2, 2}, Text: "mailbox full"}))
	f.account.Destination.Recipients = []string{"good@example.org", "full@example.org"}
	f.add(numbered(10)...)
	f.poll()
	same(t, "arrived", sorted(f.arrived()), sorted(numbered(10)))
}

// failing is a ledger that fails at its n-th write.
type failing struct {
	fetcher.Lease
	left *atomic.Int64
}

func (f failing) fail() error {
	if f.left.Add(-1) < 0 {
		return errTest
	}
	return nil
}

func (f failing) Put(ctx context.Context, recs ...*record) error {
	if err := f.fail(); err != nil {
		return err
	}
	return f.Lease.Put(ctx, recs...)
}

func TestLedgerFailureDeletesNothing(t *testing.T) {
	t.Parallel()
	for n := range 6 { // intents and outcomes of three messages
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			b := faults{}
			b.pool.InFlight = 1 // what is in doubt then is one message
			f := newFixture(t, b)
			f.account.Policy.Keep = false
			f.add("m1", "m2", "m3")
			f.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
				l, err := f.store.Lease(ctx, id)
				var left atomic.Int64
				left.Store(int64(n))
				return failing{l, &left}, err
			}
			r := f.poll()
			if r.Err == nil || !r.TryAgain() {
				t.Errorf("%+v", r)
			}
			same(t, "left", f.left(), []string{"uid-m1", "uid-m2", "uid-m3"})
			f.lease = nil
			f.poll()
			same(t, "left in the end", f.left(), nil)
			got := f.arrived()
			if extra := len(got) - 3; extra < 0 || extra > 1 { // only the one whose outcome was lost
				t.Errorf("arrived: %v", got)
			}
			for uid, s := range maps.All(f.states()) {
				if s != "forwarded" {
					t.Errorf("%s is %s", uid, s)
				}
			}
		})
	}
}
