package imap_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder/imap"
)

// encode writes base64 as AUTHENTICATE has it.
func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// TestMechanisms: what is said in a login, word by word, and how often the password
// or token is asked for.
func TestMechanisms(t *testing.T) {
	t.Parallel()
	const (
		digest = "leo 6ccfb83cbc1a39155df84687201862c6"
		reason = `{"status":"401"}`
	)
	// in is the rest of a session whose login has the tag a2; later has the tag a3.
	const in = "S: a2 OK in\n C: a3 CAPABILITY\n S: * CAPABILITY IMAP4rev1\n S: a3 OK done\n C: a4 LIST \"\" \"\"\n S: a4 OK done\n" +
		"C: a5 STATUS \"INBOX\" (UIDVALIDITY UIDNEXT)\n S: * STATUS INBOX (UIDVALIDITY 6 UIDNEXT 100)\n S: a5 OK done\n C: a6 APPEND \"INBOX\" {1}\n S: + go\n C!\n"
	later := strings.NewReplacer("a6", "a7", "a5", "a6", "a4", "a5", "a3", "a4", "a2", "a3").Replace(in)
	offers := func(caps string) string {
		return "S: * OK hi\n C: a1 CAPABILITY\n S: * CAPABILITY IMAP4rev1 " + caps + "\n S: a1 OK done\n"
	}
	cram := "C: a2 AUTHENTICATE CRAM-MD5\n S: + " + encode("<1.2@mx>") + "\n C: " + encode(digest) + "\n"
	bearer := func(tag, token string) string {
		return "C: " + tag + " AUTHENTICATE XOAUTH2 " + encode("user=leo\x01auth=Bearer "+token+"\x01\x01") + "\n"
	}
	explained := func(tag, token string) string { return bearer(tag, token) + "S: + " + encode(reason) + "\n C:\n" }
	for name, tt := range map[string]struct {
		method  login.Method
		token   bool
		secrets []string // asked for one after the other; the last one again and again
		scripts []string
		want    string
		asked   int
	}{
		"in clear, what hides the password comes first": {secrets: []string{"s3cret"}, asked: 1,
			scripts: []string{offers("AUTH=PLAIN AUTH=CRAM-MD5 SASL-IR") + cram + in}},
		"in clear, no method reveals the password after that": {secrets: []string{"s3cret"}, asked: 1, want: "auth: 504 5.7.4 NO Unsupported authentication mechanism.",
			scripts: []string{offers("AUTH=PLAIN AUTH=CRAM-MD5") + "C: a2 AUTHENTICATE CRAM-MD5\n S: a2 NO Unsupported authentication mechanism.\n C!\n"}},
		"in words: the next method": {secrets: []string{"s3cret"}, asked: 1,
			scripts: []string{offers("AUTH=PLAIN SASL-IR") + "C: a2 AUTHENTICATE PLAIN " + encode("\x00leo\x00s3cret") + "\n S: a2 NO [CANNOT] Unsupported authentication mechanism.\n" +
				"C: a3 LOGIN \"leo\" \"s3cret\"\n" + later}},
		"a mechanism that cannot go on is cancelled": {method: login.CRAMMD5, secrets: []string{"s3cret"}, asked: 1, want: "auth: CRAM-MD5: the challenge is not base64",
			scripts: []string{offers("AUTH=CRAM-MD5") + "C: a2 AUTHENTICATE CRAM-MD5\n S: + ???\n C: *\n S: a2 BAD cancelled\n C!\n"}},
		"and breaks the session if the server lets us in": {method: login.CRAMMD5, secrets: []string{"s3cret"}, asked: 1,
			want:    "auth: protocol violation: CRAM-MD5: the challenge is not base64, and the server lets us in nevertheless",
			scripts: []string{offers("AUTH=CRAM-MD5") + "C: a2 AUTHENTICATE CRAM-MD5\n S: + ???\n C: *\n S: a2 OK welcome\n C!\n"}},
		"a server that lets us in by SCRAM without a proof": {method: login.SCRAMSHA256, secrets: []string{"s3cret"}, asked: 1,
			want:    "auth: protocol violation: the server did not prove that it knows the password",
			scripts: []string{offers("AUTH=SCRAM-SHA-256") + "C: a2 AUTHENTICATE SCRAM-SHA-256\n S: a2 OK welcome\n C!\n"}},
		"EXTERNAL": {method: login.External,
			scripts: []string{offers("AUTH=PLAIN AUTH=EXTERNAL SASL-IR") + "C: a2 AUTHENTICATE EXTERNAL " + encode("leo") + "\n" + in}},
		"APOP is no method of IMAP": {method: login.APOP, secrets: []string{"s3cret"}, asked: 1,
			want:    "auth: no login method in common (wanted: apop; offered: PLAIN LOGIN)",
			scripts: []string{offers("AUTH=PLAIN") + "C!\n"}},
		"a token is never sent as a password": {token: true, secrets: []string{"ya29"}, asked: 1,
			want:    "auth: no login method in common (wanted: xoauth2 or oauthbearer; offered: PLAIN LOGIN)",
			scripts: []string{offers("AUTH=PLAIN") + "C!\n"}},
		"the same token again is not tried": {token: true, secrets: []string{"old"}, asked: 2, want: "auth: 535 5.7.8 NO no " + reason,
			scripts: []string{offers("AUTH=XOAUTH2 SASL-IR") + explained("a2", "old") + "S: a2 NO no\n C!\n"}},
		"a fresh token": {token: true, secrets: []string{"old", "new"}, asked: 2,
			scripts: []string{offers("AUTH=XOAUTH2 SASL-IR") + explained("a2", "old") + "S: a2 NO no\n" + bearer("a3", "new") + later}},
		"only one": {token: true, secrets: []string{"old", "new", "newer"}, asked: 2, want: "auth: 535 5.7.8 NO nor that",
			scripts: []string{offers("AUTH=XOAUTH2 SASL-IR") + explained("a2", "old") + "S: a2 NO no\n" + bearer("a3", "new") + "S: a3 NO nor that\n C!\n"}},
		"a fresh token in another session": {token: true, secrets: []string{"old", "new", "newer"}, asked: 3,
			scripts: []string{offers("AUTH=XOAUTH2 SASL-IR") + bearer("a2", "old") + "S: a2 NO no\n", offers("AUTH=XOAUTH2 SASL-IR") + bearer("a2", "newer") + in}},
		"the other session repeats the first token": {token: true, secrets: []string{"ya29.older", "ya29.newer"}, asked: 3, want: "auth: 535 5.7.8 NO not *** nor ***",
			scripts: []string{offers("AUTH=XOAUTH2 SASL-IR") + bearer("a2", "ya29.older") + "S: a2 NO no\n",
				offers("AUTH=XOAUTH2 SASL-IR") + bearer("a2", "ya29.newer") + "S: a2 NO not ya29.older nor ya29.newer\n C!\n"}},
		"for another reason, no fresh token": {token: true, secrets: []string{"old", "new"}, asked: 1, want: "auth: 454 4.7.0 NO [UNAVAILABLE] later",
			scripts: []string{offers("AUTH=XOAUTH2 SASL-IR") + bearer("a2", "old") + "S: a2 NO [UNAVAILABLE] later\n C!\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := &peer{t: t, scripts: tt.scripts}
				asked := 0
				p := imap.New(imap.Options{Dial: peer.dial, Username: "leo", Auth: tt.method, Token: tt.token, Secret: func(ctx context.Context) (string, error) {
					asked++
					if refused := login.Refused(ctx); asked == 2 && refused != tt.secrets[0] || asked != 2 && refused != "" {
						t.Errorf("asked for the %d. time because of %q", asked, refused)
					}
					return tt.secrets[min(asked, len(tt.secrets))-1], nil
				}})
				got, err := "", p.Check(t.Context())
				if err != nil {
					got = err.Error()
				}
				var fail *imap.Error
				if errors.As(err, &fail) && fail.Code != 0 {
					got = fmt.Sprintf("%v: %d %v %s", fail.Stage, fail.Code, fail.Enhanced, fail.Text)
				}
				if got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if refused := tt.token && strings.Contains(tt.want, "535"); errors.As(err, &fail) && (fail.Token != refused || fail.Outcome().Token != refused) {
					t.Errorf("that a token was refused: got %v, want %v", fail.Token, refused)
				}
				if asked != tt.asked {
					t.Errorf("asked %d times, want %d", asked, tt.asked)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}
