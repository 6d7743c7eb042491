package imaptest

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

const text = "From: a@example.org\r\nMessage-ID: <1@example.org>\r\nX-Other: y\r\n\r\nhi\r\n"

// login connects go-imap's client.
func login(t *testing.T, o Options) (*Server, *imapclient.Client) {
	t.Helper()
	s, err := Start(o)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := s.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c := imapclient.New(conn, nil)
	t.Cleanup(func() {
		_ = c.Close()
		_ = s.Close()
	})
	if err := c.Login("leo", "secret").Wait(); err != nil {
		t.Fatal(err)
	}
	return s, c
}

// put appends a message.
func put(t *testing.T, c *imapclient.Client, folder, text string) (*imap.AppendData, error) {
	t.Helper()
	cmd := c.Append(folder, int64(len(text)), &imap.AppendOptions{Time: time.Date(2026, 11, 5, 1, 2, 3, 0, time.UTC)})
	_, _ = io.WriteString(cmd, text) // a refusal shows below
	_ = cmd.Close()
	return cmd.Wait()
}

// TestWithAnotherClient: what a client that was not written here stores, it finds.
func TestWithAnotherClient(t *testing.T) {
	t.Parallel()
	s, c := login(t, Options{Caps: []string{"UIDPLUS", "NAMESPACE"}})
	got, err := put(t, c, "INBOX", text)
	if err != nil || got.UID != 100 || got.UIDValidity != 6 {
		t.Fatalf("got %+v and %v", got, err)
	}
	stored := s.Messages("INBOX")
	if len(stored) != 1 || string(stored[0].Octets) != text || stored[0].Date.Unix() != time.Date(2026, 11, 5, 1, 2, 3, 0, time.UTC).Unix() {
		t.Errorf("stored %+v", stored)
	}
	if status, err := c.Status("INBOX", &imap.StatusOptions{UIDNext: true, UIDValidity: true}).Wait(); err != nil || status.UIDNext != 101 || status.UIDValidity != 6 {
		t.Errorf("status %+v and %v", status, err)
	}
	if opened, err := c.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil || opened.NumMessages != 1 {
		t.Errorf("opened %+v and %v", opened, err)
	}
	section := &imap.FetchItemBodySection{Specifier: imap.PartSpecifierHeader, HeaderFields: []string{"MESSAGE-ID"}, Peek: true}
	var all imap.UIDSet
	all.AddRange(1, 0)
	messages, err := c.Fetch(all, &imap.FetchOptions{UID: true, RFC822Size: true, BodySection: []*imap.FetchItemBodySection{section}}).Collect()
	if err != nil || len(messages) != 1 || string(messages[0].FindBodySection(section)) != "Message-ID: <1@example.org>\r\n\r\n" || messages[0].RFC822Size != int64(len(text)) {
		t.Errorf("fetched %+v and %v", messages[0], err)
	}
	found, err := c.UIDSearch(&imap.SearchCriteria{Header: []imap.SearchCriteriaHeaderField{{Key: "X-Other", Value: "y"}}}, nil).Wait()
	if err != nil || len(found.AllUIDs()) != 1 {
		t.Errorf("found %+v and %v", found, err)
	}
	if folders, err := c.List("", "*", nil).Collect(); err != nil || len(folders) != 1 || folders[0].Mailbox != "INBOX" {
		t.Errorf("folders %+v and %v", folders, err)
	}
	if err := c.Logout().Wait(); err != nil {
		t.Error(err)
	}
}

// TestPersonalities: what is peculiar about each.
func TestPersonalities(t *testing.T) {
	t.Parallel()
	small := func(o Options) Options { o.MaxSize = 10; return o }
	forgets := Options{Forgets: true}
	for name, tt := range map[string]struct {
		o      Options
		want   string // the error of the second of two messages with one Message-ID
		stored int
		bodies int // different ones
	}{
		"any":      {Options{}, "", 2, 2},
		"Gmail":    {Gmail(), "", 2, 1},
		"Yahoo":    {Yahoo(), "", 2, 2},
		"Courier":  {Courier(), "", 2, 2},
		"Exchange": {small(Exchange()), "Maximum size of appendable message has been exceeded", 0, 0},
		"iCloud":   {small(ICloud()), " ", 0, 0}, // the client hangs up at BAD
		"forgets":  {forgets, "", 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := login(t, tt.o)
			_, _ = put(t, c, "INBOX", text)
			_, err := put(t, c, "INBOX", text+"more\r\n")
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			bodies := map[string]bool{}
			for _, m := range s.Messages("INBOX") {
				bodies[string(m.Octets)] = true
			}
			if n := len(s.Messages("INBOX")); n != tt.stored || len(bodies) != tt.bodies {
				t.Errorf("%d messages with %d bodies, want %d and %d", n, len(bodies), tt.stored, tt.bodies)
			}
		})
	}
}
