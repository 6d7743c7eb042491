package fetcher_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/maildir"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestRecipientThatNoHeaderCanName: what can't be wrapped is held, and holds up
// nothing else.
func TestRecipientThatNoHeaderCanName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, refusing(smtptest.Options{}, forwarder.StageDot, forwarder.EnhancedCode{5, 7, 1}))
	w.account.Destination.Recipients = []string{"me..you@example.org"}
	w.account.Destination.OnReject = fetcher.Wrap
	w.add("bad", "m1", "m2")
	w.daily(3, false)
	same(t, "arrived", w.arrived(), []string{"m1", "m2"})
	if got := w.states()["uid-bad"]; got != "held" {
		t.Errorf("it is %s", got)
	}
}

// TestRefusedMessagesInARow are held in the end, though there are as many as
// make a destination suspect.
func TestRefusedMessagesInARow(t *testing.T) {
	t.Parallel()
	var spam atomic.Bool
	b := bend{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage == forwarder.StageMail:
			spam.Store(strings.HasPrefix(e.Address, "sender-spam"))
		case e.Stage == forwarder.StageDot && spam.Load():
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "spam"}
		}
		return smtptest.Fault{}
	}}}
	b.pool.Connections = 1
	w := newWorld(t, b)
	w.account.Destination.Original = true
	w.add("spam1", "spam2", "spam3", "spam4", "spam5")
	missed := 0
	for i := range 60 {
		if i%10 == 0 {
			w.add(fmt.Sprint("good", i))
		}
		w.now.Add(10 * time.Minute)
		if r := w.pollAs(false); r.Err != nil || r.Skip != fetcher.NotSkipped {
			missed++
		}
	}
	if missed > 2 || w.in(ledger.Held) != 5 || len(w.arrived()) != 6 {
		t.Errorf("%d of 60 polls failed or were missed, arrived %v, %v", missed, w.arrived(), w.states())
	}
}

// TestQuarantineThatFailsForOneOfTwo: the other one, who has the message, does
// not get it again.
func TestQuarantineThatFailsForOneOfTwo(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	b := failAt(forwarder.StageDot, "b@", smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "no"})
	b.smtp.LMTP = true
	w := newWorld(t, b)
	w.account.Destination.Recipients = []string{"a@example.org", "b@example.org"}
	w.account.Destination.OnReject, w.account.Destination.Quarantine = fetcher.Quarantine, maildir.New(filepath.Join(file, "folder"))
	w.add("m1")
	w.daily(4, true)
	same(t, "arrived", w.arrived(), []string{"m1"})
}

// TestQuarantineIsNoDrain: a destination that refuses everything does not empty
// the mailbox into it, and is left alone for longer and longer.
func TestQuarantineIsNoDrain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, failAt(forwarder.StageDot, "", smtptest.Fault{Code: 554, Text: "the queue is broken"}))
	w.account.Policy.Keep = false
	w.account.Destination.OnReject, w.account.Destination.Quarantine = fetcher.Quarantine, maildir.New(t.TempDir())
	w.add(many(20)...)
	last := time.Duration(0)
	for range 3 {
		r := w.pollAs(false)
		d, err := w.store.Destination(t.Context(), "main")
		must(t, err)
		wait := d.NotBefore.Sub(w.now.Now())
		if r.Err == nil || wait <= last {
			t.Errorf("%+v, waits %v after %v", r, wait, last)
		}
		last = wait
		w.now.Add(wait)
	}
	if n := len(w.left()); n != 20 {
		t.Errorf("%d of 20 are left", n)
	}
}

// TestAllOfALargeMailboxDeferred: a poll tries each message once, and ends.
func TestAllOfALargeMailboxDeferred(t *testing.T) {
	t.Parallel()
	w := newWorld(t, bend{smtp: greylist(1 << 20)})
	w.account.Policy.Keep = false
	w.add(many(1001)...)
	w.poll()
	for _, r := range w.records() {
		if r.Attempts > 1 {
			t.Fatalf("%s was tried %d times", r.UID, r.Attempts)
		}
	}
}
