package smtp_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// TestSecretComesBack: however the server repeats the password, and whenever, it is
// in no outcome and no trace, and what the reply means stays the same.
func TestSecretComesBack(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		secret, reply string // to MAIL
		want          string // of the outcome
		trace         string
		noRoom        bool
	}{
		"whole":            {"Hunter2-Geheim", "550 5.7.1 session of leo/Hunter2-Geheim expired", "550 5.7.1 session of leo/*** expired", "", false},
		"cut, other case":  {"Hunter2-Geheim", "550 not HUNTER2-g...", "550 not ***...", "", false},
		"escaped":          {"Hunter2-Geheim", `451 4.3.0 not "Hunter2\-Geheim"`, `451 4.3.0 not "***"`, "", false},
		"base64":           {"Hunter2-Geheim", "550 not " + strings.ToLower(encode("\x00leo\x00Hunter2-Geheim"))[4:20], "550 not ***", "", false},
		"a word":           {"mailbox", "452 mailbox full, mailbox of leo", "452 *** full, *** of leo", "", true},
		"in two lines":     {"mailbox", "452-4.2.2 mailbox\n S: 452 4.2.2 full", "452 4.2.2 *** full", "S: 452-4.2.2 ***\nS: 452 4.2.2 full\n", true},
		"a code":           {"4.2.2 ", "452 4.2.2 over quota", "452 4.2.2 over quota", "", true},
		"code and text":    {"452 4.2.2 over", "452 4.2.2 over quota", "452 4.2.2 over quota", "", true},
		"a code, as words": {"4.2.2", "452 4.2.2 4.2.2 quota", "452 4.2.2 *** quota", "", true},
		"no reply at all":  {"Hunter2-Geheim", "what is Hunter2-Geheim?", `protocol violation: "what is ***?" is not a reply`, "S: what is ***?\n", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				last := bye
				if tt.trace == "" {
					tt.trace = "S: " + tt.want + "\n"
				}
				if strings.HasPrefix(tt.reply, "what") {
					last = "C!"
				}
				peer := newPeer(t, offers("PLAIN")+"C: AUTH PLAIN "+encode("\x00leo\x00"+tt.secret)+"\n S: 235 welcome leo/"+tt.secret+"\n"+
					"C: MAIL FROM:<a@example.org>\n S: "+tt.reply+"\n"+last)
				o := options(peer)
				var tr transcript
				o.Trace = tr.trace
				o.Username, o.Secret = "leo", func(context.Context) (string, error) { return tt.secret, nil }
				p := smtp.New(o)
				out, err := deliver(t.Context(), p, message("hi\r\n"), ready)
				_ = p.Close()
				peer.done()
				if err != nil || len(out) != 1 || out[0].Reply() != tt.want || out[0].NoRoom() != tt.noRoom {
					t.Errorf("got %+v, %v; want %s, no room %v", out, err, tt.want, tt.noRoom)
				}
				if got := tr.String(); !strings.Contains(got, tt.trace) || strings.Contains(got, "leo/"+tt.secret) {
					t.Errorf("got the trace\n%s\nwant in it %s", got, tt.trace)
				}
			})
		})
	}
}

// TestRefusalOfLoginIsUnderstood: by the words of the server, also where one of
// them is the password.
func TestRefusalOfLoginIsUnderstood(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, offers("PLAIN")+"C: AUTH PLAIN "+encode("\x00leo\x00starttls")+"\n S: 530 5.7.0 Must issue a STARTTLS command first\n C: *\n S: 500 what?\n C!")
		o := options(peer)
		o.Username, o.Secret = "leo", func(context.Context) (string, error) { return "starttls", nil }
		p := smtp.New(o)
		out, err := deliver(t.Context(), p, message("hi\r\n"), ready)
		_ = p.Close()
		peer.done()
		const want = "530 5.7.0 Must issue a *** command first"
		if err != nil || len(out) != 1 || out[0].Reply() != want || !out[0].WantsTLS() || out[0].Stage != forwarder.StageAuth {
			t.Errorf("got %+v, %v; want %s, about TLS", out, err, want)
		}
	})
}
