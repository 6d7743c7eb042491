package imap_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// doubt delivers a message of which the server does not say whether it was stored,
// and returns what is to be looked for.
func doubt(t *testing.T, p *imap.Pool, id string) forwarder.Sought {
	t.Helper()
	m := mail(id, "hi")
	o, at, err := deliver(t.Context(), p, m)
	if o.Kind != forwarder.InDoubt || err != nil {
		t.Fatalf("got %v and %v, want it in doubt", describe(o), err)
	}
	return forwarder.Sought{Mark: at, Trace: id, MessageID: "<" + id + "@example.org>"}
}

// cutting cuts the connection when a message has come. It is stored if its folder's
// number of appends is odd, or always.
func cutting(always bool) func(imaptest.Event) imaptest.Fault {
	return func(e imaptest.Event) imaptest.Fault {
		if e.Command != "MESSAGE" {
			return imaptest.Fault{}
		}
		return imaptest.Fault{Close: true, Store: always || e.Appends%2 == 1}
	}
}

// TestFind: what was stored is found, wherever it lies by then, and nothing else is.
func TestFind(t *testing.T) {
	t.Parallel()
	special := map[string]string{"Alles": `\All`, "Spam": `\Junk`, "Müll": `\Trash`, "Other": ""}
	for name, tt := range map[string]struct {
		o      imaptest.Options
		change func(*imaptest.Server)
		want   string // where the stored one is found; "": nowhere
	}{
		"there":              {imaptest.Options{}, nil, "INBOX 100"},
		"there, deaf":        {imaptest.Options{Deaf: true}, nil, "INBOX 100"},
		"more mail has come": {imaptest.Options{}, func(s *imaptest.Server) { s.Append("INBOX", []byte(octets(mail("other", "hi")))) }, "INBOX 100"},
		"Gmail":              {imaptest.Gmail(), nil, "INBOX 100"},
		"Courier":            {imaptest.Courier(), nil, "INBOX 100"},
		"renumbered": {imaptest.Options{}, func(s *imaptest.Server) {
			s.Renumber("INBOX")
			for i := range 3 {
				s.Append("INBOX", []byte(octets(mail(fmt.Sprint("new", i), "hi"))))
			}
		}, "INBOX 1"},
		"moved to trash":      {imaptest.Options{Folders: special}, func(s *imaptest.Server) { s.Move(100, "INBOX", "Müll") }, "Müll 200"},
		"moved to spam, deaf": {imaptest.Options{Folders: special, Deaf: true}, func(s *imaptest.Server) { s.Move(100, "INBOX", "Spam") }, "Spam 200"},
		"moved out of sight":  {imaptest.Options{Folders: special}, func(s *imaptest.Server) { s.Move(100, "INBOX", "Other") }, ""},
		"archived at Gmail":   {imaptest.Gmail(), func(s *imaptest.Server) { s.Move(100, "INBOX", "[Gmail]/Spam"); s.Remove("[Gmail]/Spam") }, "[Gmail]/Alle Nachrichten 200"},
		"the folder is gone":  {imaptest.Options{}, func(s *imaptest.Server) { s.Remove("INBOX") }, ""},
		"buried, but by search": {imaptest.Options{Folders: special}, func(s *imaptest.Server) {
			s.Move(100, "INBOX", "Spam")
			for i := range 600 {
				s.Append("Spam", []byte(octets(mail(fmt.Sprint("spam", i), "buy"))))
			}
		}, "Spam 200"},
		"buried, but by ESEARCH": {imaptest.Options{Folders: special, Extended: true}, func(s *imaptest.Server) {
			s.Move(100, "INBOX", "Spam")
			for i := range 600 {
				s.Append("Spam", []byte(octets(mail(fmt.Sprint("spam", i), "buy"))))
			}
		}, "Spam 200"},
		"Yahoo": {imaptest.Yahoo(), func(s *imaptest.Server) {
			for i := range 500 {
				s.Append("INBOX", []byte(octets(mail(fmt.Sprint("new", i), "hi"))))
			}
		}, "INBOX 100"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.o.Fault = cutting(false)
			s := serve(t, tt.o)
			p := newPool(t, s)
			stored, lost := doubt(t, p, "stored"), doubt(t, p, "lost")
			if tt.change != nil {
				tt.change(s)
			}
			found, err := p.Find(t.Context(), []forwarder.Sought{stored, lost})
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if f, ok := found["stored"]; ok {
				got = fmt.Sprintf("%s %d", f.Folder, f.UID)
			}
			if got != tt.want {
				t.Errorf("found %q, want %q", got, tt.want)
			}
			if _, ok := found["lost"]; ok {
				t.Errorf("found what was not stored: %v", found)
			}
			for _, line := range s.Said() {
				if strings.Contains(line, "SELECT ") || strings.Contains(line, "ENABLE") {
					t.Errorf("the client said %q", line)
				}
			}
		})
	}
}

// TestFindMany: many messages of several folders are looked for in one pass a folder,
// among large headers.
func TestFindMany(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{Folders: map[string]string{"Lists": ""}, Fault: cutting(true)})
	p := newPool(t, s)
	var sought []forwarder.Sought
	for i := range 20 {
		id := fmt.Sprintf("m%d", i)
		m := mail(id, "hi")
		if i%2 == 1 {
			m.Folder = "Lists"
		}
		o, at, err := deliver(t.Context(), p, m)
		if o.Kind != forwarder.InDoubt || err != nil {
			t.Fatalf("got %v and %v", describe(o), err)
		}
		sought = append(sought, forwarder.Sought{Mark: at, Trace: id})
		s.Append("INBOX", []byte("Message-ID: "+strings.Repeat("x", 100_000)+"\r\nX-Popferry-Trace: id=evil"+fmt.Sprint(i)+"\r\n\r\n"))
	}
	before := len(s.Said())
	found, err := p.Find(t.Context(), sought)
	if err != nil || len(found) != 20 {
		t.Errorf("found %d and %v", len(found), err)
	}
	if said := strings.Join(s.Said()[before:], "\n"); strings.Count(said, "FETCH") != 2 || strings.Count(said, "EXAMINE") != 2 {
		t.Errorf("the client said %q", said)
	}
}

// TestOnlyTheTraceTells: a message with the same Message-ID, or one that quotes the
// trace, is another one.
func TestOnlyTheTraceTells(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{Fault: cutting(false)})
	p := newPool(t, s)
	doubt(t, p, "stored")
	lost := doubt(t, p, "lost")
	for _, text := range []string{
		"Message-ID: <lost@example.org>\r\n\r\n",
		"Subject: X-Popferry-Trace: id=lost; account=00\r\nMessage-ID: <lost@example.org>\r\n\r\nX-Popferry-Trace: id=lost; account=00\r\n",
		"X-Popferry-Trace: id=lost2; account=00\r\n\r\n",
		"X-Popferry-Trace: xid=lost; account=00\r\n\r\n",
		"X-Popferry-Trace-Not: id=lost\r\n\r\n",
	} {
		s.Append("INBOX", []byte(text))
	}
	if found, err := p.Find(t.Context(), []forwarder.Sought{lost}); len(found) != 0 || err != nil {
		t.Errorf("found %v and %v", found, err)
	}
	s.Append("INBOX", []byte("X-Popferry-Trace: id=other\r\nX-Popferry-Trace:\r\n id=lost;\r\n\taccount=00\r\n\r\n"))
	found, err := p.Find(t.Context(), []forwarder.Sought{lost})
	if got := slices.Collect(maps.Keys(found)); !slices.Equal(got, []string{"lost"}) || err != nil {
		t.Errorf("folded and behind another one: found %v and %v", found, err)
	}
}

// TestFindFails: with an error nothing is known of what was not found.
func TestFindFails(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"LOGIN", "EXAMINE", "UID FETCH"} {
		for name, fault := range map[string]imaptest.Fault{"refused": {Reply: "NO [UNAVAILABLE] later"}, "cut": {Close: true}} {
			t.Run(at+", "+name, func(t *testing.T) {
				t.Parallel()
				s := serve(t, imaptest.Options{Fault: func(e imaptest.Event) imaptest.Fault {
					if e.Command == at && e.Connection > 1 {
						return fault
					}
					return cutting(true)(e)
				}})
				p := newPool(t, s)
				stored := doubt(t, p, "stored")
				found, err := p.Find(t.Context(), []forwarder.Sought{stored})
				var server *imap.Error
				if len(found) != 0 || !errors.As(err, &server) {
					t.Errorf("found %v and %v", found, err)
				}
			})
		}
	}
}

// TestFindWithoutMark: where the server says nothing of UIDs, the folder is looked
// through.
func TestFindWithoutMark(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{Fault: func(e imaptest.Event) imaptest.Fault {
		if e.Command == "STATUS" {
			return imaptest.Fault{Reply: "BAD what?"}
		}
		return cutting(true)(e)
	}})
	p := newPool(t, s)
	stored := doubt(t, p, "stored")
	if got := stored.Mark.String(); got != `"INBOX" 0 0` {
		t.Errorf("the mark is %s", got)
	}
	if found, err := p.Find(t.Context(), []forwarder.Sought{stored}); found["stored"].UID != 100 || err != nil {
		t.Errorf("found %v and %v", found, err)
	}
}

// TestFindFromTheEarliestMark: marks of one folder that differ are looked for from the
// first of them on, and the whole folder if one of them is of no use.
func TestFindFromTheEarliestMark(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{Folders: map[string]string{"Alles": `\All`}, Caps: []string{"X-GM-EXT-1"}, Deaf: true})
	p := newPool(t, s)
	var sought []forwarder.Sought
	for i := range 5 {
		id := fmt.Sprint("m", i)
		uid := s.Append("INBOX", []byte(octets(mail(id, "hi"))))
		all := s.Append("Alles", []byte(octets(mail(id, "hi"))))
		sought = append(sought, forwarder.Sought{Trace: id, Mark: forwarder.Mark{
			Folder: forwarder.Place{Name: "INBOX", Validity: 6, Next: uid}, All: forwarder.Place{Name: "Alles", Validity: 7, Next: all},
		}})
	}
	for i := range 600 {
		s.Append("Alles", []byte(octets(mail(fmt.Sprint("new", i), "hi"))))
	}
	find := func(sought []forwarder.Sought, folder string) {
		t.Helper()
		found, err := p.Find(t.Context(), sought)
		if len(found) != len(sought) || err != nil {
			t.Errorf("found %v and %v, want %d", found, err, len(sought))
		}
		for _, f := range found {
			if f.Folder != folder {
				t.Errorf("found in %s, want %s", f.Folder, folder)
			}
		}
	}
	elsewhere := slices.Clone(sought)
	for i := range elsewhere {
		elsewhere[i].Mark.Folder.Name = "gone"
	}
	late := slices.Clone(sought[:2])
	late[1].Mark.Folder.Next = 0
	late[0].Mark.Folder.Next = 200
	for range 10 { // they have no order
		find(sought, "INBOX")
		find(elsewhere, "Alles")
		find(late, "INBOX")
	}
}

// TestFindWithoutAnyMark: where nothing was noted, the pool's folder is looked through.
func TestFindWithoutAnyMark(t *testing.T) {
	t.Parallel()
	o := imaptest.Courier()
	o.Folders, o.Fault = map[string]string{"INBOX.Mail": ""}, cutting(true)
	s := serve(t, o)
	p := newPool(t, s, func(o *imap.Options) { o.Folder = "Mail" })
	doubt(t, p, "stored")
	again := newPool(t, s, func(o *imap.Options) { o.Folder = "Mail" })
	if found, err := again.Find(t.Context(), []forwarder.Sought{{Trace: "stored"}}); found["stored"].Folder != "INBOX.Mail" || err != nil {
		t.Errorf("found %v and %v", found, err)
	}
}

// TestTraces: of all messages in the account's own folder, and in those where they may
// have been moved to.
func TestTraces(t *testing.T) {
	t.Parallel()
	s := imaptest.New(imaptest.Options{Folders: map[string]string{"Work": "", "Trash": `\Trash`}})
	t.Cleanup(func() { _ = s.Close() })
	p := imap.New(imap.Options{Dial: s.Pipe, Username: "leo"})
	t.Cleanup(func() { _ = p.Close() })
	for folder, id := range map[string]string{"INBOX": "t1", "Work": "t2", "Trash": "t3"} {
		s.Append(folder, []byte(octets(mail(id, "hi"))))
		s.Append(folder, []byte("Subject: another\r\n\r\nhi\r\n"))
	}
	for folder, want := range map[string][]string{"": {"t1", "t3"}, "Work": {"t2", "t3"}, "Nowhere": {"t3"}} {
		got, err := p.Traces(t.Context(), folder)
		if found := slices.Sorted(maps.Keys(got)); err != nil || !slices.Equal(found, want) {
			t.Errorf("folder %q has %v, %v; want %v", folder, found, err, want)
		}
	}
}
