package fetcher_test

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/maildir"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// smuggler has a dot between bare CRs, and commands behind it.
var smuggler = []byte("Subject: s\r\nMessage-ID: <bad@example.org>\r\n\r\ntext\r.\rMAIL FROM:<ceo@example.org>\r\n")

// TestMessageThatCouldEndEarly: it goes by BDAT where that is offered, as it is, or
// else not at all, and on_reject decides what becomes of it. Nobody waits for it.
func TestMessageThatCouldEndEarly(t *testing.T) {
	t.Parallel()
	hide := []string{"CHUNKING"}
	for name, tt := range map[string]struct {
		smtp     smtptest.Options
		onReject fetcher.Reject
		want     counts
		state    string
		arrives  string // what of the message
	}{
		"BDAT":                {smtptest.Options{}, fetcher.Hold, counts{Forwarded: 3}, "forwarded", string(smuggler)},
		"BDAT by LMTP":        {smtptest.Options{LMTP: true}, fetcher.Hold, counts{Forwarded: 3}, "forwarded", string(smuggler)},
		"held":                {smtptest.Options{Hide: hide}, fetcher.Hold, counts{Forwarded: 2, Held: 1}, "held", ""},
		"held, LMTP":          {smtptest.Options{Hide: hide, LMTP: true}, fetcher.Hold, counts{Forwarded: 2, Held: 1}, "held", ""},
		"wrapped":             {smtptest.Options{Hide: hide}, fetcher.Wrap, counts{Forwarded: 3}, "forwarded", "Content-Transfer-Encoding: base64"},
		"put into quarantine": {smtptest.Options{Hide: hide}, fetcher.Quarantine, counts{Forwarded: 3}, "forwarded", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{smtp: tt.smtp})
			dir := t.TempDir()
			f.account.Destination.OnReject, f.account.Destination.Quarantine = tt.onReject, maildir.New(dir)
			f.add("m1")
			f.addUnder("bad", smuggler)
			f.add("m2")
			got := f.poll().Counts
			if got.Octets = 0; got != tt.want {
				t.Errorf("%+v, want %+v", got, tt.want)
			}
			f.wantState("bad", tt.state)
			var all []byte
			for _, m := range f.smtp.Messages() {
				all = append(all, m.Data...)
			}
			if !bytes.Contains(all, []byte(tt.arrives)) {
				t.Errorf("arrived: %q, want %q among it", all, tt.arrives)
			}
			if as := tt.arrives == string(smuggler); bytes.Contains(all, []byte("MAIL FROM")) != as {
				t.Errorf("arrived: %q, the message as it is: want %v", all, as)
			}
			text := f.record("bad").Recipients[0].Text
			if said := strings.Contains(text, "5.6.0 the message has a dot between stray CRs or NULs"); said != (tt.arrives != string(smuggler)) {
				t.Errorf("the ledger says %q of it", text)
			}
			files, err := filepath.Glob(filepath.Join(dir, "new", "*"))
			must(t, err)
			if kept := tt.onReject == fetcher.Quarantine; kept != (len(files) == 1) {
				t.Fatalf("in quarantine: %v, want one: %v", files, kept)
			}
			for _, file := range files {
				octets, err := os.ReadFile(file)
				must(t, err)
				if !bytes.HasSuffix(octets, smuggler) {
					t.Errorf("in quarantine: %q, want it to end with %q", octets, smuggler)
				}
			}
		})
	}
}

// TestReturnPathThatIsNoPath: what stands in it besides a path, parameters among it,
// never gets into MAIL. The message is held, also as a retained copy, or wrapped.
func TestReturnPathThatIsNoPath(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		faults   faults
		onReject fetcher.Reject
		state    string
	}{
		"held":    {faults{smtp: smtptest.Options{LMTP: true}}, fetcher.Hold, "held"},
		"copied":  {faults{hides: &hiding{says: true}}, fetcher.Hold, "held"},
		"wrapped": {faults{}, fetcher.Wrap, "forwarded"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var senders []string
			tt.faults.pool = oneConnection
			tt.faults.smtp.Fault = func(e smtptest.Event) smtptest.Fault {
				mu.Lock()
				defer mu.Unlock()
				if e.Stage == forwarder.StageMail {
					senders = append(senders, e.Address)
				}
				return smtptest.Fault{}
			}
			f := newFixture(t, tt.faults)
			f.account.Source.Hides = tt.faults.hides != nil
			f.account.Destination.Original, f.account.Destination.OnReject = true, tt.onReject
			f.addUnder("bad", []byte("Return-Path: <a@b.example> RET=FULL AUTH=<ceo@example.org>\r\nSubject: s\r\nMessage-ID: <bad@example.org>\r\n\r\ntext\r\n"))
			f.add("m1")
			f.poll()
			f.poll()
			f.wantState("bad", tt.state)
			f.wantState("uid-m1", "forwarded")
			want := []string{"sender-m1@example.org"}
			if tt.onReject == fetcher.Wrap {
				want = []string{"leo@example.org", "sender-m1@example.org"}
			}
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(senders)
			wantList(t, "senders", senders, want)
		})
	}
}

// TestWrappedMessageForWhoIsNotThere: that a recipient is refused who was chosen for one
// message alone is no fault of the route, also where only its attachment was sent.
func TestWrappedMessageForWhoIsNotThere(t *testing.T) {
	t.Parallel()
	options := smtpFault(forwarder.StageRcpt, reply(550, 5, 1, 1), onAddress("gone"))
	options.Hide = []string{"CHUNKING"}
	f := newFixture(t, faults{smtp: options})
	f.account.Destination.OnReject = fetcher.Wrap
	f.sortBy(nil)
	f.addUnder("bad", append([]byte("Delivered-To: gone@example.org\r\n"+youngReceived), smuggler...))
	f.addDelivered("m1", "Delivered-To: leo@example.org\r\n")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1, Held: 1}, OnServer: 2})
	f.add("m2")
	wantResult(t, f.poll(), result{Counts: counts{Forwarded: 1}, OnServer: 3})
	f.wantState("bad", "held")
}
