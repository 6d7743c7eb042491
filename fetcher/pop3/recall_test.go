package pop3

import (
	"slices"
	"testing"
	"testing/synctest"
)

// TestOpenRecalls: what CAPA said in an earlier session is not asked for before the
// login, and what is wrong about it costs one try: CAPA is asked for then, and decides.
// Each script is one connection.
func TestOpenRecalls(t *testing.T) {
	t.Parallel()
	user := []string{"C: USER leo", "S: +OK", "C: PASS secret", "S: +OK"}
	plain := []string{"C: AUTH PLAIN AGxlbwBzZWNyZXQ="}
	capa := func(caps ...string) []string { return multiline("C: CAPA", caps) }
	byLogin := []string{"C: AUTH LOGIN", "S: + " + b64("Username:"), "C: " + b64("leo"), "S: + " + b64("Password:"), "C: " + b64("secret"), "S: +OK"}
	accepted := []string{"S: +OK"}
	quit := []string{"C: QUIT", "S: +OK"}
	stls := []string{"C: STLS", "S: +OK", "T:"}
	overTLS := Config{StartTLS: upgrade(clientTLS())}
	for _, tt := range []struct {
		name    string
		cfg     Config
		knows   Facts
		scripts [][]string
		offers  string // afterwards
		logins  string // afterwards; "": as before
		refused string // methods that are listed and not there, afterwards
		fails   bool
	}{
		{
			name: "known: the login comes first, and the listing behind it in one go", cfg: Config{ListAhead: true},
			knows: Facts{Offers: "CAPA PIPELINING", Logins: "user"},
			scripts: [][]string{slices.Concat(greet, user,
				[]string{"C: CAPA", "C: UIDL", "C: LIST", "S: +OK", "S: PIPELINING", "S: ."})},
			offers: "CAPA PIPELINING",
		},
		{
			name: "known, without PIPELINING: one command at a time", cfg: Config{ListAhead: true},
			knows:   Facts{Offers: "CAPA", Logins: "user"},
			scripts: [][]string{slices.Concat(greet, user, capa("USER"))},
			offers:  "CAPA",
		},
		{
			name:    "known to have no CAPA",
			knows:   Facts{Offers: OffersNothing},
			scripts: [][]string{slices.Concat(greet, user)},
			offers:  OffersNothing,
		},
		{
			name:    "not known",
			scripts: [][]string{slices.Concat(greet, capa("USER", "UTF8"), []string{"C: UTF8", "S: +OK"}, user, capa("USER"))},
			offers:  "CAPA UTF8", logins: "user",
		},
		{
			name:    "UTF-8 mode as it was offered",
			knows:   Facts{Offers: "CAPA UTF8", Logins: "user"},
			scripts: [][]string{slices.Concat(greet, []string{"C: UTF8", "S: +OK"}, user, capa("UTF8"))},
			offers:  "CAPA UTF8",
		},
		{
			name:    "what was said under TLS does not count in clear",
			knows:   Facts{Offers: "CAPA TLS", Logins: "plain"},
			scripts: [][]string{slices.Concat(greet, capa("USER"), user, capa("USER"))},
			offers:  "CAPA", logins: "user",
		},
		{
			name: "nor what was said in clear under TLS", cfg: overTLS,
			knows:   Facts{Offers: "CAPA", Logins: "user"},
			scripts: [][]string{slices.Concat(greet, stls, capa("SASL PLAIN"), plain, accepted, capa())},
			offers:  "CAPA TLS", logins: "plain",
		},
		{
			name: "known under TLS", cfg: overTLS,
			knows:   Facts{Offers: "CAPA TLS", Logins: "plain"},
			scripts: [][]string{slices.Concat(greet, stls, plain, accepted, capa())},
			offers:  "CAPA TLS",
		},
		{
			name: "no PIPELINING any more", cfg: Config{ListAhead: true},
			knows: Facts{Offers: "CAPA PIPELINING", Logins: "user"},
			scripts: [][]string{slices.Concat(greet, user,
				[]string{"C: CAPA", "C: UIDL", "C: LIST", "S: +OK", "S: UIDL", "S: ."})},
		},
		{
			name:    "UTF-8 mode is new",
			knows:   Facts{Offers: "CAPA", Logins: "user"},
			scripts: [][]string{slices.Concat(greet, user, capa("UTF8"))},
		},
		{
			name:    "no CAPA before the login only",
			scripts: [][]string{slices.Concat(greet, []string{"C: CAPA", "S: -ERR log in first"}, user, capa("PIPELINING"))},
		},
		{
			name: "the method is no longer there: the next one follows in the same session", cfg: overTLS,
			knows: Facts{Offers: "CAPA TLS", Logins: "plain"},
			scripts: [][]string{slices.Concat(greet, stls, plain, []string{"S: -ERR unknown"}, capa("SASL LOGIN"),
				byLogin, capa())},
			offers: "CAPA TLS", logins: "login",
		},
		{
			name: "the method is no longer there, which is said as if the password was wrong", cfg: overTLS,
			knows: Facts{Offers: "CAPA TLS", Logins: "plain"},
			scripts: [][]string{slices.Concat(greet, stls, plain, []string{"S: -ERR [AUTH] wrong"}, capa("SASL LOGIN"),
				byLogin, capa())},
			offers: "CAPA TLS", logins: "login",
		},
		{
			name:    "a wrong password is tried once",
			knows:   Facts{Offers: "CAPA", Logins: "user"},
			scripts: [][]string{slices.Concat(greet, user[:3], []string{"S: -ERR [AUTH] wrong"}, capa("USER"), quit)},
			fails:   true,
		},
		{
			name:    "also where the server hangs up after it",
			knows:   Facts{Offers: "CAPA", Logins: "user"},
			scripts: [][]string{slices.Concat(greet, user[:3], []string{"S: -ERR [AUTH] wrong", "C: CAPA", "X:"})},
			fails:   true,
		},
		{
			name:    "a mailbox that is locked says nothing about it",
			knows:   Facts{Offers: "CAPA", Logins: "user"},
			scripts: [][]string{slices.Concat(greet, user[:3], []string{"S: -ERR [IN-USE] locked"}, quit)},
			offers:  "CAPA", fails: true,
		},
		{
			name: "hangs up on the method: CAPA is asked for on a new connection", cfg: overTLS,
			knows: Facts{Offers: "CAPA TLS", Logins: "plain"},
			scripts: [][]string{
				slices.Concat(greet, stls, plain, []string{"X:"}),
				slices.Concat(greet, stls, capa("USER"), user, capa("USER")),
			},
			offers: "CAPA TLS", logins: "user",
		},
		{
			name:  "hangs up on a password: it is not sent again where its method is still there",
			knows: Facts{Offers: "CAPA", Logins: "user"},
			scripts: [][]string{
				slices.Concat(greet, user[:3], []string{"X:"}),
				slices.Concat(greet, capa("USER"), quit),
			},
			fails: true,
		},
		{
			name: "nor where others are there besides", cfg: overTLS,
			knows: Facts{Offers: "CAPA TLS", Logins: "plain"},
			scripts: [][]string{
				slices.Concat(greet, stls, plain, []string{"X:"}),
				slices.Concat(greet, stls, capa("SASL SCRAM-SHA-256 PLAIN"), quit),
			},
			fails: true,
		},
		{
			name: "nor by a method that is chosen by the user",
			cfg:  Config{Credentials: Credentials{Method: MethodUser, Username: "leo", Secret: password("secret")}}, knows: Facts{Offers: "CAPA", Logins: "user"},
			scripts: [][]string{slices.Concat(greet, user[:3], []string{"X:"})},
			fails:   true,
		},
		{
			name: "a method that is unknown is not tried again where CAPA still lists it", cfg: overTLS,
			knows: Facts{Offers: "CAPA TLS", Logins: "plain"},
			scripts: [][]string{
				slices.Concat(greet, stls, plain, []string{"S: -ERR unknown command", "C: CAPA", "X:"}),
				slices.Concat(greet, stls, capa("SASL PLAIN LOGIN"), byLogin, capa()),
			},
			offers: "CAPA TLS", logins: "login plain", refused: "plain",
		},
		{
			name:    "from no challenge to a password in clear",
			knows:   Facts{Offers: "CAPA", Logins: "cram-md5"},
			scripts: [][]string{slices.Concat(greet, []string{"C: AUTH CRAM-MD5", "S: -ERR unknown command"}, quit)},
			fails:   true,
		},
		{
			name:    "nor where the server hangs up",
			knows:   Facts{Offers: "CAPA", Logins: "cram-md5"},
			scripts: [][]string{slices.Concat(greet, []string{"C: AUTH CRAM-MD5", "X:"})},
			fails:   true,
		},
		{
			name:  "a method that is chosen by the user stays",
			cfg:   Config{Credentials: Credentials{Method: MethodUser, Username: "leo", Secret: password("secret")}},
			knows: Facts{Offers: "CAPA", Logins: "cram-md5"},
			scripts: [][]string{slices.Concat(greet, []string{"C: USER leo", "S: -ERR unknown command"},
				capa("SASL CRAM-MD5"), quit)},
			fails: true,
		},
		{
			name:    "EXPIRE 0 that was said before the login stays known",
			knows:   Facts{Offers: "CAPA", Logins: "user", Expires: true},
			scripts: [][]string{slices.Concat(greet, user, capa("USER"))},
			offers:  "CAPA",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := tt.cfg
				cfg.Dial, cfg.Facts = connections(t, tt.scripts), tt.knows
				if cfg.Credentials.Username == "" {
					cfg.Credentials = Credentials{Username: "leo", Secret: password("secret")}
				}
				c, facts, err := Open(t.Context(), cfg, nil)
				if c != nil {
					defer c.Close()
				}
				if (err != nil) != tt.fails {
					t.Errorf("error %v, want one: %v", err, tt.fails)
				}
				if facts.Offers != tt.offers {
					t.Errorf("then known: %q, want %q", facts.Offers, tt.offers)
				}
				if want := tt.logins; want != "" && facts.Logins != want {
					t.Errorf("login methods %q, want %q", facts.Logins, want)
				}
				if facts.Expires != tt.knows.Expires || facts.Refused != tt.refused {
					t.Errorf("EXPIRE 0: %v, want %v; methods refused %q, want %q", facts.Expires, tt.knows.Expires, facts.Refused, tt.refused)
				}
			})
		})
	}
}
