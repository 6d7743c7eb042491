package main

import (
	"regexp"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// imapServer starts an IMAP server that answers one command so; "" is the greeting.
func imapServer(t *testing.T, o imaptest.Options, command, reply string) string {
	t.Helper()
	if command == "" && reply != "" {
		o.Greeting = reply
	}
	if command != "" {
		o.Fault = func(e imaptest.Event) (f imaptest.Fault) {
			if e.Command == command {
				f.Reply = reply
			}
			return f
		}
	}
	s, err := imaptest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return testworld.HostPort(t, s.Addr().String())
}

// TestWordsAboutAnIMAPInbox: run --once and status say what is wrong with an inbox and
// what to do, in the same words as check. No message is marked.
func TestWordsAboutAnIMAPInbox(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		inbox string // host, port and more keys of the destination
		want  string // in the line of the account
	}{
		"a wrong password": {imapServer(t, imaptest.Options{}, "LOGIN", "NO [AUTHENTICATIONFAILED] Authentication failed."),
			`the destination refused the login: destination main refused auth: NO \[AUTHENTICATIONFAILED\] Authentication failed\. Check username and password under forward`},
		"an expired token": {imapServer(t, imaptest.Options{Before: []string{"AUTH=XOAUTH2"}, Secret: "new"}, "", "") + ", token_command: 'echo old'",
			`the destination refused the access token: .*\. Another user than username may have signed in`},
		"no folder": {imapServer(t, imaptest.Options{}, "", "") + ", folder: Nowhere",
			`the destination's folder does not exist: .*NO \[NONEXISTENT\] no such folder\. Make it with a mail program`},
		"no right": {imapServer(t, imaptest.Options{}, "APPEND", "NO [NOPERM] Permission denied"),
			`popferry may not put mail into the destination's folder: .*Permission denied\. Let this user insert messages there`},
		"no room": {imapServer(t, imaptest.Options{}, "APPEND", "NO [OVERQUOTA] Quota exceeded"),
			`there is no room in the inbox: .*Quota exceeded\. Make room there`},
		"BYE": {imapServer(t, imaptest.Options{}, "", "BYE [UNAVAILABLE] Server shutting down."),
			`the destination asks to try again later: .*Server shutting down\. popferry tries again by itself`},
		"no IMAP": {testworld.HostPort(t, testworld.POP3(t, pop3test.Options{}).Addr()),
			`this is not an IMAP server: .*"\+OK .*\. IMAP uses port 993`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
			secret := ", password: secret"
			if strings.Contains(tt.inbox, "token_command") {
				secret = ""
			}
			cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {name: main, protocol: imap, %s, tls: none, username: leo@example.org%s}
`, testworld.HostPort(t, src.Addr()), tt.inbox, secret)
			code, _, errs := popferry(t, "run", "--once", "--config", cfg)
			_, messages, _ := popferry(t, "messages", "--config", cfg)
			_, status, _ := popferry(t, "status", "--config", cfg)
			lines := regexp.MustCompile(`(?m)^popferry: isp: .*$`).FindAllString(errs, -1)
			if code != 75 || len(lines) != 1 || !regexp.MustCompile(tt.want).MatchString(lines[0]) {
				t.Errorf("exit %d: %q, want 75 and one line like %s", code, lines, tt.want)
			}
			words, _, _ := strings.Cut(tt.want, ":")
			if !strings.Contains(status, "isp: "+words) {
				t.Errorf("want %q in status:\n%s", words, status)
			}
			if strings.Contains(messages, "deferred") || strings.Contains(messages, "held") {
				t.Errorf("a message is marked, want none:\n%s", messages)
			}
		})
	}
}

// TestTooLargeForAnIMAPInbox: a message above the server's limit is held with the
// reason, before anything of it is sent, and the others go on.
func TestTooLargeForAnIMAPInbox(t *testing.T) {
	t.Parallel()
	src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail, "Subject: large\r\n\r\n"+strings.Repeat("a line of it\r\n", 1000))
	cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {name: main, protocol: imap, %s, tls: none, username: leo@example.org, password: secret}
`, testworld.HostPort(t, src.Addr()), imapServer(t, imaptest.Options{Caps: []string{"APPENDLIMIT=2000"}}, "", ""))
	code, out, errs := popferry(t, "run", "--once", "--config", cfg)
	if code != 0 || !strings.Contains(out, "isp: 1 forwarded, 1 held") {
		t.Errorf("exit %d, %s%s; want 0, one message forwarded and one held", code, out, errs)
	}
	_, text, _ := popferry(t, "messages", "--json", "--config", cfg)
	if !strings.Contains(text, "octets, the server takes 2000") {
		t.Errorf("got %s, want the limit", text)
	}
}
