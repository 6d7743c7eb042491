package pop3

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

// TestLoginFallsBack: a method that is listed and turns out not to be there is
// followed by the next, one whose credentials are refused is not, and a password
// never goes in clear where another way was offered. Each script is one connection
// behind its greeting.
func TestLoginFallsBack(t *testing.T) {
	t.Parallel()
	capa := func(caps ...string) []string { return multiline("C: CAPA", caps) }
	again := []string{"C: CAPA", "S: +OK", "S: ."}
	plain := "C: AUTH PLAIN " + b64("\x00leo\x00secret")
	user := []string{"C: USER leo", "S: +OK", "C: PASS secret", "S: +OK"}
	login := []string{"C: AUTH LOGIN", "S: +", "C: " + b64("leo"), "S: +", "C: " + b64("secret"), "S: +OK"}
	cramMD5 := []string{"C: AUTH CRAM-MD5", "S: + " + b64("<1@x>"), "C: " + b64("leo 4453c3d0fd168792d565c728b4df6739"), "S: +OK"}
	quit := []string{"C: QUIT", "S: +OK"}
	for _, tt := range []struct {
		name    string
		method  Method
		token   bool
		secure  bool
		known   string // methods that were refused before
		scripts [][]string
		refused string // methods that count as refused from now on
		err     string
	}{
		{
			name:    "AUTH is not known",
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN LOGIN"), []string{plain, "S: -ERR unrecognized command"}, user, again)},
			refused: "plain",
		},
		{
			name:    "AUTH is not known, USER is not listed",
			scripts: [][]string{slices.Concat(capa("SASL PLAIN LOGIN"), []string{plain, "S: -ERR unrecognized command", "C: AUTH LOGIN", "S: -ERR unrecognized command"}, user, again)},
			refused: "login plain",
		},
		{
			name:    "known to be refused",
			known:   "login plain",
			scripts: [][]string{slices.Concat(capa("SASL PLAIN LOGIN"), user, again)},
			refused: "login plain",
		},
		{
			name:    "all are known to be refused, and one works again",
			known:   "login plain user",
			scripts: [][]string{slices.Concat(capa("SASL PLAIN LOGIN"), []string{plain, "S: +OK"}, again)},
			refused: "login user",
		},
		{
			name:    "no word about the reason",
			scripts: [][]string{slices.Concat(capa("SASL PLAIN"), []string{plain, "S: -ERR"}, user, again)},
			refused: "plain",
		},
		{
			name:    "a mechanism that is not known",
			secure:  true,
			scripts: [][]string{slices.Concat(capa("SASL PLAIN LOGIN"), []string{plain, "S: -ERR [SYS/PERM] unknown mechanism", "C: QUIT", "S: +OK"})},
			err:     "AUTH PLAIN: the server says: -ERR [SYS/PERM]", // for good, whatever the words
		},
		{
			name:    "under TLS",
			secure:  true,
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN CRAM-MD5"), []string{plain, "S: -ERR unknown mechanism", "C: USER leo", "S: -ERR not implemented"}, cramMD5, again)},
			refused: "plain user",
		},
		{
			name:    "the server hangs up: it was asked too often",
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN"), []string{plain, "X:"})},
			err:     "AUTH PLAIN: the server closed the connection",
		},
		{
			name:    "the server says nothing",
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN"), []string{plain, "W:"}), slices.Concat(capa("USER", "SASL PLAIN"), user, again)},
			refused: "plain",
		},
		{
			name:    "the server refuses and hangs up",
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN"), []string{plain, "S: -ERR unrecognized command", "C: USER leo", "X:"}), slices.Concat(capa("USER", "SASL PLAIN"), user, again)},
			refused: "plain",
		},
		{
			name:    "challenges that cannot be read",
			scripts: [][]string{slices.Concat(capa("SASL SCRAM-SHA-1 CRAM-MD5"), []string{"C: AUTH SCRAM-SHA-1 ***", "S: + ?", "C: *", "S: -ERR"}, cramMD5, again)},
			refused: "scram-sha-1",
		},
		{
			name:    "nothing is known, and USER is not",
			scripts: [][]string{slices.Concat([]string{"C: CAPA", "S: -ERR", "C: USER leo", "S: -ERR unknown command", plain, "S: +OK", "C: CAPA", "S: -ERR"})},
			refused: "user",
		},
		{
			name:  "a token",
			token: true,
			scripts: [][]string{slices.Concat(capa("SASL PLAIN XOAUTH2 OAUTHBEARER"), []string{"C: AUTH XOAUTH2 " + b64("user=leo\x01auth=Bearer secret\x01\x01"), "S: -ERR unknown mechanism",
				"C: AUTH OAUTHBEARER " + b64("n,a=leo,\x01auth=Bearer secret\x01\x01"), "S: +OK"}, again)},
			refused: "xoauth2",
		},
		{
			name:    "a token goes by no method for passwords",
			token:   true,
			scripts: [][]string{slices.Concat(capa("SASL PLAIN XOAUTH2", "USER"), []string{"C: AUTH XOAUTH2 " + b64("user=leo\x01auth=Bearer secret\x01\x01"), "S: -ERR unknown mechanism"}, quit)},
			err:     "AUTH XOAUTH2: the server says: -ERR unknown mechanism",
		},
		{
			name:    "the credentials are refused",
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN"), []string{plain, "S: -ERR [AUTH] no"}, quit)},
			err:     "AUTH PLAIN: the server says: -ERR [AUTH] no",
		},
		{
			name:    "the credentials are refused in words",
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN"), []string{plain, "S: -ERR login failed"}, quit)},
			err:     "AUTH PLAIN: the server says: -ERR login failed",
		},
		{
			name:    "one text for every reason there is",
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN"), []string{plain, "S: -ERR Login fail. Password is incorrect, login frequency limited, or system is busy."}, quit)},
			err:     "AUTH PLAIN: the server says: -ERR Login fail.",
		},
		{
			name:    "the mailbox is locked",
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN"), []string{plain, "S: -ERR [IN-USE] no"}, quit)},
			err:     "AUTH PLAIN: the server says: -ERR [IN-USE] no",
		},
		{
			name:    "PASS is refused without a word: that is about the password",
			scripts: [][]string{slices.Concat(capa("USER", "SASL LOGIN"), []string{"C: USER leo", "S: +OK", "C: PASS secret", "S: -ERR"}, quit)},
			err:     "PASS: the server says: -ERR",
		},
		{
			name:    "no password in clear behind a challenge",
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN LOGIN CRAM-MD5"), []string{"C: AUTH CRAM-MD5", "S: -ERR unknown mechanism"}, quit)},
			err:     "AUTH CRAM-MD5: the server says: -ERR unknown mechanism",
		},
		{
			name:    "no password in clear behind a challenge that was refused before",
			known:   "cram-md5",
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN LOGIN CRAM-MD5"), []string{"C: AUTH CRAM-MD5", "S: -ERR unknown mechanism"}, quit)},
			refused: "cram-md5",
			err:     "AUTH CRAM-MD5: the server says: -ERR unknown mechanism",
		},
		{
			name:    "a method that the user chose",
			method:  MethodPlain,
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN"), []string{plain, "S: -ERR unrecognized command"}, quit)},
			err:     "AUTH PLAIN: the server says: -ERR unrecognized command",
		},
		{
			name:   "four at most",
			secure: true,
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5"), []string{plain, "S: -ERR unrecognized command",
				"C: USER leo", "S: -ERR unrecognized command", "C: AUTH LOGIN", "S: -ERR unrecognized command", "C: AUTH SCRAM-SHA-256 ***", "S: -ERR unrecognized command"}, quit)},
			err: "AUTH SCRAM-SHA-256: the server says: -ERR unrecognized command",
		},
		{
			name:    "the last one works",
			secure:  true,
			scripts: [][]string{slices.Concat(capa("USER", "SASL PLAIN LOGIN"), []string{plain, "S: -ERR unrecognized command", "C: USER leo", "S: -ERR unrecognized command"}, login, again)},
			refused: "plain user",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				cfg := Config{
					Credentials: Credentials{Method: tt.method, Token: tt.token, Username: "leo", Secret: func(context.Context) (string, error) {
						asked++
						return "secret", nil
					}},
					Facts: Facts{Refused: tt.known},
				}
				scripts := make([][]string, len(tt.scripts))
				for i, s := range tt.scripts {
					scripts[i] = slices.Concat(greet, s)
					if tt.secure {
						scripts[i] = slices.Concat(greet, []string{"C: STLS", "S: +OK", "T:"}, s)
						cfg.StartTLS = upgrade(clientTLS())
					}
				}
				cfg.Dial = connections(t, scripts)
				c, facts, err := Open(t.Context(), cfg, nil)
				if c != nil {
					defer c.Close()
				}
				if facts.Refused != tt.refused {
					t.Errorf("methods that count as refused: %q, want %q", facts.Refused, tt.refused)
				}
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				unknown := strings.Contains(tt.err, "unrecognized") || strings.Contains(tt.err, "-ERR unknown")
				if errors.Is(err, ErrMethod) != unknown {
					t.Errorf("error %v is about the method: %v, want %v", err, !unknown, unknown)
				}
				if asked > len(scripts) {
					t.Errorf("the password was asked for %d times on %d connections, want once for each", asked, len(scripts))
				}
			})
		})
	}
}
