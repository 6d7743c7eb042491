package check

import (
	"fmt"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// TestIMAP: each folder that mail goes to is tried, and the login is shown once;
// nothing is stored unless a test message is asked for. That is looked for
// afterwards: a server that accepts it and does not have it is told by that.
func TestIMAP(t *testing.T) {
	t.Parallel()
	gmail := imaptest.Gmail()
	gmail.Caps = append(gmail.Caps, "ESEARCH")
	for name, tt := range map[string]struct {
		o        imaptest.Options
		account  string // more keys of it
		spam     string // spam_folder
		send     bool
		ok       bool
		want     []string // on the screen
		messages int      // in INBOX afterwards
	}{
		"two folders": {
			imaptest.Options{Folders: map[string]string{"Work/ISP": ""}, Caps: []string{"APPENDLIMIT=35651584"}}, "folder: Work/ISP", "", true, true,
			[]string{"  Work/ISP; takes messages of up to 36 MB\n", "  INBOX; takes messages of up to 36 MB\n", "  OK done; it was looked for, and is there\n"}, 1,
		},
		"no message without being asked": {imaptest.Options{}, "folder: INBOX", "", false, true, []string{"  greeting", "  INBOX\n"}, 0},
		"one folder is missing":          {imaptest.Options{}, "folder: Nowhere", "", true, false, []string{"  Nowhere: the destination's folder does not exist", "  INBOX\n"}, 0},
		"a label of Gmail's": {
			gmail, "folder: ISP", "", true, true,
			[]string{"  label ISP beside the destination's folder; it is not tried before the first message; takes messages of up to 36 MB\n", "is there\n"}, 1,
		},
		"a folder for spam": {gmail, "folder: INBOX", "auto", false, true, []string{"  INBOX;", "  the folder for junk; takes messages of up to 36 MB\n"}, 0},
		"a missing one":     {imaptest.Options{}, "folder: INBOX", "auto", false, false, []string{"  INBOX\n", "  the folder for junk: the destination's folder does not exist"}, 0},
		"a server that forgets": {
			imaptest.Options{Forgets: true}, "folder: INBOX", "", true, false,
			[]string{"the destination accepted a message, and does not have it: the server says: OK done; afterwards the message was not in the folder", "> Look for it with a mail program"}, 0,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.pop3(popHost, 995, pop3test.Options{TLS: f.cert(popHost), ImplicitTLS: true})
			srv := f.imap(imapHost, 993, dial.Implicit, tt.o)
			ok, text, _ := f.checkWith(Options{Send: tt.send}, isp+", "+tt.account, leosInbox+fmt.Sprintf(", spam_folder: %q", tt.spam))
			if ok != tt.ok {
				t.Errorf("ok = %v, want %v", ok, tt.ok)
			}
			for _, want := range append(tt.want, "  login ") {
				if strings.Count(text, want) < 1 {
					t.Errorf("want %q on the screen:\n%s", want, text)
				}
			}
			if n := strings.Count(text[:strings.Index(text, "account isp")], "  login "); n != 1 {
				t.Errorf("%d logins shown, want one:\n%s", n, text)
			}
			if n := len(srv.Messages("INBOX")); n != tt.messages {
				t.Errorf("%d messages in INBOX, want %d", n, tt.messages)
			}
		})
	}
}
