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

func same[T comparable](t *testing.T, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

func TestKeep(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.add("m1", "m2", "m3")
	if r := w.poll(); r.Err != nil || r.Forwarded != 3 || r.OnServer != 3 || r.TryAgain() {
		t.Fatalf("%+v", r)
	}
	w.add("m4")
	if r := w.poll(); r.Err != nil || r.Forwarded != 1 || r.OnServer != 4 {
		t.Fatalf("%+v", r)
	}
	same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2", "m3", "m4"})
	same(t, "left", w.left(), []string{"uid-m1", "uid-m2", "uid-m3", "uid-m4"})
}

func TestDelete(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.Keep = false
	w.add("m1", "m2", "m3")
	if r := w.poll(); r.Err != nil || r.Forwarded != 3 || r.OnServer != 0 {
		t.Fatalf("%+v", r)
	}
	same(t, "left", w.left(), nil)
	for _, r := range w.records() {
		if r.DeletedAt.IsZero() {
			t.Errorf("%s is not noted as deleted", r.UID)
		}
	}
	// All RETR come before the first DELE, and QUIT is last.
	verbs := w.verbs("RETR", "DELE", "QUIT")
	same(t, "commands", verbs, []string{"RETR", "RETR", "RETR", "DELE", "DELE", "DELE", "QUIT"})
}

func (w *world) verbs(only ...string) []string {
	var out []string
	for _, c := range w.pop.Log() {
		if slices.Contains(only, c.Verb()) {
			out = append(out, c.Verb())
		}
	}
	return out
}

func TestKeepForDays(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.KeepFor = 14 * 24 * time.Hour
	w.add("m1")
	w.poll()
	w.now.Add(13 * 24 * time.Hour)
	w.add("m2")
	w.poll()
	same(t, "left after 13 days", w.left(), []string{"uid-m1", "uid-m2"})
	w.now.Add(24 * time.Hour)
	if r := w.poll(); r.Err != nil || r.OnServer != 1 {
		t.Fatalf("%+v", r)
	}
	same(t, "left after 14 days", w.left(), []string{"uid-m2"})
	same(t, "arrived", w.arrived(), []string{"m1", "m2"})
}

func TestClockThatJumpsBackDeletesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.KeepFor = time.Hour
	w.add("m1")
	w.poll()
	w.now.Add(100 * time.Hour)
	w.account.Policy.KeepFor = 0 // so that this poll deletes nothing
	w.poll()
	w.now.Add(-50 * time.Hour)
	w.account.Policy.KeepFor = time.Hour
	w.poll()
	same(t, "left", w.left(), []string{"uid-m1"})
}

func TestOctets(t *testing.T) {
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
	w := newWorld(t, bend{smtp: smtptest.Options{UTF8: true}})
	w.account.Destination.Recipients = []string{"me@example.org"}
	for i, c := range cases {
		w.pop.Add("leo", pop3test.Message{UID: fmt.Sprint(i), Octets: []byte(c.sent)})
	}
	if r := w.poll(); r.Err != nil || r.Forwarded != len(cases) {
		t.Fatalf("%+v", r)
	}
	for i, c := range cases {
		if c.want == "" {
			c.want = c.sent
		}
		rec := w.record(fmt.Sprint(i))
		found := false
		for _, m := range w.smtp.Messages() {
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

func TestOutcomes(t *testing.T) {
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
			b := bend{smtp: smtptest.Options{Fault: c.fault}}
			b.pool.InFlight = 1 // so that it is the second one // so that the second message is the second
			w := newWorld(t, b)
			w.account.Policy.Keep = false
			w.account.Destination.Original = c.own
			w.add("m1", "m2", "m3")
			first := w.poll()
			if got := w.states()["uid-m2"]; got != c.state {
				t.Errorf("after the first poll it is %q, want %q", got, c.state)
			}
			if c.blocked != (first.Err != nil) || c.blocked == slices.Contains(w.arrived(), "m3") {
				t.Errorf("blocked: %v, but %v, arrived %v", c.blocked, first.Err, w.arrived())
			}
			if !slices.Contains(w.left(), "uid-m2") || slices.Contains(w.left(), "uid-m1") {
				t.Errorf("left on the server: %v", w.left())
			}
			if first.TryAgain() == (c.state == "held") {
				t.Errorf("try again: %v", first.TryAgain())
			}
			w.poll()
			count := 0
			for _, n := range w.arrived() {
				if n == "m2" {
					count++
				}
			}
			if count != c.copies {
				t.Errorf("%d copies arrived, want %d", count, c.copies)
			}
			if c.copies > 0 && len(w.left()) > 0 {
				t.Errorf("left on the server in the end: %v", w.left())
			}
		})
	}
}

func TestConnectionCutInTheBody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		return smtptest.Fault{Close: e.Stage == forwarder.StageBody && e.Message == 1, After: 100_000}
	}}})
	w.account.Policy.Keep = false
	large := bytes.Repeat([]byte("a line of a large message, enough of them to fill every buffer\r\n"), 100_000)
	w.pop.Add("leo", pop3test.Message{UID: "large", Octets: append(letter("large"), large...)})
	w.poll()
	if got := w.states()["large"]; got != "deferred" || len(w.arrived()) != 0 || len(w.left()) != 1 {
		t.Errorf("it is %s, arrived: %v, left: %v", got, w.arrived(), w.left())
	}
	if r := w.pollAs(false); r.Forwarded != 1 { // due at once: nothing was said against it
		t.Errorf("%+v", r)
	}
	same(t, "arrived", w.arrived(), []string{"large"})
}

func TestSecondTryHasTheSameOctets(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		return smtptest.Fault{Close: e.Stage == forwarder.StageDot && e.Message == 1, Keep: true}
	}}})
	w.add("m1")
	w.poll()
	w.now.Add(3 * time.Hour)
	w.poll()
	ms := w.smtp.Messages()
	if len(ms) != 2 || ms[0].SHA256 != ms[1].SHA256 {
		t.Errorf("%d messages arrived, or their octets differ", len(ms))
	}
}

func TestRecipientsAreSettledOneByOne(t *testing.T) {
	t.Parallel()
	for _, lmtp := range []bool{false, true} {
		t.Run(fmt.Sprint("lmtp ", lmtp), func(t *testing.T) {
			t.Parallel()
			stage := forwarder.StageRcpt
			if lmtp {
				stage = forwarder.StageDot
			}
			first := true
			w := newWorld(t, bend{smtp: smtptest.Options{LMTP: lmtp, Fault: func(e smtptest.Event) smtptest.Fault {
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
			w.account.Policy.Keep = false
			w.account.Destination.Recipients = []string{"good@example.org", "never@example.org", "later@example.org"}
			w.add("m1")
			w.poll()
			if got := w.states()["uid-m1"]; got != "deferred" {
				t.Errorf("%s after the first poll", got)
			}
			w.poll()
			w.poll()
			if got := w.states()["uid-m1"]; got != "held" {
				t.Errorf("%s in the end", got)
			}
			same(t, "left", w.left(), []string{"uid-m1"})
			var to []string
			for _, m := range w.smtp.Messages() {
				to = append(to, m.Recipients...)
			}
			same(t, "delivered to", sorted(to), []string{"good@example.org", "later@example.org"})
		})
	}
}

func TestDestinationDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.Keep = false
	w.add("m1", "m2")
	w.smtpDown()
	r := w.poll()
	if r.Err == nil || len(w.records()) != 0 || len(w.left()) != 2 {
		t.Fatalf("%+v, ledger %v, left %v", r, w.states(), w.left())
	}
	// It backs off for itself, until a person asks or the time has come.
	if r := w.pollAs(false); r.Skip != fetcher.BackingOff || !r.TryAgain() {
		t.Errorf("%+v", r)
	}
	w.now.Add(2 * time.Minute)
	if r := w.pollAs(false); r.Skip != fetcher.NotSkipped {
		t.Errorf("%+v", r)
	}
}

func TestFirstRunNew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.OnlyNew = true
	w.account.Policy.Keep = false
	w.add("m1", "m2")
	if r := w.poll(); r.Err != nil || r.Skipped != 2 || r.TryAgain() {
		t.Fatalf("%+v", r)
	}
	w.add("m3")
	w.poll()
	same(t, "arrived", w.arrived(), []string{"m3"})
	same(t, "left", w.left(), []string{"uid-m1", "uid-m2"})
}

func TestMaxSize(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.MaxSize = 1000
	w.account.Policy.Keep = false
	w.add("m1")
	w.pop.Add("leo", pop3test.Message{UID: "big", Octets: bytes.Repeat([]byte("too much\r\n"), 500)})
	w.add("m2")
	for range 2 {
		w.poll()
	}
	same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2"})
	same(t, "left", w.left(), []string{"big"})
	if w.states()["big"] != "skipped" {
		t.Errorf("%v", w.states())
	}
}

func TestLoopIsHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.add("m1")
	w.poll()
	w.pop.Add("leo", pop3test.Message{UID: "back", Octets: w.smtp.Messages()[0].Data})
	hops := strings.Repeat("Received: from a by b; Sun, 22 Nov 2026 10:00:00 +0000\r\n", 51)
	w.pop.Add("leo", pop3test.Message{UID: "hops", Octets: []byte(hops + "\r\nx\r\n")})
	if r := w.poll(); r.Held != 2 || r.Forwarded != 0 {
		t.Errorf("%+v", r)
	}
}

func TestPanicStaysWithinTheAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.add("m1")
	w.account.Source.Dial = nil
	r := w.poll()
	if r.Err == nil || !strings.Contains(r.Err.Error(), "bug") {
		t.Fatalf("%+v", r)
	}
	w.account = w.leo(w.account.ID)
	if r := w.poll(); r.Forwarded != 1 { // the lease was given back
		t.Errorf("%+v", r)
	}
}

func TestStopFinishesWhatIsInFlight(t *testing.T) {
	t.Parallel()
	var w *world
	b := bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == 2 {
			close(w.stop)
		}
		return smtptest.Fault{}
	}}}
	b.pool.InFlight = 1
	w = newWorld(t, b)
	w.account.Policy.Keep = false
	w.add("m1", "m2", "m3", "m4", "m5")
	r := w.poll()
	if !strings.Contains(fmt.Sprint(r.Err), "stopped") || len(w.arrived()) >= 5 {
		t.Fatalf("%+v", r)
	}
	// Not all that was given out was sent, so the session was not ended.
	if r.Forwarded != len(w.arrived()) || len(w.left()) != 5 {
		t.Errorf("%d forwarded, %v arrived, %v left", r.Forwarded, w.arrived(), w.left())
	}
	for uid, s := range w.states() {
		if s != "forwarded" {
			t.Errorf("%s is %s", uid, s)
		}
	}
	w.stop = make(chan struct{})
	w.poll()
	same(t, "arrived", sorted(w.arrived()), []string{"m1", "m2", "m3", "m4", "m5"})
	same(t, "left", w.left(), nil)
}

func TestLeaseHeldElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.add("m1")
	l, err := w.store.Lease(t.Context(), w.account.ID)
	must(t, err)
	if r := w.poll(); r.Skip != fetcher.Leased || r.TryAgain() {
		t.Errorf("%+v", r)
	}
	must(t, l.Release())
	if r := w.poll(); r.Forwarded != 1 {
		t.Errorf("%+v", r)
	}
}

func TestMinInterval(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{})
	w.account.Policy.MinInterval = time.Minute
	w.poll()
	w.now.Add(59 * time.Second)
	if r := w.poll(); r.Skip != fetcher.TooSoon || r.TryAgain() {
		t.Errorf("%+v", r)
	}
	w.now.Add(time.Second)
	if r := w.poll(); r.Skip != fetcher.NotSkipped {
		t.Errorf("%+v", r)
	}
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

func TestLedgerThatFailsDeletesNothing(t *testing.T) {
	t.Parallel()
	for n := range 6 { // intents and outcomes of three messages
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			b := bend{}
			b.pool.InFlight = 1 // what is in doubt then is one message
			w := newWorld(t, b)
			w.account.Policy.Keep = false
			w.add("m1", "m2", "m3")
			w.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
				l, err := w.store.Lease(ctx, id)
				var left atomic.Int64
				left.Store(int64(n))
				return failing{l, &left}, err
			}
			r := w.poll()
			if r.Err == nil || !r.TryAgain() {
				t.Errorf("%+v", r)
			}
			same(t, "left", w.left(), []string{"uid-m1", "uid-m2", "uid-m3"})
			w.lease = nil
			w.poll()
			same(t, "left in the end", w.left(), nil)
			got := w.arrived()
			if extra := len(got) - 3; extra < 0 || extra > 1 { // only the one whose outcome was lost
				t.Errorf("arrived: %v", got)
			}
			for uid, s := range maps.All(w.states()) {
				if s != "forwarded" {
					t.Errorf("%s is %s", uid, s)
				}
			}
		})
	}
}
