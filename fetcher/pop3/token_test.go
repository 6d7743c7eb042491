package pop3

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/popferry/popferry/fetcher/login"
)

// TestRefusedToken: where a token is refused, one other is tried, in the same session
// where that still stands. Each script is one connection behind its greeting.
func TestRefusedToken(t *testing.T) {
	t.Parallel()
	capa := multiline("C: CAPA", []string{"SASL XOAUTH2 OAUTHBEARER"})
	xoauth2 := func(token string) string {
		return "C: AUTH XOAUTH2 " + b64("user=leo\x01auth=Bearer "+token+"\x01\x01")
	}
	bearer := func(token string) string {
		return "C: AUTH OAUTHBEARER " + b64("n,a=leo,\x01auth=Bearer "+token+"\x01\x01")
	}
	in := []string{"S: +OK", "C: CAPA", "S: +OK", "S: ."}
	quit := []string{"C: QUIT", "S: +OK"}
	const no = "S: -ERR [AUTH] no"
	errSource := errors.New("the provider has ended the sign-in")
	for name, tt := range map[string]struct {
		tokens  []string // one after the other; the last one again and again; "" cannot be had
		asked   int
		scripts [][]string
		err     string
	}{
		"a fresh token":                  {tokens: []string{"old", "new"}, asked: 2, scripts: [][]string{slices.Concat(capa, []string{xoauth2("old"), no, xoauth2("new")}, in)}},
		"the same token is not tried":    {tokens: []string{"old"}, asked: 2, scripts: [][]string{slices.Concat(capa, []string{xoauth2("old"), no}, quit)}, err: "AUTH XOAUTH2: the server says: -ERR [AUTH] no"},
		"only one fresh token":           {tokens: []string{"old", "new", "newer"}, asked: 2, scripts: [][]string{slices.Concat(capa, []string{xoauth2("old"), no, xoauth2("new"), no + "r that"}, quit)}, err: "-ERR [AUTH] nor that"},
		"no fresh token":                 {tokens: []string{"old", ""}, asked: 2, scripts: [][]string{slices.Concat(capa, []string{xoauth2("old"), no}, quit)}, err: errSource.Error()},
		"the server hangs up":            {tokens: []string{"old", "new", "newer", "newest"}, asked: 3, scripts: [][]string{slices.Concat(capa, []string{xoauth2("old"), no, "X:"}), slices.Concat(capa, []string{xoauth2("newer")}, in)}},
		"for another reason":             {tokens: []string{"old", "new"}, asked: 1, scripts: [][]string{slices.Concat(capa, []string{xoauth2("old"), "S: -ERR [IN-USE] no"}, quit)}, err: "-ERR [IN-USE] no"},
		"refused without a word":         {tokens: []string{"old", "new"}, asked: 2, scripts: [][]string{slices.Concat(capa, []string{xoauth2("old"), "S: -ERR", bearer("old"), "S: -ERR", xoauth2("new")}, in)}},
		"the second method, a new token": {tokens: []string{"old", "new"}, asked: 2, scripts: [][]string{slices.Concat(capa, []string{xoauth2("old"), "S: -ERR", bearer("old"), no, xoauth2("new")}, in)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				asked := 0
				secret := func(ctx context.Context) (string, error) {
					asked++
					if refused := login.Refused(ctx); asked == 2 && refused != tt.tokens[0] || asked != 2 && refused != "" {
						t.Errorf("asked for the %d. time because of %q", asked, refused)
					}
					token := tt.tokens[min(asked, len(tt.tokens))-1]
					if token == "" {
						return "", errSource
					}
					return token, nil
				}
				scripts := make([][]string, len(tt.scripts))
				for i, s := range tt.scripts {
					scripts[i] = slices.Concat(greet, s)
				}
				c, facts, err := Open(t.Context(), Config{
					Dial:        connections(t, scripts),
					Credentials: Credentials{Token: true, Username: "leo", Secret: secret},
				}, nil)
				if c != nil {
					defer c.Close()
				}
				if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				if asked != tt.asked {
					t.Errorf("asked %d times for a token, want %d", asked, tt.asked)
				}
				if facts.Refused != "" {
					t.Errorf("%s counts as a method that is not there", facts.Refused)
				}
			})
		})
	}
}
