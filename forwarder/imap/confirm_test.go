package imap_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// trace is the lines on top of a message.
func trace(id string) string {
	return "Received: from pop.example (account a)\r\n\tby popferry with POP3 id " + id + ";\r\n\tThu, 26 Nov 2026 12:00:00 +0000\r\n" +
		"X-Popferry-Trace: id=" + id + "; account=00\r\n"
}

// copyOf is a message with its own trace, as it was fetched from a mailbox.
func copyOf(id, fetched string) *forwarder.Message { return message(trace(id) + fetched) }

const (
	letter  = "Received: from a by b; Thu, 26 Nov 2026 11:00:01 +0000\r\nDate: Thu, 26 Nov 2026\r\n 11:00:00 +0000\r\nFrom: \"A\" <a@example.org>\r\nMessage-ID: <1@example.org>\r\n\r\nhi\r\n"
	toList  = "Received: from a by list; Thu, 26 Nov 2026 11:00:01 +0000\r\nDate: Thu, 26 Nov 2026\r\n 11:00:00 +0000\r\nFrom: \"A\" <a@example.org>\r\nMessage-ID: <1@example.org>\r\n\r\nhi\r\n-- \r\nlist\r\n"
	another = "From: b@example.org\r\nMessage-ID: <2@example.org>\r\n\r\nyo\r\n"
)

// placed is what has to be known of a message to read it back.
func placed(at forwarder.Mark, id, fetched string) imap.Placed {
	p := imap.Placed{Mark: at, Trace: id, MessageID: "<1@example.org>", Date: "Thu, 26 Nov 2026 11:00:00 +0000", From: `"A" <a@example.org>`, Size: int64(len(fetched))}
	if fetched == another {
		p.MessageID, p.Date, p.From = "<2@example.org>", "", "b@example.org"
	}
	return p
}

// TestConfirm: what Gmail keeps of several copies.
func TestConfirm(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Gmail())
	p := newPool(t, s)
	var all []imap.Placed
	send := func(id, fetched string) {
		t.Helper()
		o, at, err := deliver(t.Context(), p, copyOf(id, fetched))
		if o.Kind != forwarder.Accepted || err != nil {
			t.Fatalf("got %v and %v", describe(o), err)
		}
		if at.All.Name != "[Gmail]/Alle Nachrichten" || at.All.Validity != 7 {
			t.Errorf("the mark is %v", at)
		}
		all = append(all, placed(at, id, fetched))
	}
	send("first", letter)
	send("again-from-another-mailbox", letter)
	send("by-the-list", toList)
	send("other", another)
	missing := all[0]
	missing.Trace, missing.MessageID = "missing", "<missing@example.org>"
	all = append(all, missing)
	fates, err := p.Confirm(t.Context(), all)
	if want := []imap.Fate{imap.Kept, imap.Merged, imap.Replaced, imap.Kept, imap.Missing}; !slices.Equal(fates, want) || err != nil {
		t.Errorf("got %v and %v, want %v", fates, err, want)
	}
	said := strings.Join(s.Said(), "\n")
	if n := strings.Count(said, "UID FETCH"); n != 1 {
		t.Errorf("%d FETCHs, want one", n)
	}
	if strings.Contains(said, "SELECT ") {
		t.Error("the folder was opened to be changed")
	}
}

// TestMergedWithOwnMail: the body that is kept need not be popferry's: a copy in Sent
// is the same letter if its octets are as many.
func TestMergedWithOwnMail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		there string
		want  imap.Fate
	}{{letter, imap.Merged}, {toList, imap.Replaced}, {strings.Replace(letter, "a@example.org", "x@example.org", 1), imap.Replaced}} {
		s := serve(t, imaptest.Gmail())
		s.Append("INBOX", []byte(tt.there))
		p := newPool(t, s)
		_, at, err := deliver(t.Context(), p, copyOf("mine", letter))
		if err != nil {
			t.Fatal(err)
		}
		fates, err := p.Confirm(t.Context(), []imap.Placed{placed(at, "mine", letter)})
		if !slices.Equal(fates, []imap.Fate{tt.want}) || err != nil {
			t.Errorf("%q is there: got %v and %v, want %v", tt.there, fates, err, tt.want)
		}
	}
}

// TestLabels: an account's folder is a label at Gmail, beside the inbox.
func TestLabels(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Gmail())
	p := newPool(t, s)
	m := copyOf("mine", letter)
	m.Folder = "Post/Büro"
	o, at, err := deliver(t.Context(), p, m)
	if o.Kind != forwarder.Accepted || at.Folder.Name != "INBOX" || err != nil {
		t.Fatalf("got %v, %v and %v", describe(o), at, err)
	}
	mine := placed(at, "mine", letter)
	mine.Label = m.Folder
	if fates, err := p.Confirm(t.Context(), []imap.Placed{mine}); !slices.Equal(fates, []imap.Fate{imap.Kept}) || err != nil {
		t.Errorf("got %v and %v", fates, err)
	}
	if got := s.Messages("INBOX")[0].Labels; !slices.Equal(got, []string{"Post/B&APw-ro"}) {
		t.Errorf("labels: %q", got)
	}
}

// TestLabelRefused: the message has arrived all the same.
func TestLabelRefused(t *testing.T) {
	t.Parallel()
	o := imaptest.Gmail()
	o.Fault = func(e imaptest.Event) imaptest.Fault {
		if e.Command == "UID STORE" {
			return imaptest.Fault{Reply: "NO [CANNOT] not that"}
		}
		return imaptest.Fault{}
	}
	p := newPool(t, serve(t, o))
	_, at, err := deliver(t.Context(), p, copyOf("mine", letter))
	if err != nil {
		t.Fatal(err)
	}
	mine := placed(at, "mine", letter)
	mine.Label = "x"
	fates, err := p.Confirm(t.Context(), []imap.Placed{mine})
	var label *imap.LabelError
	if !slices.Equal(fates, []imap.Fate{imap.Kept}) || !errors.As(err, &label) || label.Label != "x" || !strings.Contains(err.Error(), "not that") {
		t.Errorf("got %v and %v", fates, err)
	}
}

// TestConfirmElsewhere: a server that keeps what it accepts is not asked.
func TestConfirmElsewhere(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{})
	p := newPool(t, s)
	at := wantOutcome(t, p, mail("one", "hi"), "accepted dot 250 2.0.0 OK done")
	fates, err := p.Confirm(t.Context(), []imap.Placed{{Mark: at, Trace: "one"}})
	if !slices.Equal(fates, []imap.Fate{imap.Kept}) || err != nil || s.Connections() != 1 {
		t.Errorf("got %v and %v over %d connections", fates, err, s.Connections())
	}
}

// TestConfirmFails: then nothing is known.
func TestConfirmFails(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"EXAMINE", "UID FETCH"} {
		for name, fault := range map[string]imaptest.Fault{"refused": {Reply: "NO [UNAVAILABLE] later"}, "cut": {Close: true}} {
			t.Run(at+", "+name, func(t *testing.T) {
				t.Parallel()
				o := imaptest.Gmail()
				o.Fault = func(e imaptest.Event) imaptest.Fault {
					if e.Command == at {
						return fault
					}
					return imaptest.Fault{}
				}
				p := newPool(t, serve(t, o))
				_, mark, err := deliver(t.Context(), p, copyOf("mine", letter))
				if err != nil {
					t.Fatal(err)
				}
				fates, err := p.Confirm(t.Context(), []imap.Placed{placed(mark, "mine", letter)})
				var server *imap.Error
				if fates != nil || !errors.As(err, &server) {
					t.Errorf("got %v and %v", fates, err)
				}
			})
		}
	}
}
