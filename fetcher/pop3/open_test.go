package pop3

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestOpen: the steps up to the login, what is learnt on the way, and where a
// failure is said to be. Each script is one connection.
func TestOpen(t *testing.T) {
	t.Parallel()
	plain := []string{"C: AUTH PLAIN AGxlbwBzZWNyZXQ=", "S: +OK"} // under TLS, where it is offered
	user := []string{"C: USER leo", "S: +OK", "C: PASS secret", "S: +OK"}
	capa := func(caps ...string) []string { return multiline("C: CAPA", caps) }
	cramMD5 := []string{"C: AUTH CRAM-MD5", "S: + " + b64("<1@x>"), "C: " + b64("leo 4453c3d0fd168792d565c728b4df6739"), "S: +OK"}
	utf8 := []string{"C: UTF8", "S: +OK"}
	quit := []string{"C: QUIT", "S: +OK"}
	const bothCapas = CommandCapa | CommandCapaAfterLogin
	for _, tt := range []struct {
		name    string
		cfg     Config
		scripts [][]string
		steps   string // as reported
		facts   Facts
		err     string // its beginning; "": none
	}{
		{
			name:    "well",
			scripts: [][]string{slices.Concat(greet, capa("USER"), user, capa("USER", "LOGIN-DELAY 60", "EXPIRE 30"))},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Logins: "user", LoginDelay: time.Minute, ExpireDays: 30},
		},
		{
			name:    "STLS",
			cfg:     Config{StartTLS: upgrade(clientTLS())},
			scripts: [][]string{slices.Concat(greet, []string{"C: STLS", "S: +OK", "T:"}, capa("SASL PLAIN"), plain, capa())},
			steps:   "connect greeting:hello STLS CAPA login", facts: Facts{Logins: "plain"},
		},
		{
			name:    "STLS refused",
			cfg:     Config{StartTLS: upgrade(clientTLS())},
			scripts: [][]string{slices.Concat(greet, []string{"C: STLS", "S: -ERR no"}, quit)},
			steps:   "connect greeting:hello", err: "STLS: STLS: the server says: -ERR no",
		},
		{
			name: "a handshake that a new connection may help, and does",
			cfg:  Config{StartTLS: failing(1, upgrade(clientTLS()))},
			scripts: [][]string{
				slices.Concat(greet, []string{"C: STLS", "S: +OK"}),
				slices.Concat(greet, []string{"C: STLS", "S: +OK", "T:"}, capa("SASL PLAIN"), plain, capa()),
			},
			steps: "connect greeting:hello STLS CAPA login", facts: Facts{Logins: "plain"},
		},
		{
			name: "a handshake that fails on a new connection too",
			cfg:  Config{StartTLS: failing(2, nil)},
			scripts: [][]string{
				slices.Concat(greet, []string{"C: STLS", "S: +OK"}),
				slices.Concat(greet, []string{"C: STLS", "S: +OK"}),
			},
			steps: "connect greeting:hello", err: "STLS: TLS handshake: ClientHello not understood",
		},
		{
			name: "a new connection for the handshake, one more for CAPA",
			cfg:  Config{StartTLS: failing(1, upgrade(clientTLS()))},
			scripts: [][]string{
				slices.Concat(greet, []string{"C: STLS", "S: +OK"}),
				slices.Concat(greet, []string{"C: STLS", "S: +OK", "T:", "C: CAPA", "X:"}),
				slices.Concat(greet, []string{"C: STLS", "S: +OK", "T:"}, capa(), user, capa()),
			},
			steps: "connect greeting:hello STLS CAPA login", facts: Facts{Answered: bothCapas},
		},
		{
			name:    "until STLS without any",
			cfg:     Config{Until: StepSTLS},
			scripts: [][]string{greet},
			steps:   "connect greeting:hello",
		},
		{
			name:    "until CAPA",
			cfg:     Config{Until: StepCapa},
			scripts: [][]string{slices.Concat(greet, capa("EXPIRE 0"))},
			steps:   "connect greeting:hello CAPA", facts: Facts{Expires: true},
		},
		{
			name:    "refused greeting",
			scripts: [][]string{{"S: -ERR too many connections"}},
			steps:   "connect", err: "greeting: greeting: the server says: -ERR too many connections",
		},
		{
			name:    "refused CAPA",
			cfg:     Config{Facts: Facts{LoginDelay: time.Hour}},
			scripts: [][]string{slices.Concat(greet, []string{"C: CAPA", "S: -ERR"}, user, []string{"C: CAPA", "S: -ERR"})},
			steps:   "connect greeting:hello CAPA login", facts: Facts{LoginDelay: time.Hour},
		},
		{
			name:    "hangs up on CAPA",
			scripts: [][]string{slices.Concat(greet, []string{"C: CAPA", "X:"}), slices.Concat(greet, []string{"C: CAPA", "X:"}), slices.Concat(greet, user)},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Skip: CommandCapa},
		},
		{
			name:    "hangs up on CAPA once",
			scripts: [][]string{slices.Concat(greet, []string{"C: CAPA", "X:"}), slices.Concat(greet, capa("EXPIRE 0"), user, capa("EXPIRE 0"))},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Answered: bothCapas, Expires: true},
		},
		{
			name:    "does not answer CAPA",
			scripts: [][]string{slices.Concat(greet, []string{"C: CAPA", "W:"}), slices.Concat(greet, user)},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Skip: CommandCapa},
		},
		{
			name:    "does not end the list of CAPA",
			scripts: [][]string{slices.Concat(greet, []string{"C: CAPA", "S: +OK", "S: EXPIRE 0", "W:"}), slices.Concat(greet, user)},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Skip: CommandCapa, Expires: true},
		},
		{
			name:    "a list of CAPA beyond its budget",
			scripts: [][]string{slices.Concat(greet, capa("UIDL", "SASL CRAM-MD5"+strings.Repeat(" X", maxWords))), slices.Concat(greet, user)},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Skip: CommandCapa},
		},
		{
			name: "a list of CAPA beyond its budget after the login, with the listing sent ahead",
			cfg:  Config{ListAhead: true},
			scripts: [][]string{
				slices.Concat(greet, capa("PIPELINING"), user, []string{"C: CAPA", "C: UIDL", "C: LIST", "S: +OK", "S: EXPIRE 0", "S: X" + strings.Repeat(" X", maxWords+1), "S: ."}),
				slices.Concat(greet, capa("PIPELINING"), user),
			},
			steps: "connect greeting:hello CAPA login", facts: Facts{Skip: CommandCapaAfterLogin, Expires: true},
		},
		{
			name: "hangs up on CAPA after the login",
			scripts: [][]string{
				slices.Concat(greet, capa("EXPIRE 0"), user, []string{"C: CAPA", "X:"}), slices.Concat(greet, capa("EXPIRE 0"), user, []string{"C: CAPA", "X:"}),
				slices.Concat(greet, capa("EXPIRE 0"), user),
			},
			steps: "connect greeting:hello CAPA login", facts: Facts{Skip: CommandCapaAfterLogin, Answered: CommandCapa, Expires: true},
		},
		{
			name: "hangs up on CAPA after the login, once: EXPIRE 0 that only that one says is known",
			cfg:  Config{Facts: Facts{Expires: true}},
			scripts: [][]string{
				slices.Concat(greet, capa(), user, []string{"C: CAPA", "X:"}), slices.Concat(greet, capa(), user, []string{"C: CAPA", "X:"}),
				slices.Concat(greet, capa(), user),
			},
			steps: "connect greeting:hello CAPA login", facts: Facts{Skip: CommandCapaAfterLogin, Answered: CommandCapa, Expires: true},
		},
		{
			name:    "no longer says EXPIRE 0",
			cfg:     Config{Facts: Facts{Expires: true}},
			scripts: [][]string{slices.Concat(greet, capa(), user, capa())},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Answered: bothCapas},
		},
		{
			name:    "does not answer CAPA after the login",
			cfg:     Config{Facts: Facts{Expires: true}},
			scripts: [][]string{slices.Concat(greet, capa("EXPIRE 0"), user, []string{"C: CAPA", "W:"}), slices.Concat(greet, capa("EXPIRE 0"), user)},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Skip: CommandCapaAfterLogin, Answered: CommandCapa, Expires: true},
		},
		{
			name:    "hangs up on CAPA, and then on everyone",
			scripts: [][]string{slices.Concat(greet, []string{"C: CAPA", "X:"}), slices.Concat(greet, []string{"C: CAPA", "X:"}), {"X:"}},
			steps:   "connect greeting:hello",
			err:     "greeting: greeting: the server closed the connection",
		},
		{
			name:    "known not to answer CAPA",
			cfg:     Config{Facts: Facts{Skip: CommandCapa, Expires: true, Logins: "cram-md5"}},
			scripts: [][]string{slices.Concat(greet, cramMD5)},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Skip: CommandCapa, Expires: true, Logins: "cram-md5"},
		},
		{
			name:    "known not to answer CAPA after the login: what it said before counts",
			cfg:     Config{Facts: Facts{Skip: CommandCapaAfterLogin}, ListAhead: true},
			scripts: [][]string{slices.Concat(greet, capa("PIPELINING"), user, []string{"C: UIDL", "C: LIST"})},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Skip: CommandCapaAfterLogin, Answered: CommandCapa},
		},
		{
			name:    "UTF-8 mode wherever it is offered",
			scripts: [][]string{slices.Concat(greet, capa("UTF8"), utf8, user, capa("UTF8"))},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Answered: bothCapas | CommandUTF8},
		},
		{
			name:    "UTF-8 mode refused",
			scripts: [][]string{slices.Concat(greet, capa("UTF8"), []string{"C: UTF8", "S: -ERR"}, user, capa("UTF8"))},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Answered: bothCapas, Skip: CommandUTF8},
		},
		{
			name:    "UTF-8 mode met with silence",
			scripts: [][]string{slices.Concat(greet, capa("UTF8"), []string{"C: UTF8", "W:"}), slices.Concat(greet, capa("UTF8"), user, capa("UTF8"))},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Answered: bothCapas, Skip: CommandUTF8},
		},
		{
			name: "wants UTF-8 mode, which it did not answer before",
			cfg:  Config{Facts: Facts{Skip: CommandUTF8}},
			scripts: [][]string{
				slices.Concat(greet, capa("UTF8"), []string{"C: USER leo", "S: +OK", "C: PASS secret", "S: -ERR [UTF8] only in UTF8 mode"}, quit),
				slices.Concat(greet, capa("UTF8"), utf8, user, capa("UTF8")),
			},
			steps: "connect greeting:hello CAPA login", facts: Facts{Answered: bothCapas | CommandUTF8, Skip: CommandUTF8, UTF8: true},
		},
		{
			name: "wants UTF-8 mode and refuses it",
			scripts: [][]string{
				slices.Concat(greet, capa("UTF8"), []string{"C: UTF8", "S: -ERR", "C: USER leo", "S: +OK", "C: PASS secret", "S: -ERR [UTF8] only in UTF8 mode"}, quit),
				slices.Concat(greet, capa("UTF8"), []string{"C: UTF8", "S: -ERR", "C: USER leo", "S: +OK", "C: PASS secret", "S: -ERR [UTF8] only in UTF8 mode"}, quit),
			},
			steps: "connect greeting:hello CAPA", facts: Facts{Answered: CommandCapa, Skip: CommandUTF8, UTF8: true},
			err: "login: PASS: the server says: -ERR [UTF8]",
		},
		{
			name:    "UTF-8 mode for a name beyond ASCII",
			cfg:     Config{Credentials: Credentials{Username: "léo", Secret: password("secret")}},
			scripts: [][]string{slices.Concat(greet, capa("UTF8 USER"), utf8, []string{"C: USER léo", "S: +OK", "C: PASS secret", "S: +OK"}, capa())},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Answered: bothCapas | CommandUTF8},
		},
		{
			name:    "refused login, with what was learnt before it",
			scripts: [][]string{slices.Concat(greet, capa("LOGIN-DELAY 60"), []string{"C: USER leo", "S: +OK", "C: PASS secret", "S: -ERR no"}, quit)},
			steps:   "connect greeting:hello CAPA", facts: Facts{LoginDelay: time.Minute},
			err: "login: PASS: the server says: -ERR no",
		},
		{
			name: "listing sent ahead",
			cfg:  Config{ListAhead: true},
			scripts: [][]string{slices.Concat(greet, capa("PIPELINING"), user,
				[]string{"C: CAPA", "C: UIDL", "C: LIST", "S: +OK", "S: PIPELINING", "S: ."})},
			steps: "connect greeting:hello CAPA login",
		},
		{
			name:    "no listing ahead without PIPELINING",
			cfg:     Config{ListAhead: true},
			scripts: [][]string{slices.Concat(greet, capa(), user, capa())},
			steps:   "connect greeting:hello CAPA login",
		},
		{
			name:    "no listing ahead where messages expire",
			cfg:     Config{ListAhead: true},
			scripts: [][]string{slices.Concat(greet, capa("PIPELINING", "EXPIRE 0"), user, capa("PIPELINING", "EXPIRE 0"))},
			steps:   "connect greeting:hello CAPA login", facts: Facts{Expires: true},
		},
		{
			name: "hangs up on commands that are sent ahead",
			cfg:  Config{ListAhead: true},
			scripts: [][]string{slices.Concat(greet, capa("PIPELINING"), user,
				[]string{"C: CAPA", "C: UIDL", "C: LIST", "X:"})},
			steps: "connect greeting:hello CAPA login",
			err:   "pipelined CAPA: CAPA: the server closed the connection",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				cfg := tt.cfg
				cfg.Dial = connections(t, tt.scripts)
				if cfg.Credentials.Username == "" {
					cfg.Credentials = Credentials{Username: "leo", Secret: password("secret")}
				}
				var steps string
				c, facts, err := Open(t.Context(), cfg, func(s Step, text string) {
					if text != "" {
						s += Step(":" + text)
					}
					steps += " " + string(s)
				})
				if c != nil {
					defer c.Close()
				}
				if want := " " + tt.steps; steps != want {
					t.Errorf("steps %q, want %q", steps, want)
				}
				if tt.facts.Answered == 0 {
					facts.Answered = 0 // not what this case is about
				}
				if tt.facts.Offers == "" {
					facts.Offers = "" // that is what TestOpenRecalls is about
				}
				if facts != tt.facts {
					t.Errorf("facts %+v, want %+v", facts, tt.facts)
				}
				got := ""
				if e := (*OpenError)(nil); errors.As(err, &e) {
					got = e.Error()
					if e.Pipelined {
						got = "pipelined " + got
					}
				}
				if !strings.HasPrefix(got, tt.err) || (c == nil) != (tt.err != "") || (err == nil) != (tt.err == "") {
					t.Errorf("error %q, want %q", got, tt.err)
				}
			})
		})
	}
}

// TestOpenConnectError: the error of Dial is passed on with its own words.
func TestOpenConnectError(t *testing.T) {
	t.Parallel()
	why := errors.New("pop.example.net:995: no route")
	_, _, err := Open(t.Context(), Config{Dial: func(context.Context) (net.Conn, error) { return nil, why }}, nil)
	var e *OpenError
	if !errors.As(err, &e) || e.Step != StepConnect || e.Error() != why.Error() {
		t.Errorf("error %#v, want one at connect that says %q", err, why)
	}
}

// badHello is the error of a handshake that a new connection may help.
type badHello struct{}

func (badHello) Error() string       { return "ClientHello not understood" }
func (badHello) NewConnection() bool { return true }

// failing is a Config.StartTLS that fails n times and then is next.
func failing(n int, next func(context.Context, net.Conn) (net.Conn, error)) func(context.Context, net.Conn) (net.Conn, error) {
	return func(ctx context.Context, raw net.Conn) (net.Conn, error) {
		if n--; n >= 0 {
			return nil, badHello{}
		}
		return next(ctx, raw)
	}
}

var greet = []string{"S: +OK hello"}

// multiline is a command with a multi-line reply.
func multiline(command string, lines []string) []string {
	script := []string{command, "S: +OK"}
	for _, l := range lines {
		script = append(script, "S: "+l)
	}
	return append(script, "S: .")
}

// connections is a Config.Dial whose connections play one script each. All have
// to be used.
func connections(t *testing.T, scripts [][]string) func(context.Context) (net.Conn, error) {
	used := 0
	var played []chan struct{}
	t.Cleanup(func() {
		for _, done := range played {
			<-done
		}
		if used != len(scripts) {
			t.Errorf("%d connections, want %d", used, len(scripts))
		}
	})
	return func(context.Context) (net.Conn, error) {
		if used++; used > len(scripts) {
			return nil, fmt.Errorf("no more than %d connections were expected", len(scripts))
		}
		near, far := net.Pipe()
		done := make(chan struct{})
		played = append(played, done)
		go func(script []string) {
			defer close(done)
			defer far.Close()
			perform(t, far, script)
		}(scripts[used-1])
		return near, nil
	}
}
