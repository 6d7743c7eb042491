package imap_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/imaptest"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// record keeps the dialogues of a pool.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) trace() func(bool, string) {
	return func(sent bool, line string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.lines = append(r.lines, map[bool]string{true: "C: ", false: "S: "}[sent]+line)
	}
}

func (r *record) all() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.lines, "\n")
}

func TestLogin(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before []string
		change func(*imap.Options)
		want   string // a line that the client sends
	}{
		"PLAIN at once":            {[]string{"AUTH=PLAIN", "SASL-IR"}, nil, "a2 AUTHENTICATE PLAIN " + encode("\x00leo\x00geheim123")},
		"PLAIN when asked":         {[]string{"AUTH=PLAIN"}, nil, encode("\x00leo\x00geheim123")},
		"LOGIN":                    {nil, nil, `a2 LOGIN "leo" "geheim123"`},
		"LOGIN wanted":             {[]string{"AUTH=PLAIN"}, func(o *imap.Options) { o.Auth = login.Login }, `a2 LOGIN "leo" "geheim123"`},
		"LOGIN with quotes":        {nil, func(o *imap.Options) { o.Username = `l"e\o` }, `a2 LOGIN "l\"e\\o" "geheim123"`},
		"LOGIN with other letters": {nil, func(o *imap.Options) { o.Username = "léo" }, "a2 LOGIN {4}"},
		"PLAIN with other letters": {[]string{"AUTH=PLAIN"}, func(o *imap.Options) { o.Username = "léo" }, encode("\x00léo\x00geheim123")},
		"XOAUTH2":                  {[]string{"AUTH=XOAUTH2", "AUTH=OAUTHBEARER", "SASL-IR"}, func(o *imap.Options) { o.Token = true }, "a2 AUTHENTICATE XOAUTH2 " + encode("user=leo\x01auth=Bearer geheim123\x01\x01")},
		"OAUTHBEARER":              {[]string{"AUTH=OAUTHBEARER"}, func(o *imap.Options) { o.Token = true }, encode("n,a=leo,\x01auth=Bearer geheim123\x01\x01")},
		"OAUTHBEARER wanted":       {[]string{"AUTH=XOAUTH2", "AUTH=OAUTHBEARER"}, func(o *imap.Options) { o.Token, o.Auth = true, login.OAuthBearer }, "a2 AUTHENTICATE OAUTHBEARER"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, imaptest.Options{Before: tt.before, Secret: "geheim123"})
			change := tt.change
			if change == nil {
				change = func(*imap.Options) {}
			}
			wantOutcome(t, newPool(t, s, change), mail("one", "hi"), "accepted dot 250 2.0.0 OK done")
			if said := s.Said(); !slices.Contains(said, tt.want) {
				t.Errorf("the client said %q, want %q", said, tt.want)
			}
		})
	}
}

// TestLoginRefused: what a refused login means, and that neither errors nor traces
// have the secret, however the server echoes it.
func TestLoginRefused(t *testing.T) {
	t.Parallel()
	const secretText = "Geheim-und-lang 123"
	for name, tt := range map[string]struct {
		before []string
		reply  string
		change func(*imap.Options)
		want   string
	}{
		"wrong":              {nil, "NO [AUTHENTICATIONFAILED] Invalid credentials", nil, "unusable auth 535 5.7.8 NO [AUTHENTICATIONFAILED] Invalid credentials"},
		"no code":            {nil, "NO Login failed.", nil, "unusable auth 535 5.7.8 NO Login failed."},
		"Gmail":              {[]string{"AUTH=PLAIN"}, "NO [ALERT] Application-specific password required", nil, "unusable auth 535 5.7.8 NO [ALERT] Application-specific password required"},
		"later":              {nil, "NO [UNAVAILABLE] try later", nil, "unusable auth 454 4.7.0 NO [UNAVAILABLE] try later"},
		"too many":           {nil, "NO [LIMIT] Too many simultaneous connections", nil, "unusable auth 451 4.3.2 NO [LIMIT] Too many simultaneous connections"},
		"TLS first":          {nil, "NO [PRIVACYREQUIRED] not in clear", nil, "unusable auth 530 5.7.10 NO [PRIVACYREQUIRED] not in clear"},
		"echo":               {nil, `BAD LOGIN "leo" "` + secretText + `" is not valid`, nil, `unusable auth 504 5.5.4 BAD LOGIN "leo" "***" is not valid`},
		"echo, cut":          {nil, `NO no such password: geheim-und-lan`, nil, `unusable auth 535 5.7.8 NO no such password: ***`},
		"echo in base64":     {[]string{"AUTH=PLAIN"}, "NO bad " + base64.StdEncoding.EncodeToString([]byte("\x00leo\x00"+secretText)), nil, "unusable auth 535 5.7.8 NO bad ***"},
		"nothing is offered": {[]string{"LOGINDISABLED", "AUTH=GSSAPI"}, "", nil, "unusable auth no login method in common (wanted: one with a password; offered: GSSAPI)"},
		"no password": {nil, "", func(o *imap.Options) {
			o.Secret = func(context.Context) (string, error) { return "", errors.New("no file") }
		}, "unusable auth password: no file"},
		"a token": {[]string{"AUTH=XOAUTH2"}, "", func(o *imap.Options) { o.Token = true }, `unusable auth 535 5.7.8 NO [AUTHENTICATIONFAILED] Invalid credentials {"status":"400","schemes":"Bearer"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, imaptest.Options{Before: tt.before, Secret: "another", Fault: func(e imaptest.Event) imaptest.Fault {
				if e.Command == "LOGIN" || e.Command == "AUTHENTICATE" {
					return imaptest.Fault{Reply: tt.reply}
				}
				return imaptest.Fault{}
			}})
			var dialogue record
			p := newPool(t, s, func(o *imap.Options) {
				o.Secret, o.Trace = secret(secretText), dialogue.trace
				if tt.change != nil {
					tt.change(o)
				}
			})
			wantOutcome(t, p, mail("one", "hi"), tt.want)
			for _, hidden := range []string{"geheim", "und-lang", base64.StdEncoding.EncodeToString([]byte(secretText))[:12]} {
				if strings.Contains(strings.ToLower(dialogue.all()), strings.ToLower(hidden)) {
					t.Errorf("the trace has %q:\n%s", hidden, dialogue.all())
				}
			}
		})
	}
}

// TestRefusedMethod: a method that is offered and not there is tried last from then
// on.
func TestRefusedMethod(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{Before: []string{"AUTH=PLAIN"}, Fault: func(e imaptest.Event) imaptest.Fault {
		if e.Command == "AUTHENTICATE" {
			return imaptest.Fault{Reply: "BAD unknown command"}
		}
		return imaptest.Fault{}
	}})
	p := newPool(t, s)
	wantOutcome(t, p, mail("one", "hi"), "accepted dot 250 2.0.0 OK done")
	facts := p.Facts()
	if facts.RefusedAuth[login.Plain].Count != 2 {
		t.Errorf("facts: %+v", facts)
	}
	again := newPool(t, s, func(o *imap.Options) { o.Facts = facts })
	before := len(s.Said())
	wantOutcome(t, again, mail("two", "hi"), "accepted dot 250 2.0.0 OK done")
	if said := strings.Join(s.Said()[before:], "\n"); strings.Contains(said, "AUTHENTICATE") {
		t.Errorf("the client said %q", said)
	}
}

// TestID: servers that offer ID are told who we are, after the login.
func TestID(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{Caps: []string{"ID"}})
	wantOutcome(t, newPool(t, s), mail("one", "hi"), "accepted dot 250 2.0.0 OK done")
	if said := s.Said(); !slices.Contains(said, `a3 ID ("name" "popferry")`) {
		t.Errorf("the client said %q", said)
	}
}

// TestTLS: STARTTLS and implicit TLS; what is said in clear is void.
func TestTLS(t *testing.T) {
	t.Parallel()
	server, client, err := smtptest.SelfSigned("mx.example", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	startTLS := func(ctx context.Context, c net.Conn) (net.Conn, error) {
		over := tls.Client(c, client)
		return over, over.HandshakeContext(ctx)
	}
	for name, tt := range map[string]struct {
		o      imaptest.Options
		change func(*imap.Options, *imaptest.Server)
		want   string
	}{
		"STARTTLS": {imaptest.Options{TLS: server, Before: []string{"STARTTLS"}}, func(o *imap.Options, _ *imaptest.Server) { o.StartTLS = startTLS }, "accepted dot 250 2.0.0 OK done"},
		"implicit": {imaptest.Options{TLS: server, Implicit: true}, func(o *imap.Options, s *imaptest.Server) {
			o.Dial = func(ctx context.Context) (net.Conn, error) {
				c, err := s.Pipe(ctx)
				if err != nil {
					return nil, err
				}
				return startTLS(ctx, c)
			}
		}, "accepted dot 250 2.0.0 OK done"},
		"not offered": {imaptest.Options{}, func(o *imap.Options, _ *imaptest.Server) { o.StartTLS = startTLS }, "unusable tls the server does not offer STARTTLS"},
		"PREAUTH": {imaptest.Options{Greeting: "PREAUTH welcome", Caps: []string{"STARTTLS"}, TLS: server}, func(o *imap.Options, _ *imaptest.Server) { o.StartTLS = startTLS },
			"unusable tls protocol violation: the server greets with PREAUTH before TLS"},
		"refused": {imaptest.Options{Before: []string{"STARTTLS"}, Fault: func(e imaptest.Event) imaptest.Fault {
			if e.Command == "STARTTLS" {
				return imaptest.Fault{Reply: "NO [UNAVAILABLE] not now"}
			}
			return imaptest.Fault{}
		}}, func(o *imap.Options, _ *imaptest.Server) { o.StartTLS = startTLS }, "unusable tls 451 4.3.0 NO [UNAVAILABLE] not now"},
		"more in clear": {imaptest.Options{Before: []string{"STARTTLS"}, Fault: func(e imaptest.Event) imaptest.Fault {
			if e.Command == "STARTTLS" {
				return imaptest.Fault{Reply: "OK begin\r\n* OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] believe me"}
			}
			return imaptest.Fault{}
		}}, func(o *imap.Options, _ *imaptest.Server) { o.StartTLS = startTLS }, "unusable tls protocol violation: more data behind the answer to STARTTLS"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := serve(t, tt.o)
			p := newPool(t, s, func(o *imap.Options) { tt.change(o, s) })
			wantOutcome(t, p, mail("one", "hi"), tt.want)
			if tt.want[:8] == "unusable" {
				for _, line := range s.Said() {
					if strings.Contains(line, "geheim") {
						t.Errorf("the password was sent in clear: %q", line)
					}
				}
			}
		})
	}
}

// TestPassed: each stage of a session's beginning is told.
func TestPassed(t *testing.T) {
	t.Parallel()
	var passed []forwarder.Stage
	p := newPool(t, serve(t, imaptest.Options{}), func(o *imap.Options) {
		o.Passed = func(s forwarder.Stage) { passed = append(passed, s) }
	})
	if err := p.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(passed, []forwarder.Stage{forwarder.StageHello, forwarder.StageAuth}) {
		t.Errorf("passed %v", passed)
	}
}
