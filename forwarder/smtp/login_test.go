package smtp_test

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// offers is a server that offers AUTH with some methods.
func offers(methods string) string {
	return "S: 220 mx\n C: EHLO client.example\n S: 250-mx\n S: 250 AUTH " + methods + "\n"
}

// encode writes base64 as AUTH has it.
func encode(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

func TestLogin(t *testing.T) {
	t.Parallel()
	plain := encode("\x00leo\x00s3cret")
	tests := []struct {
		name   string
		method login.Method
		lmtp   bool
		script string
		want   string // of Check, "" when the login succeeds
	}{
		{
			name:   "PLAIN is preferred",
			script: offers("LOGIN XOAUTH2 PLAIN") + "C: AUTH PLAIN " + plain + "\n S: 235 2.7.0 welcome\n" + bye,
		},
		{
			name:   "LOGIN where there is no PLAIN",
			script: offers("DIGEST-MD5 LOGIN") + "C: AUTH LOGIN\n S: 334 " + encode("User Name\x00") + "\n C: " + encode("leo") + "\n S: 334 " + encode("Password\x00") + "\n C: " + encode("s3cret") + "\n S: 235 ok\n" + bye,
		},
		{
			name:   "LOGIN because it is wanted",
			method: login.Login,
			script: offers("PLAIN LOGIN") + "C: AUTH LOGIN\n S~ 334 \\r\\n\n C: " + encode("leo") + "\n S~ 334 \\r\\n\n C: " + encode("s3cret") + "\n S: 235 ok\n" + bye,
		},
		{
			name:   "PLAIN by LMTP",
			lmtp:   true,
			script: strings.Replace(offers("PLAIN"), "EHLO", "LHLO", 1) + "C: AUTH PLAIN " + plain + "\n S: 235 ok\n" + bye,
		},
		{
			name:   "PLAIN is wanted and not offered",
			method: login.Plain,
			script: offers("LOGIN") + "C!",
			want:   "auth: no login method in common (wanted: plain; offered: LOGIN)",
		},
		{
			name:   "no AUTH is offered",
			script: hello + "C!",
			want:   "auth: the server offers no login (AUTH)",
		},
		{
			name:   "wrong password",
			script: offers("PLAIN") + "C: AUTH PLAIN " + plain + "\n S: 535 5.7.8 bad credentials\n C: *\n S: 500 what?\n C!",
			want:   "auth: 535 5.7.8 bad credentials",
		},
		{
			name:   "wrong password, connection closed",
			script: offers("PLAIN") + "C: AUTH PLAIN " + plain + "\n S: 421 4.7.0 too many\n S!",
			want:   "auth: 421 4.7.0 too many",
		},
		{
			name:   "the reply repeats the command",
			script: offers("PLAIN") + "C: AUTH PLAIN " + plain + "\n S: 500 5.5.2 what is \"AUTH PLAIN " + plain + "\"?\n S!",
			want:   "auth: 500 5.5.2 what is \"AUTH PLAIN ***\"?",
		},
		{
			name:   "the reply repeats the password",
			method: login.Login,
			script: offers("LOGIN") + "C: AUTH LOGIN\n S~ 334 \\r\\n\n C: " + encode("leo") + "\n S~ 334 \\r\\n\n C: " + encode("s3cret") + "\n S: 535 s3cret is wrong\n S!",
			want:   "auth: 535 *** is wrong",
		},
		{
			name:   "a line that is not a reply repeats the password",
			script: offers("PLAIN") + "C: AUTH PLAIN " + plain + "\n S: ? " + plain + "\n C!",
			want:   "auth: short response: \"? ***\"",
		},
		{
			name:   "PLAIN is offered and unknown: LOGIN in the same session",
			script: offers("PLAIN LOGIN") + "C: AUTH PLAIN " + plain + "\n S: 504 5.7.4 Unrecognized authentication type\n C: *\n S: 500 what?\n" + loginDialogue + bye,
		},
		{
			name:   "in lower case, and in the old form",
			script: "S: 220 mx\n C: EHLO client.example\n S: 250-mx\n S: 250 auth=login\n" + loginDialogue + bye,
		},
		{
			name:   "each method is tried once",
			script: offers("PLAIN LOGIN") + "C: AUTH PLAIN " + plain + "\n S: 502 no\n C: *\n S: 500 what?\n C: AUTH LOGIN\n S: 504 5.7.4 nor that\n C: *\n S: 500 what?\n C!",
			want:   "auth: 504 5.7.4 nor that",
		},
		{
			name:   "a wrong password is not tried by another method",
			script: offers("PLAIN LOGIN") + "C: AUTH PLAIN " + plain + "\n S: 535 5.7.8 bad credentials\n C: *\n S: 500 what?\n C!",
			want:   "auth: 535 5.7.8 bad credentials",
		},
		{
			name:   "nor a refusal for another reason of security",
			script: offers("PLAIN LOGIN") + "C: AUTH PLAIN " + plain + "\n S: 501 5.7.0 not from you\n C: *\n S: 500 what?\n C!",
			want:   "auth: 501 5.7.0 not from you",
		},
		{
			name:   "the method that is wanted is the only one",
			method: login.Plain,
			script: offers("PLAIN LOGIN") + "C: AUTH PLAIN " + plain + "\n S: 504 5.7.4 no\n C: *\n S: 500 what?\n C!",
			want:   "auth: 504 5.7.4 no",
		},
		{
			name:   "in words: the next method",
			script: offers("PLAIN LOGIN") + "C: AUTH PLAIN " + plain + "\n S: 535 5.7.8 Error: authentication failed: Invalid authentication mechanism\n C: *\n S: 500 what?\n" + loginDialogue + bye,
		},
		{
			name:   "in clear, what hides the password comes first",
			script: offers("PLAIN CRAM-MD5 LOGIN") + cram + "S: 235 ok\n" + bye,
		},
		{
			name:   "in clear, no method reveals the password after one that hides it was refused",
			script: offers("PLAIN CRAM-MD5 LOGIN") + "C: AUTH CRAM-MD5\n S: 504 5.7.4 no\n C: *\n S: 500 what?\n C!",
			want:   "auth: 504 5.7.4 no",
		},
		{
			name:   "in clear, nor after one that cannot go on",
			script: offers("PLAIN CRAM-MD5") + "C: AUTH CRAM-MD5\n S: 334 ???\n C: *\n S: 501 cancelled\n C!",
			want:   "auth: AUTH CRAM-MD5: illegal base64 data at input byte 0",
		},
		{
			name:   "CRAM-MD5 is wanted",
			method: login.CRAMMD5,
			script: offers("PLAIN CRAM-MD5") + cram + "S: 535 5.7.8 no\n C: *\n S: 500 what?\n C!",
			want:   "auth: 535 5.7.8 no",
		},
		{
			name:   "the response of CRAM-MD5 is repeated",
			script: offers("CRAM-MD5") + cram + "S: 535 what is " + encode("leo "+digest) + "?\n S!",
			want:   "auth: 535 what is ***?",
		},
		{
			name:   "one question too many",
			method: login.Login,
			script: offers("LOGIN") + "C: AUTH LOGIN\n S~ 334 \\r\\n\n C: " + encode("leo") + "\n S~ 334 \\r\\n\n C: " + encode("s3cret") + "\n S~ 334 \\r\\n\n C: *\n S: 501 cancelled\n C!",
			want:   "auth: AUTH LOGIN: sasl: unexpected server challenge",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, tt.script)
				o := options(peer)
				o.LMTP, o.Username, o.Auth = tt.lmtp, "leo", tt.method
				asked := 0
				o.Secret = func(context.Context) (string, error) { asked++; return "s3cret", nil }
				p := smtp.New(o)
				err := p.Check(t.Context())
				if got := text(err); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if asked != 1 {
					t.Errorf("asked %d times for the password", asked)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// cram is AUTH CRAM-MD5 with leo's password up to the server's answer, and digest
// what he sends (RFC 2195).
const digest = "6ccfb83cbc1a39155df84687201862c6"

var cram = "C: AUTH CRAM-MD5\n S: 334 " + encode("<1.2@mx>") + "\n C: " + encode("leo "+digest) + "\n "

// loginDialogue is AUTH LOGIN with leo's password.
var loginDialogue = "C: AUTH LOGIN\n S~ 334 \\r\\n\n C: " + encode("leo") + "\n S~ 334 \\r\\n\n C: " + encode("s3cret") + "\n S: 235 ok\n"

// TestRefusedMethodIsRemembered: by the sessions of a pool, and by the next pool.
// Where the server hangs up, the next method is tried in a new session.
func TestRefusedMethodIsRemembered(t *testing.T) {
	t.Parallel()
	refused := offers("PLAIN LOGIN") + "C: AUTH PLAIN " + encode("\x00leo\x00s3cret") + "\n S: 504 5.7.4 what?\n"
	goesOn, again := refused+"C: *\n S: 500 what?\n"+loginDialogue+bye, offers("PLAIN LOGIN")+loginDialogue+bye
	for name, scripts := range map[string][]string{
		"the session goes on": {goesOn, again, again},
		"the server hangs up": {refused + "S!", again, again, again},
		"the server says 421": {refused + "C: *\n S: 421 enough\n S!", again, again, again},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, scripts...)
				o := options(peer)
				o.Username, o.Secret = "leo", func(context.Context) (string, error) { return "s3cret", nil }
				for range 2 {
					p := smtp.New(o)
					if err := p.Check(t.Context()); err != nil {
						t.Error(err)
					}
					if peer.dialled() < len(scripts) {
						if err := p.Check(t.Context()); err != nil {
							t.Error(err)
						}
					}
					o.Facts = p.Facts()
					_ = p.Close()
				}
				peer.done()
			})
		})
	}
}

// text is what an error says, "" for none.
func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestLoginWithoutSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, offers("PLAIN")+"C!")
		o := options(peer)
		locked := errors.New("the vault is locked")
		o.Username, o.Secret = "leo", func(context.Context) (string, error) { return "", locked }
		p := smtp.New(o)
		out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), notReady(t))
		if got, want := describe(out), "unusable auth password: the vault is locked"; got != want || err != nil {
			t.Errorf("got %q and %v, want %q", got, err, want)
		}
		if len(out) != 1 || out[0].Stage != forwarder.StageAuth || !errors.Is(out[0].Err, locked) {
			t.Errorf("got %+v, want it unusable at auth by %v", out, locked)
		}
		_ = p.Close()
		peer.done()
	})
}
