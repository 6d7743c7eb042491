package imap_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
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
func copyOf(id, fetched string) *forwarder.Message {
	m := message(trace(id) + fetched)
	m.Trace = id
	return m
}

const (
	letter  = "Received: from a by b; Thu, 26 Nov 2026 11:00:01 +0000\r\nDate: Thu, 26 Nov 2026\r\n 11:00:00 +0000\r\nFrom: \"A\" <a@example.org>\r\nMessage-ID: <1@example.org>\r\n\r\nhi\r\n"
	toList  = "Received: from a by list; Thu, 26 Nov 2026 11:00:01 +0000\r\nDate: Thu, 26 Nov 2026\r\n 11:00:00 +0000\r\nFrom: \"A\" <a@example.org>\r\nMessage-ID: <1@example.org>\r\n\r\nhi\r\n-- \r\nlist\r\n"
	another = "From: b@example.org\r\nMessage-ID: <2@example.org>\r\n\r\nyo\r\n"
)

const (
	merged   = "accepted dot 250 2.0.0 the server had this message already, and keeps it once"
	replaced = "replaced dot 250 2.0.0 the server has another message with this Message-ID, and kept that one only"
)

// TestReadBack: what Gmail keeps of several copies.
func TestReadBack(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Gmail())
	p := newPool(t, s)
	for _, tt := range []struct{ id, fetched, want string }{
		{"first", letter, "accepted dot 250 2.0.0 OK [APPENDUID 6 "},
		{"again-from-another-mailbox", letter, merged},
		{"by-the-list", toList, replaced},
		{"other", another, "accepted dot 250 2.0.0 OK [APPENDUID 6 "},
	} {
		o, at, err := deliver(t.Context(), p, copyOf(tt.id, tt.fetched))
		if got := describe(o); !strings.HasPrefix(got, tt.want) || err != nil {
			t.Errorf("%s: got %q and %v, want %q", tt.id, got, err, tt.want)
		}
		if at.All.Name != "[Gmail]/Alle Nachrichten" || at.All.Validity != 7 {
			t.Errorf("the mark is %v", at)
		}
	}
	if strings.Contains(strings.Join(s.Said(), "\n"), "SELECT ") {
		t.Error("the folder was opened to be changed")
	}
}

// TestReadBackInOnePass: what is accepted while something is looked for is looked for
// in one more pass, on the same session.
func TestReadBackInOnePass(t *testing.T) {
	t.Parallel()
	const n = 8
	o := imaptest.Gmail()
	accepted, first := make(chan struct{}, n), make(chan struct{})
	o.Fault = func(e imaptest.Event) imaptest.Fault {
		if e.Command == "MESSAGE" {
			accepted <- struct{}{}
		}
		return imaptest.Fault{}
	}
	s := serve(t, o)
	var dials atomic.Int64
	p := newPool(t, s, func(o *imap.Options) {
		o.Connections = 1
		o.Dial = func(ctx context.Context) (net.Conn, error) {
			if dials.Add(1) > 1 { // the session that reads back
				<-first
			}
			return s.Pipe(ctx)
		}
	})
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			id := fmt.Sprint("m", i)
			own := strings.ReplaceAll(another, "<2@", "<"+id+"@")
			if o, _, err := deliver(t.Context(), p, copyOf(id, own)); o.Kind != forwarder.Accepted || err != nil {
				t.Errorf("%s: got %v and %v", id, describe(o), err)
			}
		})
	}
	for range n {
		<-accepted
	}
	close(first)
	all.Wait()
	said := strings.Join(s.Said(), "\n")
	if got := strings.Count(said, "UID FETCH"); got >= n {
		t.Errorf("%d passes for %d messages", got, n)
	}
	if got := dials.Load(); got != 2 {
		t.Errorf("%d connections, want 2", got)
	}
}

// TestMergedWithOwnMail: the body that is kept need not be popferry's: a copy in Sent
// is the same letter if its octets are as many.
func TestMergedWithOwnMail(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ there, want string }{
		{letter, merged}, {toList, replaced}, {strings.Replace(letter, "a@example.org", "x@example.org", 1), replaced},
		{strings.Replace(letter, "11:00:00", "12:00:00", 1), replaced},
		{strings.Replace(letter, "from a by b", "from x by b", 1), replaced}, // by somebody who knows all but this
	} {
		s := serve(t, imaptest.Gmail())
		s.Append("INBOX", []byte(tt.there))
		wantOutcome(t, newPool(t, s), copyOf("mine", letter), tt.want)
	}
}

// TestLabels: an account's folder is a label at Gmail, beside the inbox.
func TestLabels(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Gmail())
	m := copyOf("mine", letter)
	m.Folder = "Post/Büro"
	o, at, err := deliver(t.Context(), newPool(t, s), m)
	if o.Kind != forwarder.Accepted || o.Err != nil || at.Folder.Name != "INBOX" || err != nil {
		t.Fatalf("got %v (%v), %v and %v", describe(o), o.Err, at, err)
	}
	if got := s.Messages("INBOX")[0].Labels; !slices.Equal(got, []string{"Post/B&APw-ro"}) {
		t.Errorf("labels: %q", got)
	}
}

// TestJunk: the folder that the server has for junk is none of its labels, also at Gmail.
// Where there is none it is the one that is called so, which is made if it may be.
func TestJunk(t *testing.T) {
	t.Parallel()
	special := imaptest.Options{Folders: map[string]string{"INBOX.Werbung": `\Junk`}}
	for name, tt := range map[string]struct {
		server imaptest.Options
		create bool
		want   string
	}{
		"Gmail":       {imaptest.Gmail(), false, "[Gmail]/Spam"},
		"by its use":  {special, false, "INBOX.Werbung"},
		"by its name": {imaptest.Options{Folders: map[string]string{"Junk": ""}}, false, "Junk"},
		"made":        {imaptest.Options{}, true, "Junk"},
		"missing":     {imaptest.Options{}, false, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tt.server)
			p := newPool(t, s, func(o *imap.Options) { o.CreateFolder = tt.create })
			m := copyOf("mine", letter)
			m.Folder = forwarder.JunkFolder
			o, at, err := deliver(t.Context(), p, m)
			if tt.want == "" {
				if o.Kind != forwarder.Refused || o.Stage != forwarder.StageRcpt || err != nil {
					t.Errorf("got %v and %v, want that there is no such folder", describe(o), err)
				}
				return
			}
			if o.Kind != forwarder.Accepted || o.Err != nil || at.Folder.Name != tt.want || err != nil {
				t.Fatalf("got %v (%v), %v and %v, want it in %s", describe(o), o.Err, at, err, tt.want)
			}
			if in := s.Messages(tt.want); len(in) != 1 || len(in[0].Labels) != 0 {
				t.Errorf("%d messages in %s, want 1, without labels", len(in), tt.want)
			}
			sought := forwarder.Sought{Trace: m.Trace, Folder: m.Folder, Mark: forwarder.Mark{}}
			if found, err := p.Find(t.Context(), []forwarder.Sought{sought}); err != nil || found[m.Trace].Folder != tt.want {
				t.Errorf("looked for without a mark: %v and %v, want it in %s", found, err, tt.want)
			}
		})
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
	m := copyOf("mine", letter)
	m.Folder = "x"
	got, _, err := deliver(t.Context(), newPool(t, serve(t, o)), m)
	var label *imap.LabelError
	if got.Kind != forwarder.Accepted || !errors.As(got.Err, &label) || label.Label != "x" || !strings.Contains(got.Err.Error(), "not that") || err != nil {
		t.Errorf("got %v (%v) and %v", describe(got), got.Err, err)
	}
}

// TestNothingIsReadBackElsewhere: a server that keeps what it accepts is not asked.
func TestNothingIsReadBackElsewhere(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{})
	wantOutcome(t, newPool(t, s), mail("one", "hi"), "accepted dot 250 2.0.0 OK done")
	if s.Connections() != 1 {
		t.Errorf("%d connections, want 1", s.Connections())
	}
}

// TestReadBackFails: then the message is in doubt.
func TestReadBackFails(t *testing.T) {
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
				got, _, err := deliver(t.Context(), newPool(t, serve(t, o)), copyOf("mine", letter))
				var server *imap.Error
				if got.Kind != forwarder.InDoubt || !errors.As(got.Err, &server) || err != nil {
					t.Errorf("got %v (%v) and %v", describe(got), got.Err, err)
				}
			})
		}
	}
}

// TestConfirmFromTheEarliestMark: marks that differ, or are of no use any more, are
// looked for all the same.
func TestConfirmFromTheEarliestMark(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Gmail())
	p := newPool(t, s)
	var all []imap.Placed
	for _, id := range []string{"one", "two", "three"} {
		_, at, err := deliver(t.Context(), p, mail(id, "hi"))
		if err != nil {
			t.Fatal(err)
		}
		at.Folder.Next = uint32(103 - len(all)) // the first one's is the latest
		all = append(all, imap.Placed{Mark: at, Trace: id})
	}
	all[2].Mark.Folder.Next = 100
	kept := []imap.Fate{imap.Kept, imap.Kept, imap.Kept}
	if fates, err := p.Confirm(t.Context(), all); !slices.Equal(fates, kept) || err != nil {
		t.Errorf("got %v and %v", fates, err)
	}
	s.Renumber("INBOX")
	if fates, err := p.Confirm(t.Context(), all); !slices.Equal(fates, kept) || err != nil {
		t.Errorf("renumbered: got %v and %v", fates, err)
	}
}

// TestNoLabelOnAnotherBody: a letter that was there before is not given the label of
// another one.
func TestNoLabelOnAnotherBody(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Gmail())
	s.Append("INBOX", []byte(toList))
	m := copyOf("mine", letter)
	m.Folder = "x"
	wantOutcome(t, newPool(t, s), m, replaced)
	if said := strings.Join(s.Said(), "\n"); strings.Contains(said, "STORE") {
		t.Errorf("the client said %q", said)
	}
}
