package imap_test

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// TestFolder: a configured name as the server writes it.
func TestFolder(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		o      imaptest.Options
		folder string // of the pool
		own    string // of the message
		want   string // where it lies
	}{
		"default":                  {imaptest.Options{}, "", "", "INBOX"},
		"any case":                 {imaptest.Options{}, "inbox", "", "INBOX"},
		"the message's own":        {imaptest.Options{}, "INBOX", "Lists", "Lists"},
		"levels":                   {imaptest.Options{Caps: []string{"NAMESPACE"}, Delimiter: "."}, "", "a/b", "a.b"},
		"levels without NAMESPACE": {imaptest.Options{Delimiter: "."}, "", "a/b", "a.b"},
		"slash":                    {imaptest.Options{Caps: []string{"NAMESPACE"}}, "", "a/b.c", "a/b.c"},
		"Courier":                  {imaptest.Courier(), "", "Lists/Go", "INBOX.Lists.Go"},
		"Courier, whole":           {imaptest.Courier(), "", "INBOX/Lists", "INBOX.Lists"},
		"Courier, as it is":        {imaptest.Courier(), "", "Inbox.Lists", "Inbox.Lists"},
		"Courier, inbox":           {imaptest.Courier(), "", "", "INBOX"},
		"other letters":            {imaptest.Options{}, "", "Entwürfe & mehr", "Entw&APw-rfe &- mehr"},
		"outside of the BMP":       {imaptest.Options{}, "", "台北😀", "&U,BTF9g93gA-"},
		"quotes":                   {imaptest.Options{}, "", `a"b\c`, `a"b\c`},
		"a line end":               {imaptest.Options{}, "", "a\r\nb", "a&AA0ACg-b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tt.o.Folders = map[string]string{tt.want: ""}
			s := serve(t, tt.o)
			p := newPool(t, s, func(o *imap.Options) { o.Folder = tt.folder })
			m := mail("one", "hi")
			m.Folder = tt.own
			o, at, err := deliver(t.Context(), p, m)
			if o.Kind != forwarder.Accepted || err != nil {
				t.Errorf("got %v and %v", describe(o), err)
			}
			if len(s.Messages(tt.want)) != 1 || at.Folder.Name != tt.want {
				t.Errorf("it does not lie in %q; the mark is %v", tt.want, at)
			}
		})
	}
}

// TestCreateFolder: a folder that does not exist is made only if that is wanted,
// also where it goes away later.
func TestCreateFolder(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{})
	m := mail("one", "hi")
	m.Folder = "new"
	wantOutcome(t, newPool(t, s), m, "refused rcpt 550 5.1.1 NO [NONEXISTENT] no such folder")
	p := newPool(t, s, func(o *imap.Options) { o.CreateFolder = true })
	wantOutcome(t, p, m, "accepted dot 250 2.0.0 OK done")
	if said := strings.Join(s.Said(), "\n"); !strings.Contains(said, `SUBSCRIBE "new"`) {
		t.Errorf("the client said %q", said)
	}
	if got := s.Folders(); !slices.Equal(got, []string{"INBOX", "new"}) {
		t.Errorf("folders: %q", got)
	}
	s.Remove("new")
	wantOutcome(t, p, m, "accepted dot 250 2.0.0 OK done")
	if n := len(s.Messages("new")); n != 1 {
		t.Errorf("%d messages in the folder", n)
	}
}

// TestBeginOnlyIfSent: begin is not called for what cannot be sent.
func TestBeginOnlyIfSent(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		o      imaptest.Options
		change func(*forwarder.Message, *imap.Options)
		want   string
	}{
		"APPENDLIMIT":             {imaptest.Options{Caps: []string{"APPENDLIMIT=100"}}, nil, "impossible data 552 5.3.4 the message has 237 octets, the server takes 100"},
		"APPENDLIMIT of a folder": {imaptest.Options{Caps: []string{"APPENDLIMIT"}, MaxSize: 101}, nil, "impossible data 552 5.3.4 the message has 237 octets, the server takes 101"},
		"a known limit":           {imaptest.Options{}, func(_ *forwarder.Message, o *imap.Options) { o.MaxSize = 102 }, "impossible data 552 5.3.4 the message has 237 octets, the server takes 102"},
		"NUL": {imaptest.Options{}, func(m *forwarder.Message, _ *imap.Options) {
			m.Strays, m.Body = forwarder.SomeStrays, func() io.Reader { return strings.NewReader(strings.Repeat("\x00", 237)) }
		}, "impossible data 554 5.6.1 the message has a NUL, and the server does not announce BINARY"},
		"a CR where they were refused": {imaptest.Options{}, func(m *forwarder.Message, o *imap.Options) {
			m.Strays = forwarder.SomeStrays
			o.Facts.NoStrays = forwarder.Sighting{At: time.Now(), Count: 1}
		}, "impossible data 554 5.6.1 the message has a CR that is not part of a line end, and the server has refused such messages"},
		"no folder":  {imaptest.Options{}, func(m *forwarder.Message, _ *imap.Options) { m.Folder = "none" }, "refused rcpt 550 5.1.1 NO [NONEXISTENT] no such folder"},
		"no session": {imaptest.Options{Greeting: "BYE no"}, nil, "unusable greeting 421 4.0.0 BYE no"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := mail("one", "hi")
			m.Size = 237
			s := serve(t, tt.o)
			p := newPool(t, s, func(o *imap.Options) {
				if tt.change != nil {
					tt.change(m, o)
				}
			})
			at := wantOutcome(t, p, m, tt.want)
			if !at.IsZero() {
				t.Errorf("begin was called with %v", at)
			}
			if said := strings.Join(s.Said(), "\n"); strings.Contains(said, "APPEND ") {
				t.Errorf("the client said %q", said)
			}
		})
	}
}

// TestStrays: a NUL goes as a binary literal where the server takes them; a CR goes
// as it is until the server refuses it.
func TestStrays(t *testing.T) {
	t.Parallel()
	stray := func(text string) *forwarder.Message {
		m := message(text)
		m.Strays = forwarder.SomeStrays
		return m
	}
	s := serve(t, imaptest.Options{Caps: []string{"BINARY"}})
	p := newPool(t, s)
	wantOutcome(t, p, stray("A: b\r\n\r\na\x00b\r\n"), "accepted dot 250 2.0.0 OK done")
	wantOutcome(t, p, stray("A: b\r\n\r\na\rb\r\n"), "accepted dot 250 2.0.0 OK done")
	said := strings.Join(s.Said(), "\n")
	if !strings.Contains(said, `"INBOX" ~{13}`) || !strings.Contains(said, `"INBOX" {13}`) {
		t.Errorf("the client said %q", said)
	}
	for i, want := range []string{"A: b\r\n\r\na\x00b\r\n", "A: b\r\n\r\na\rb\r\n"} {
		if got := string(s.Messages("INBOX")[i].Octets); got != want {
			t.Errorf("stored %q, want %q", got, want)
		}
	}
	refusing := serve(t, imaptest.Options{Fault: func(e imaptest.Event) imaptest.Fault {
		if e.Command == "MESSAGE" && e.Appends == 1 {
			return imaptest.Fault{Reply: "NO Message contains invalid header"}
		}
		if e.Command == "MESSAGE" && e.Appends == 2 {
			return imaptest.Fault{Reply: "NO Message contains bare CR"}
		}
		return imaptest.Fault{}
	}})
	p = newPool(t, refusing)
	wantOutcome(t, p, stray("A: b\r\nno field\r\n\r\na\rb\r\n"), "refused dot 554 5.6.0 NO Message contains invalid header") // for something else
	wantOutcome(t, p, stray("A: b\r\n\r\na\rb\r\n"), "refused dot 554 5.6.0 NO Message contains bare CR")
	wantOutcome(t, p, stray("A: b\r\n\r\na\rb\r\n"), "impossible data 554 5.6.1 the message has a CR that is not part of a line end, and the server has refused such messages")
	wantOutcome(t, p, message("A: b\r\n\r\nab\r\n"), "accepted dot 250 2.0.0 OK done")
	if p.Facts().NoStrays.Count != 1 {
		t.Errorf("facts: %+v", p.Facts())
	}
}

// TestDate: the message's date goes with it, but never one in the future or before
// 1970; its flags are none.
func TestDate(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	west := time.FixedZone("", -3*3600-1800)
	for _, tt := range []struct{ date, want time.Time }{
		{time.Date(2026, 11, 5, 9, 8, 7, 0, west), time.Date(2026, 11, 5, 9, 8, 7, 0, west)},
		{now.Add(time.Hour), now},
		{time.Date(1969, 12, 31, 0, 0, 0, 0, time.UTC), time.Time{}},
		{time.Time{}, time.Time{}},
	} {
		s := serve(t, imaptest.Options{})
		p := newPool(t, s, func(o *imap.Options) { o.Now = func() time.Time { return now } })
		m := mail("one", "hi")
		m.Date = tt.date
		wantOutcome(t, p, m, "accepted dot 250 2.0.0 OK done")
		if got := s.Messages("INBOX")[0]; !got.Date.Equal(tt.want) || got.Flags != "" {
			t.Errorf("%v: stored with %v and flags %q, want %v", tt.date, got.Date, got.Flags, tt.want)
		}
	}
}

// TestCheck: the folder exists and takes messages; nothing is stored.
func TestCheck(t *testing.T) {
	t.Parallel()
	readOnly := func(e imaptest.Event) imaptest.Fault {
		if e.Command == "APPEND" {
			return imaptest.Fault{Reply: "NO [NOPERM] not yours"}
		}
		return imaptest.Fault{}
	}
	for name, tt := range map[string]struct {
		o      imaptest.Options
		change func(*imap.Options)
		want   string
	}{
		"good":         {imaptest.Options{}, nil, ""},
		"no folder":    {imaptest.Options{}, func(o *imap.Options) { o.Folder = "none" }, "rcpt: NO [NONEXISTENT] no such folder"},
		"made":         {imaptest.Options{}, func(o *imap.Options) { o.Folder, o.CreateFolder = "none", true }, ""},
		"only to read": {imaptest.Options{Fault: readOnly}, nil, "rcpt: NO [NOPERM] not yours"},
		"no login":     {imaptest.Options{Secret: "another"}, nil, "auth: NO [AUTHENTICATIONFAILED] Invalid credentials"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tt.o)
			p := newPool(t, s, func(o *imap.Options) {
				if tt.change != nil {
					tt.change(o)
				}
			})
			got := ""
			if err := p.Check(t.Context()); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for _, f := range s.Folders() {
				if n := len(s.Messages(f)); n > 0 {
					t.Errorf("%d messages in %s", n, f)
				}
			}
		})
	}
}

// TestLongName: what a server puts around the name of a folder has a limit, because
// the ledger has it with each message.
func TestLongName(t *testing.T) {
	t.Parallel()
	for name, spaces := range map[string]string{
		"prefix":    `(("` + strings.Repeat("x", 5000) + `" "/")) NIL NIL`,
		"delimiter": `(("" "` + strings.Repeat("x", 5000) + `")) NIL NIL`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := &peer{t: t, scripts: []string{hello + strings.ReplaceAll(entry, "IMAP4rev1", "IMAP4rev1 NAMESPACE") + "C: a3 NAMESPACE\n S: * NAMESPACE " + spaces + "\n S: a3 OK\n C: a4 LOGOUT\n C!\n"}}
				p := imap.New(imap.Options{Dial: peer.dial, Username: "leo", Secret: secret("geheim123"), Folder: "a/b"})
				o, _, err := deliver(t.Context(), p, message("hi\r\n"))
				if err != nil || o.Kind != forwarder.Broken || !strings.Contains(fmt.Sprint(o.Err), "octets, and the limit is 4096") {
					t.Errorf("got %v and %v", describe(o), err)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}
