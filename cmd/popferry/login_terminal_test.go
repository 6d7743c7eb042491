//go:build linux

package main

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/creack/pty"

	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// saw waits until the screen matches, and returns the last group.
func (s *terminalSession) saw(pattern string) string {
	s.t.Helper()
	var found []string
	defer func() {
		if found == nil {
			s.t.Log(s.out.String())
		}
	}()
	testworld.WaitFor(s.t, pattern, func() bool {
		found = regexp.MustCompile(pattern).FindStringSubmatch(s.out.String())
		return found != nil
	})
	return found[len(found)-1]
}

const (
	shownCode    = `sign in as\s+\S+:\s+\r\n +([A-Z0-9]{8})\r\n`
	shownAddress = `machine,\s+and\s+sign\s+in\s+as\s+\S+:\s+(http\S+)\r\n`
)

// TestSigningInAt80Columns: whatever login and logout say fits into a terminal of 80
// columns, broken between words, but for addresses, which have to stay whole.
func TestSigningInAt80Columns(t *testing.T) {
	t.Parallel()
	p := oauthtest.New(t, oauthtest.Options{})
	src := testworld.POP3(t, pop3test.Options{}) // which takes no token
	const user = "somebody.with.a.rather.long.name@mail.example.net"
	config := testworld.Config(t, `
state: popferry.db
defaults: {%[1]s, tls: none, username: %[2]s}
accounts:
  - {name: known, oauth2: {client_id: %[3]s, token_url: %[4]s/token, auth_url: %[4]s/authorize, device_url: %[4]s/device, scopes: [mail]}}
forward:
  - {name: issuer, protocol: imap, %[1]s, tls: none, username: the.%[2]s, oauth2: {client_id: %[3]s, provider: %[4]q, scopes: [mail]}}
`, testworld.HostPort(t, src.Addr()), user, oauthtest.Client, p.URL)
	paste := func(s *terminalSession) {
		address := oauthtest.Browse(t, s.saw(shownAddress))
		s.types("Address at which the browser ended", "http://localhost/\n")
		s.types("That is not it", address+"\n")
	}
	for _, step := range []struct {
		args []string
		play func(*terminalSession)
		want string
		code int
	}{
		{[]string{"login", "known"}, func(s *terminalSession) { p.Deny(s.saw(shownCode)) }, "Open this address", exitOther},
		{[]string{"login", "known", "--flow", "device"}, func(s *terminalSession) { p.Approve(s.saw(shownCode), user) }, "no login method that both sides support", exitAgain},
		{[]string{"login", "issuer", "--flow", "paste"}, paste, "this is not an IMAP server", exitAgain},
		{[]string{"login", "known", "--flow", "browser"}, func(s *terminalSession) { s.saw(shownAddress); s.types("popferry waits", "\x03") }, "", exitOther},
		{[]string{"logout", "issuer"}, nil, "the provider has ended the sign-in", exitOK},
		{[]string{"logout", "issuer"}, nil, "nobody was signed in as", exitOK},
		{[]string{"logout", "known"}, nil, "To end it there", exitOK},
	} {
		s := startAtTerminal(t, t.TempDir(), append(step.args, "--config", config)...)
		if err := pty.Setsize(s.master, &pty.Winsize{Rows: 24, Cols: 80}); err != nil {
			t.Fatal(err)
		}
		if step.play != nil {
			step.play(s)
		}
		if code := s.ends(); code != step.code || !strings.Contains(s.out.String(), step.want) {
			t.Errorf("%q: exit %d, want %d, and %q:\n%s", step.args, code, step.code, step.want, s.out.String())
		}
		if wide := tooWide(s.out.String()); wide != "" {
			t.Errorf("%q: wider than 80 columns, or broken within a word:\n%s", step.args, wide)
		}
		wantHidden(t, p, withoutAddresses(s.out.String()))
	}
}

var (
	colour  = regexp.MustCompile("\x1b\\[[0-9;]*m")
	address = regexp.MustCompile(`http\S+`)
)

func withoutAddresses(text string) string { return address.ReplaceAllString(text, "") }

// tooWide returns the first line that has more than 80 columns; an error, which begins
// with popferry, is one line.
func tooWide(text string) string {
	for line := range strings.Lines(colour.ReplaceAllString(text, "")) {
		line = strings.TrimRight(line, "\r\n")
		if utf8.RuneCountInString(line) > 80 && !address.MatchString(line) && !strings.HasPrefix(line, "popferry: ") {
			return fmt.Sprint(utf8.RuneCountInString(line), ": ", line)
		}
	}
	return ""
}
