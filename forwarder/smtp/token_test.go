package smtp_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder/smtp"
)

// xoauth2 is the response of XOAUTH2, and bearer that of OAUTHBEARER, both for leo.
func xoauth2(token string) string { return encode("user=leo\x01auth=Bearer " + token + "\x01\x01") }
func bearer(token string) string {
	return encode("n,a=leo,\x01auth=Bearer " + token + "\x01\x01")
}

func TestLoginByToken(t *testing.T) {
	t.Parallel()
	const (
		reason = `{"status":"401","schemes":"bearer","scope":"https://mail.google.com/"}`
		no     = "S: 535-5.7.8 Username and Password not accepted. For more information, go to\n S: 535 5.7.8 https://support.google.com/mail/?p=BadCredentials\n C: *\n S: 502 what?\n"
	)
	challenge := "S: 334 " + encode(reason) + "\n C:\n "
	refused := "auth: 535 5.7.8 Username and Password not accepted. For more information, go to https://support.google.com/mail/?p=BadCredentials " + reason
	long := strings.Repeat("ya29.", 100)
	for _, tt := range []struct {
		name    string
		method  login.Method
		tokens  []string // what the command prints, one run after the other; the last one again and again
		scripts []string // "|" between connections
		want    string
		asked   int
	}{
		{name: "XOAUTH2", tokens: []string{"new"}, asked: 1,
			scripts: []string{offers("PLAIN XOAUTH2 OAUTHBEARER") + "C: AUTH XOAUTH2 " + xoauth2("new") + "\n S: 235 2.7.0 Accepted\n" + bye}},
		{name: "OAUTHBEARER", tokens: []string{"new"}, asked: 1,
			scripts: []string{offers("LOGIN OAUTHBEARER") + "C: AUTH OAUTHBEARER " + bearer("new") + "\n S: 235 2.7.0 Accepted\n" + bye}},
		{name: "OAUTHBEARER wanted", method: login.OAuthBearer, tokens: []string{"new"}, asked: 1,
			scripts: []string{offers("XOAUTH2 OAUTHBEARER") + "C: AUTH OAUTHBEARER " + bearer("new") + "\n S: 235 2.7.0 Accepted\n" + bye}},
		{name: "too long for the command", tokens: []string{long}, asked: 1,
			scripts: []string{offers("XOAUTH2") + "C: AUTH XOAUTH2\n S~ 334 \\r\\n\n C: " + xoauth2(long) + "\n S: 235 2.7.0 Accepted\n" + bye}},
		{name: "too long, and refused", tokens: []string{long}, asked: 2, want: refused,
			scripts: []string{offers("XOAUTH2") + "C: AUTH XOAUTH2\n S~ 334 \\r\\n\n C: " + xoauth2(long) + "\n " + challenge + no + "C!"}},
		{name: "never as a password", tokens: []string{"new"}, asked: 1, want: "auth: no login method in common (wanted: xoauth2 or oauthbearer; offered: PLAIN LOGIN CRAM-MD5)",
			scripts: []string{offers("PLAIN LOGIN CRAM-MD5") + "C!"}},
		{name: "a method that is not there", tokens: []string{"new"}, asked: 1,
			scripts: []string{offers("XOAUTH2 OAUTHBEARER") + "C: AUTH XOAUTH2 " + xoauth2("new") + "\n S: 504 5.7.4 Unrecognized authentication type\n C: *\n S: 500 what?\n" +
				"C: AUTH OAUTHBEARER " + bearer("new") + "\n S: 235 2.7.0 Accepted\n" + bye}},
		{name: "the same token again is not tried", tokens: []string{"old"}, asked: 2, want: refused,
			scripts: []string{offers("XOAUTH2 OAUTHBEARER") + "C: AUTH XOAUTH2 " + xoauth2("old") + "\n " + challenge + no + "C!"}},
		{name: "a fresh token", tokens: []string{"old", "new"}, asked: 2,
			scripts: []string{offers("XOAUTH2") + "C: AUTH XOAUTH2 " + xoauth2("old") + "\n " + challenge + no + "C: AUTH XOAUTH2 " + xoauth2("new") + "\n S: 235 2.7.0 Accepted\n" + bye}},
		{name: "only one fresh token", tokens: []string{"old", "new", "newer"}, asked: 2, want: "auth: 535 5.7.3 Authentication unsuccessful",
			scripts: []string{offers("XOAUTH2") + "C: AUTH XOAUTH2 " + xoauth2("old") + "\n S: 535 5.7.3 no\n C: *\n S: 500 what?\n C: AUTH XOAUTH2 " + xoauth2("new") + "\n S: 535 5.7.3 Authentication unsuccessful\n C: *\n S: 500 what?\n C!"}},
		{name: "a fresh token in another session", tokens: []string{"old", "new", "newer"}, asked: 3,
			scripts: []string{offers("XOAUTH2") + "C: AUTH XOAUTH2 " + xoauth2("old") + "\n S: 535 5.7.3 no\n S!",
				offers("XOAUTH2") + "C: AUTH XOAUTH2 " + xoauth2("newer") + "\n S: 235 2.7.0 Accepted\n" + bye}},
		{name: "no fresh token in the other session", tokens: []string{"old", "new", "newer", "newest"}, asked: 3, want: "auth: 535 5.7.3 nor that",
			scripts: []string{offers("XOAUTH2") + "C: AUTH XOAUTH2 " + xoauth2("old") + "\n S: 535 5.7.3 no\n S!",
				offers("XOAUTH2") + "C: AUTH XOAUTH2 " + xoauth2("newer") + "\n S: 535 5.7.3 nor that\n S!"}},
		{name: "the other session repeats the first token", tokens: []string{"ya29.older", "ya29.newer"}, asked: 3, want: "auth: 535 5.7.3 not *** nor ***",
			scripts: []string{offers("XOAUTH2") + "C: AUTH XOAUTH2 " + xoauth2("ya29.older") + "\n S: 535 5.7.3 no\n S!",
				offers("XOAUTH2") + "C: AUTH XOAUTH2 " + xoauth2("ya29.newer") + "\n S: 535 5.7.3 not ya29.older nor ya29.newer\n S!"}},
		{name: "for another reason, no fresh token", tokens: []string{"old", "new"}, asked: 1, want: "auth: 454 4.7.0 Temporary authentication failure",
			scripts: []string{offers("XOAUTH2") + "C: AUTH XOAUTH2 " + xoauth2("old") + "\n S: 454 4.7.0 Temporary authentication failure\n C: *\n S: 500 what?\n C!"}},
		{name: "the server repeats the token", tokens: []string{"ya29.geheim"}, asked: 2, want: "auth: 535 5.7.8 no *** here",
			scripts: []string{offers("XOAUTH2") + "C: AUTH XOAUTH2 " + xoauth2("ya29.geheim") + "\n S: 535 5.7.8 no YA29.geheim here\n S!"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, tt.scripts...)
				o := options(peer)
				asked := 0
				o.Username, o.Token, o.Auth = "leo", true, tt.method
				o.Secret = func(ctx context.Context) (string, error) {
					asked++
					if refused := login.Refused(ctx); asked == 2 && refused != tt.tokens[0] || asked != 2 && refused != "" {
						t.Errorf("asked for the %d. time because of %q", asked, refused)
					}
					return tt.tokens[min(asked, len(tt.tokens))-1], nil
				}
				p := smtp.New(o)
				err := p.Check(t.Context())
				if got := text(err); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				var fail *smtp.Error
				if says535 := strings.Contains(tt.want, "535"); errors.As(err, &fail) && (fail.Token != says535 || fail.Outcome().Token != says535) {
					t.Errorf("that a token was refused: got %v, want %v", fail.Token, says535)
				}
				if asked != tt.asked {
					t.Errorf("asked %d times for the token, want %d", asked, tt.asked)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// TestLoginByCertificate: EXTERNAL needs no password, and is used only where it is
// wanted.
func TestLoginByCertificate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, offers("PLAIN EXTERNAL")+"C: AUTH EXTERNAL "+encode("leo")+"\n S: 235 ok\n"+bye)
		o := options(peer)
		o.Username, o.Auth = "leo", login.External
		o.Secret = func(context.Context) (string, error) { t.Error("asked for a password"); return "", nil }
		p := smtp.New(o)
		if err := p.Check(t.Context()); err != nil {
			t.Error(err)
		}
		_ = p.Close()
		peer.done()
	})
}
