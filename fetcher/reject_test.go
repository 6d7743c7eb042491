package fetcher_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/maildir"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// refusing refuses the first message of each mailbox, whatever the stage.
func refusing(o smtptest.Options, stage forwarder.Stage, e forwarder.EnhancedCode) bend {
	return refusingBy(550, o, stage, e)
}

func refusingBy(code int, o smtptest.Options, stage forwarder.Stage, e forwarder.EnhancedCode) bend {
	o.Fault = func(ev smtptest.Event) smtptest.Fault {
		if ev.Stage == stage && ev.Message == 1 {
			return smtptest.Fault{Code: code, Enhanced: e, Text: "not like this"}
		}
		return smtptest.Fault{}
	}
	b := bend{smtp: o}
	b.pool.Connections = 1
	return b
}

func TestWrap(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bend     bend
		original bool
		want     string // state in the end
	}{
		"refused at the dot":         {bend: refusing(smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 26}), want: "forwarded"},
		"by LMTP":                    {bend: refusing(smtptest.Options{LMTP: true}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 26}), want: "forwarded"},
		"its own sender refused":     {bend: refusing(smtptest.Options{}, forwarder.StageMail, forwarder.EnhancedCode{5, 7, 1}), original: true, want: "forwarded"},
		"8-bit, and no 8BITMIME":     {bend: bend{smtp: smtptest.Options{Hide: []string{"8BITMIME", "SMTPUTF8"}}}, want: "forwarded"},
		"refused for its size":       {bend: refusing(smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 3, 4}), want: "held"},
		"refused by 552 for a virus": {bend: refusingBy(552, smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 0}), want: "forwarded"},
		"refused by 552 alone":       {bend: refusingBy(552, smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{}), want: "held"},
		"larger than it announces":   {bend: bend{smtp: smtptest.Options{MaxSize: 100}}, want: "held"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, c.bend)
			w.account.Policy.Keep = false
			w.account.Destination.OnReject = fetcher.Wrap
			w.account.Destination.Original = c.original
			body := []byte("Return-Path: <a@b.example>\r\nSubject: Gr\xfc\xdfe\r\nMessage-ID: <bad@example.org>\r\n\r\n8-bit \xff\r\n")
			w.pop.Add("leo", pop3test.Message{UID: "bad", Octets: body})
			r := w.poll()
			if got := w.states()["bad"]; got != c.want || r.Err != nil || (len(w.left()) == 0) != (c.want == "forwarded") {
				t.Fatalf("it is %s, left %v, %+v", got, w.left(), r)
			}
			if c.want == "held" {
				return
			}
			m := w.smtp.Messages()[0]
			if !bytes.Contains(m.Data, []byte("Auto-Submitted: auto-generated")) || m.Sender != "leo@example.org" || slices.ContainsFunc(m.Data, func(c byte) bool { return c > 127 }) {
				t.Errorf("%q from %s", m.Data, m.Sender)
			}
			if text := w.record("bad").Recipients[0].Text; !strings.HasPrefix(text, "sent as an attachment, after: ") {
				t.Errorf("the ledger says %q", text)
			}
		})
	}
}

func TestWrapThatIsRefusedToo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot {
			return smtptest.Fault{Code: 554, Text: "never"}
		}
		return smtptest.Fault{}
	}}})
	w.account.Policy.Keep = false
	w.account.Destination.OnReject = fetcher.Wrap
	w.add("m1")
	w.poll()
	if w.states()["uid-m1"] != "held" || len(w.left()) != 1 {
		t.Errorf("%v, left %v", w.states(), w.left())
	}
}

func TestQuarantine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	w := newWorld(t, refusing(smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 1}))
	w.account.Policy.Keep = false
	w.account.Destination.OnReject, w.account.Destination.Quarantine = fetcher.Quarantine, maildir.New(dir)
	w.add("m1", "m2")
	if r := w.poll(); r.Err != nil || r.Held != 0 || len(w.left()) != 0 {
		t.Errorf("%+v, left %v", r, w.left())
	}
	files, _ := filepath.Glob(filepath.Join(dir, "new", "*"))
	if len(files) != 1 {
		t.Fatalf("in quarantine: %v", files)
	}
	text, err := os.ReadFile(files[0])
	_, want, _ := bytes.Cut(letter("m1"), []byte("\r\n"))
	if err != nil || !bytes.HasSuffix(text, want) || !bytes.HasPrefix(text, []byte("Received: from pop.example.net")) {
		t.Errorf("%v: %q", err, text)
	}
}

func TestQuarantineThatFailsMarksNothing(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	w := newWorld(t, refusing(smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 1}))
	w.account.Policy.Keep = false
	w.account.Destination.OnReject, w.account.Destination.Quarantine = fetcher.Quarantine, maildir.New(filepath.Join(file, "folder"))
	w.add("m1")
	if r := w.poll(); r.Err == nil || len(w.states()) != 0 || len(w.left()) != 1 {
		t.Errorf("%+v, %v, left %v", r, w.states(), w.left())
	}
}

// TestDestinationThatRefusesEverything is at fault itself: after five messages
// it is left alone, and none of them stays marked as refused, nor what was on
// its way.
func TestDestinationThatRefusesEverything(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		how      fetcher.Reject
		inFlight int
	}{{fetcher.Hold, 1}, {fetcher.Wrap, 1}, {fetcher.Hold, 32}, {fetcher.Wrap, 32}} {
		t.Run(fmt.Sprint(c.how, " ", c.inFlight), func(t *testing.T) {
			t.Parallel()
			broken := true
			b := bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
				if e.Stage == forwarder.StageDot && broken {
					return smtptest.Fault{Code: 554, Text: "the queue is broken"}
				}
				return smtptest.Fault{}
			}}}
			b.pool.InFlight = c.inFlight
			w := newWorld(t, b)
			w.account.Policy.Keep = false
			w.account.Destination.OnReject = c.how
			w.add(many(20)...)
			r := w.poll()
			if r.Err == nil || r.Held != 0 || r.Deferred < 5 || c.inFlight == 1 && r.Deferred > 5 {
				t.Errorf("%+v", r)
			}
			broken = false
			if r := w.poll(); r.Err != nil || r.Forwarded != 20 || len(w.left()) != 0 {
				t.Errorf("%+v, %v", r, w.states())
			}
		})
	}
}
