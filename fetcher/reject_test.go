package fetcher_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/maildir"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// refusesFirst is a destination that refuses the first message at a stage.
func refusesFirst(stage forwarder.Stage, code int, enhanced ...int) faults {
	return faults{smtp: smtpFault(stage, reply(code, enhanced...), onMessage(1)), pool: oneConnection}
}

func TestWrapSendsRefusedMessageAsAttachment(t *testing.T) {
	t.Parallel()
	lmtp := refusesFirst(forwarder.StageDot, 550, 5, 7, 26)
	lmtp.smtp.LMTP = true
	for name, test := range map[string]struct {
		faults   faults
		original bool
		want     string // state in the end
	}{
		"refused at the dot":         {refusesFirst(forwarder.StageDot, 550, 5, 7, 26), false, "forwarded"},
		"by LMTP":                    {lmtp, false, "forwarded"},
		"its own sender refused":     {refusesFirst(forwarder.StageMail, 550, 5, 7, 1), true, "forwarded"},
		"8-bit, and no 8BITMIME":     {faults{smtp: smtptest.Options{Hide: []string{"8BITMIME", "SMTPUTF8"}}}, false, "forwarded"},
		"refused for its size":       {refusesFirst(forwarder.StageDot, 550, 5, 3, 4), false, "held"},
		"refused by 552 for a virus": {refusesFirst(forwarder.StageDot, 552, 5, 7, 0), false, "forwarded"},
		"refused by 552 alone":       {refusesFirst(forwarder.StageDot, 552), false, "held"},
		"refused for its From":       {refusesFirst(forwarder.StageDot, 554, 5, 2, 252), false, "forwarded"},
		"larger than it announces":   {faults{smtp: smtptest.Options{MaxSize: 100}}, false, "held"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, test.faults)
			f.account.Policy.Keep = false
			f.account.Destination.OnReject = fetcher.Wrap
			f.account.Destination.Original = test.original
			f.addUnder("bad", []byte("Return-Path: <a@b.example>\r\nSubject: Gr\xfc\xdfe\r\nMessage-ID: <bad@example.org>\r\n\r\n8-bit \xff\r\n"))
			r := f.poll()
			f.wantState("bad", test.want)
			if test.want == "held" {
				wantResult(t, r, result{Counts: counts{Held: 1}, OnServer: 1})
				f.wantLeft("bad")
				return
			}
			wantResult(t, r, result{Counts: counts{Forwarded: 1}})
			f.wantLeft()
			m := f.smtp.Messages()[0]
			if want := "Auto-Submitted: auto-generated"; !bytes.Contains(m.Data, []byte(want)) {
				t.Errorf("arrived: %q, want it to contain %q", m.Data, want)
			}
			if want := "leo@example.org"; m.Sender != want {
				t.Errorf("envelope sender: %q, want %q", m.Sender, want)
			}
			if i := slices.IndexFunc(m.Data, func(c byte) bool { return c > 127 }); i >= 0 {
				t.Errorf("octet %d of %q is above 127, want 7-bit", i, m.Data)
			}
			if text, want := f.record("bad").Recipients[0].Text, "sent as an attachment, after: "; !strings.HasPrefix(text, want) {
				t.Errorf("the ledger says %q, want it to begin with %q", text, want)
			}
		})
	}
}

// A server that takes only its user's own mail is at fault from the first message
// on: none is marked. Wrapped, all mail gets through it.
func TestServerThatTakesItsUsersOwnMailAlone(t *testing.T) {
	t.Parallel()
	refusal := smtptest.Fault{Code: 551, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "Not authorised to send from this header address"}
	for _, inFlight := range []int{1, 32} {
		f := newFixture(t, faults{smtp: smtptest.Options{Fault: smtptest.OwnFrom("leo@example.org", refusal)}, pool: smtp.Options{InFlight: inFlight}})
		f.add(numbered(25)...)
		r := f.poll()
		if !errors.As(r.Err, new(*outcome.DestinationError)) || r.Forwarded+r.Held+r.Deferred != 0 || f.inState(ledger.Held)+f.inState(ledger.Deferred) != 0 {
			t.Errorf("%d in flight: error %v, %+v, want that the destination is at fault and no message marked", inFlight, r.Err, r.Counts)
		}
		f.account.Destination.OnReject = fetcher.Wrap
		wantResult(t, f.poll(), result{Counts: counts{Forwarded: 25}, OnServer: 25})
		if n := len(f.smtp.Messages()); n != 25 {
			t.Errorf("%d in flight: %d messages arrived, want 25", inFlight, n)
		}
	}
}

func TestWrapThatIsRefusedTooIsHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(554))})
	f.account.Policy.Keep = false
	f.account.Destination.OnReject = fetcher.Wrap
	f.add("m1")
	f.poll()
	f.wantState("uid-m1", "held")
	f.wantLeft("uid-m1")
}

// No header can name this recipient. Nothing else is held up.
func TestMessageThatCannotBeWrappedIsHeld(t *testing.T) {
	t.Parallel()
	f := newFixture(t, refusesFirst(forwarder.StageDot, 550, 5, 7, 1))
	f.account.Destination.Recipients = []string{"me..you@example.org"}
	f.account.Destination.OnReject = fetcher.Wrap
	f.add("bad", "m1", "m2")
	f.pollEvery12Hours(3, false)
	f.wantArrivedInOrder("m1", "m2")
	f.wantState("uid-bad", "held")
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
			return reply(550, 5, 7, 26)
		}
		return smtptest.Fault{}
	}}, pool: oneInFlight})
	f.account.Destination.Recipients = []string{"a@example.org", "b@example.org"}
	f.account.Destination.OnReject = fetcher.Wrap
	return f
}

// lastWrite ends the writing behind the first row that says that a recipient
// refused: what is on disk then is what a crash would leave.
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

// The recipient who has the message does not get it again, and the other one gets
// it as an attachment.
func TestCrashBeforeWrapLeavesNobodyInDoubt(t *testing.T) {
	t.Parallel()
	f := halfRefused(t)
	var over atomic.Bool
	f.lease = func(l fetcher.Lease) fetcher.Lease { return lastWrite{l, &over} }
	f.add("m1")
	if r := f.poll(); !hasError(r.Err, errTest) || !over.Load() {
		t.Fatalf("error %v, refusal written: %v; want %v, true", r.Err, over.Load(), errTest)
	}
	f.lease = nil
	f.wantState("uid-m1", "deferred")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 1})
	var to []string
	for _, m := range f.smtp.Messages() {
		to = append(to, strings.Join(m.Recipients, " "))
	}
	wantList(t, "arrived for", to, []string{"a@example.org", "b@example.org"})
}

func TestQuarantineStoresRefusedMessage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := newFixture(t, refusesFirst(forwarder.StageDot, 550, 5, 7, 1))
	f.account.Policy.Keep = false
	f.account.Destination.OnReject, f.account.Destination.Quarantine = fetcher.Quarantine, maildir.New(dir)
	f.add("m1", "m2")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 2}})
	f.wantLeft()
	files, err := filepath.Glob(filepath.Join(dir, "new", "*"))
	must(t, err)
	if len(files) != 1 {
		t.Fatalf("in quarantine: %v, want 1 file", files)
	}
	text, err := os.ReadFile(files[0])
	must(t, err)
	_, end, _ := bytes.Cut(octetsOf("m1"), []byte("\r\n")) // without its Return-Path
	if begin := "Received: from pop.example.net"; !bytes.HasPrefix(text, []byte(begin)) || !bytes.HasSuffix(text, end) {
		t.Errorf("in quarantine: %q, want it to begin with %q and to end with %q", text, begin, end)
	}
}

// brokenFolder is a maildir that cannot be made.
func brokenFolder(t *testing.T) *maildir.Box {
	t.Helper()
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, nil, 0o600))
	return maildir.New(filepath.Join(file, "folder"))
}

func TestQuarantineFailureMarksNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, refusesFirst(forwarder.StageDot, 550, 5, 7, 1))
	f.account.Policy.Keep = false
	f.account.Destination.OnReject, f.account.Destination.Quarantine = fetcher.Quarantine, brokenFolder(t)
	f.add("m1")
	wantResult(t, f.poll(), result{OnServer: 1, Err: errAny})
	f.wantStates(nil)
	f.wantLeft("uid-m1")
}

func TestQuarantineFailureForOneRecipientDoesNotResendToTheOther(t *testing.T) {
	t.Parallel()
	b := faults{smtp: smtpFault(forwarder.StageDot, reply(550, 5, 7, 1), onAddress("b@")), pool: oneConnection}
	b.smtp.LMTP = true
	f := newFixture(t, b)
	f.account.Destination.Recipients = []string{"a@example.org", "b@example.org"}
	f.account.Destination.OnReject, f.account.Destination.Quarantine = fetcher.Quarantine, brokenFolder(t)
	f.add("m1")
	f.pollEvery12Hours(4, true)
	f.wantArrived("m1")
}

// A destination that refuses everything does not empty the mailbox into the
// quarantine: from the tenth refusal in a row on, messages are held.
func TestQuarantineIsNotFilledByABrokenDestination(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(554)), pool: oneConnection})
	f.account.Policy.Keep = false
	f.account.Destination.OnReject, f.account.Destination.Quarantine = fetcher.Quarantine, maildir.New(t.TempDir())
	f.add(numbered(20)...)
	r := f.pollBySchedule()
	if !errors.As(r.Err, new(*outcome.RefusesEverythingError)) || r.Forwarded != ledger.ManyRefusals || r.Held != 20-ledger.ManyRefusals {
		t.Errorf("error %v, %d in quarantine, %d held; want that everything is refused, %d, %d", r.Err, r.Forwarded, r.Held, ledger.ManyRefusals, 20-ledger.ManyRefusals)
	}
	if n := len(f.left()); n != 20-ledger.ManyRefusals {
		t.Errorf("%d messages are left on the server, want %d", n, 20-ledger.ManyRefusals)
	}
}

// refusesTogether is a destination that refuses every message, and a quarantine that is
// done when each of them has come as far as it can: into it, or to its end.
type refusesTogether struct {
	fetcher.Quarantiner
	left atomic.Int32  // that have not
	all  chan struct{} // closed: all have
}

func (r *refusesTogether) settle() {
	if r.left.Add(-1) == 0 {
		close(r.all)
	}
}

// Store implements fetcher.Quarantiner.
func (r *refusesTogether) Store(ctx context.Context, name string, from io.Reader) (string, error) {
	r.settle()
	<-r.all
	return r.Quarantiner.Store(ctx, name, from)
}

func (r *refusesTogether) Submit(*forwarder.Message) fetcher.Delivery {
	return refusedTogether{r}
}

func (*refusesTogether) Workers() int { return 20 }

func (*refusesTogether) Preconnect(int) {}

type refusedTogether struct{ destination *refusesTogether }

// Wait implements fetcher.Delivery.
func (refusedTogether) Wait(ctx context.Context, intend func(context.Context, forwarder.Mark) error) ([]forwarder.Outcome, error) {
	if err := intend(ctx, forwarder.Mark{}); err != nil {
		return nil, err
	}
	return []forwarder.Outcome{{Kind: forwarder.Refused, Stage: forwarder.StageDot, Code: 554, Text: "no", Recipient: "me@example.org"}}, nil
}

// Resend implements fetcher.Delivery.
func (refusedTogether) Resend(context.Context, *forwarder.Message, func(context.Context, forwarder.Mark) error) ([]forwarder.Outcome, error) {
	return nil, errTest
}

// Done implements fetcher.Delivery.
func (r refusedTogether) Done() { r.destination.settle() }

// Not even if it refuses all messages at the same time.
func TestQuarantineIsNotFilledAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	d := &refusesTogether{Quarantiner: maildir.New(t.TempDir()), all: make(chan struct{})}
	d.left.Store(20)
	f.account.Destination.Forwarder, f.account.Destination.OnReject, f.account.Destination.Quarantine = d, fetcher.Quarantine, d
	f.add(numbered(20)...)
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: ledger.ManyRefusals, Held: 20 - ledger.ManyRefusals}, OnServer: 20, Err: errAny})
}

// A quarantine that cannot be written to is no fault of the destination's: its refusals
// of one message, poll after poll, do not count as those of many.
func TestRefusalThatCannotBeQuarantinedDoesNotCount(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{smtp: smtpFault(forwarder.StageDot, reply(554))})
	f.account.Destination.OnReject, f.account.Destination.Quarantine = fetcher.Quarantine, brokenFolder(t)
	f.add("m1")
	for range ledger.ManyRefusals {
		wantResult(t, f.poll(), result{OnServer: 1, Err: errAny})
	}
	if got := f.accountRow().Refusals; got != (ledger.Refusals{}) {
		t.Errorf("refusals in a row: %+v, want none: the message is not marked", got)
	}
}
