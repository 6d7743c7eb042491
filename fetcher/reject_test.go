package fetcher_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/maildir"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

func TestWrapSendsRefusedMessageAsAttachment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		faults   faults
		original bool
		want     string // state in the end
	}{
		"refused at the dot":         {faults: refusing(smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 26}), want: "forwarded"},
		"by LMTP":                    {faults: refusing(smtptest.Options{LMTP: true}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 26}), want: "forwarded"},
		"its own sender refused":     {faults: refusing(smtptest.Options{}, forwarder.StageMail, forwarder.EnhancedCode{5, 7, 1}), original: true, want: "forwarded"},
		"8-bit, and no 8BITMIME":     {faults: faults{smtp: smtptest.Options{Hide: []string{"8BITMIME", "SMTPUTF8"}}}, want: "forwarded"},
		"refused for its size":       {faults: refusing(smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 3, 4}), want: "held"},
		"refused by 552 for a virus": {faults: refusingBy(552, smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 0}), want: "forwarded"},
		"refused by 552 alone":       {faults: refusingBy(552, smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{}), want: "held"},
		"larger than it announces":   {faults: faults{smtp: smtptest.Options{MaxSize: 100}}, want: "held"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, c.faults)
			f.account.Policy.Keep = false
			f.account.Destination.OnReject = fetcher.Wrap
			f.account.Destination.Original = c.original
			body := []byte("Return-Path: <a@b.example>\r\nSubject: Gr\xfc\xdfe\r\nMessage-ID: <bad@example.org>\r\n\r\n8-bit \xff\r\n")
			f.pop.Add("leo", pop3test.Message{UID: "bad", Octets: body})
			r := f.poll()
			if got := f.states()["bad"]; got != c.want || r.Err != nil || (len(f.left()) == 0) != (c.want == "forwarded") {
				t.Fatalf("it is %s, left %v, %+v", got, f.left(), r)
			}
			if c.want == "held" {
				return
			}
			m := f.smtp.Messages()[0]
			if !bytes.Contains(m.Data, []byte("Auto-Submitted: auto-generated")) || m.Sender != "leo@example.org" || slices.ContainsFunc(m.Data, func(c byte) bool { return c > 127 }) {
				t.Errorf("%q from %s", m.Data, m.Sender)
			}
			if text := f.record("bad").Recipients[0].Text; !strings.HasPrefix(text, "sent as an attachment, after: ") {
				t.Errorf("the ledger says %q", text)
			}
		})
	}
}

func TestWrapThatIsRefusedTooIsHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot {
			return smtptest.Fault{Code: 554, Text: "never"}
		}
		return smtptest.Fault{}
	}}})
	f.account.Policy.Keep = false
	f.account.Destination.OnReject = fetcher.Wrap
	f.add("m1")
	f.poll()
	if f.states()["uid-m1"] != "held" || len(f.left()) != 1 {
		t.Errorf("%v, left %v", f.states(), f.left())
	}
}

// TestMessageThatCannotBeWrappedIsHeld: what can't be wrapped is held, and holds up
// nothing else.
func TestMessageThatCannotBeWrappedIsHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t, refusing(smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 1}))
	f.account.Destination.Recipients = []string{"me..you@example.org"}
	f.account.Destination.OnReject = fetcher.Wrap
	f.add("bad", "m1", "m2")
	f.pollTwiceDaily(3, false)
	same(t, "arrived", f.arrived(), []string{"m1", "m2"})
	if got := f.states()["uid-bad"]; got != "held" {
		t.Errorf("it is %s", got)
	}
}

// halfRefused is a destination with two recipients over LMTP: b takes a message
// only if it comes alone, as an attachment. One transaction at a time.
func halfRefused(t *testing.T) *fixture {
	t.Helper()
	var both atomic.Bool
	f := newFixture(t, faults{smtp: smtptest.Options{LMTP: true, Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage == forwarder.StageMail:
			both.Store(false)
		case e.Stage == forwarder.StageRcpt && e.Address == "a@example.org":
			both.Store(true)
		case e.Stage == forwarder.StageDot && e.Address == "b@example.org" && both.Load():
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 26}, Text: "not like this"}
		}
		return smtptest.Fault{}
	}}, pool: smtp.Options{InFlight: 1}})
	f.account.Destination.Recipients = []string{"a@example.org", "b@example.org"}
	f.account.Destination.OnReject = fetcher.Wrap
	return f
}

// lastWrite ends the writing behind the first row that says so: what is on disk
// then is what a crash would leave.
type lastWrite struct {
	fetcher.Lease
	over *atomic.Bool
}

func (l lastWrite) Put(ctx context.Context, recs ...*ledger.Record) error {
	if l.over.Load() {
		return errTest
	}
	refused := func(rc ledger.Recipient) bool { return rc.State == ledger.Deferred && rc.Code == 550 }
	if slices.ContainsFunc(recs[0].Recipients, refused) {
		l.over.Store(true)
	}
	return l.Lease.Put(ctx, recs...)
}

// TestCrashBeforeWrapLeavesNobodyInDoubt: who has the message does not get it again, and the
// other one gets it as an attachment; nobody is in doubt.
func TestCrashBeforeWrapLeavesNobodyInDoubt(t *testing.T) {
	t.Parallel()
	f := halfRefused(t)
	var over atomic.Bool
	f.lease = func(ctx context.Context, id int64) (fetcher.Lease, error) {
		l, err := f.store.Lease(ctx, id)
		return lastWrite{l, &over}, err
	}
	f.add("m1")
	if r := f.poll(); r.Err == nil || !over.Load() {
		t.Fatalf("%+v", r)
	}
	f.lease = nil
	if got := f.states()["uid-m1"]; got != "deferred" {
		t.Errorf("it is %s", got)
	}
	if r := f.poll(); r.Err != nil || r.Forwarded != 1 || r.Unknown != 0 {
		t.Errorf("%+v", r)
	}
	var got [][]string
	for _, m := range f.smtp.Messages() {
		got = append(got, m.Recipients)
	}
	if len(got) != 2 || !slices.Equal(got[0], []string{"a@example.org"}) || !slices.Equal(got[1], []string{"b@example.org"}) {
		t.Errorf("arrived for %v", got)
	}
}

func TestQuarantineStoresRefusedMessage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := newFixture(t, refusing(smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 1}))
	f.account.Policy.Keep = false
	f.account.Destination.OnReject, f.account.Destination.Quarantine = fetcher.Quarantine, maildir.New(dir)
	f.add("m1", "m2")
	if r := f.poll(); r.Err != nil || r.Held != 0 || len(f.left()) != 0 {
		t.Errorf("%+v, left %v", r, f.left())
	}
	files, _ := filepath.Glob(filepath.Join(dir, "new", "*"))
	if len(files) != 1 {
		t.Fatalf("in quarantine: %v", files)
	}
	text, err := os.ReadFile(files[0])
	_, want, _ := bytes.Cut(octetsOf("m1"), []byte("\r\n"))
	if err != nil || !bytes.HasSuffix(text, want) || !bytes.HasPrefix(text, []byte("Received: from pop.example.net")) {
		t.Errorf("%v: %q", err, text)
	}
}

func TestQuarantineFailureMarksNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	f := newFixture(t, refusing(smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 1}))
	f.account.Policy.Keep = false
	f.account.Destination.OnReject, f.account.Destination.Quarantine = fetcher.Quarantine, maildir.New(filepath.Join(file, "folder"))
	f.add("m1")
	if r := f.poll(); r.Err == nil || len(f.states()) != 0 || len(f.left()) != 1 {
		t.Errorf("%+v, %v, left %v", r, f.states(), f.left())
	}
}

// TestQuarantineFailureForOneRecipientDoesNotResendToTheOther: the other one, who has the message, does
// not get it again.
func TestQuarantineFailureForOneRecipientDoesNotResendToTheOther(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	b := failAt(forwarder.StageDot, "b@", smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "no"})
	b.smtp.LMTP = true
	f := newFixture(t, b)
	f.account.Destination.Recipients = []string{"a@example.org", "b@example.org"}
	f.account.Destination.OnReject, f.account.Destination.Quarantine = fetcher.Quarantine, maildir.New(filepath.Join(file, "folder"))
	f.add("m1")
	f.pollTwiceDaily(4, true)
	same(t, "arrived", f.arrived(), []string{"m1"})
}

// TestQuarantineIsNotFilledByABrokenDestination: a destination that refuses everything does not empty
// the mailbox into it, and is left alone for longer and longer.
func TestQuarantineIsNotFilledByABrokenDestination(t *testing.T) {
	t.Parallel()
	f := newFixture(t, failAt(forwarder.StageDot, "", smtptest.Fault{Code: 554, Text: "the queue is broken"}))
	f.account.Policy.Keep = false
	f.account.Destination.OnReject, f.account.Destination.Quarantine = fetcher.Quarantine, maildir.New(t.TempDir())
	f.add(numbered(20)...)
	last := time.Duration(0)
	for range 3 {
		r := f.pollAs(false)
		d, err := f.store.Destination(t.Context(), "main")
		must(t, err)
		wait := d.NotBefore.Sub(f.now.Now())
		if r.Err == nil || wait <= last {
			t.Errorf("%+v, waits %v after %v", r, wait, last)
		}
		last = wait
		f.now.Add(wait)
	}
	if n := len(f.left()); n != 20 {
		t.Errorf("%d of 20 are left", n)
	}
}
