package main

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// hostile is a text that would set a terminal's title, clear its screen (by C0 and
// C1), turn the direction of text, and hide something; with octets that are not
// UTF-8.
const hostile = "bad\x1b]0;owned\x07\u009b2J\u009d0;x\u009c \u202egpj.exe\u2066\u200b\x7f\xff end"

// TestForeignTextOnlyShows: what servers and commands say acts on nothing that shows
// it, wherever it is shown.
func TestForeignTextOnlyShows(t *testing.T) {
	t.Parallel()
	pop := testworld.POP3(t, pop3test.Options{}, "From: a@b.example\r\nSubject: "+hostile+"\r\n\r\nx\r\n")
	refusing := testworld.POP3(t, pop3test.Options{Handle: func(s *pop3test.Session, verb, _ string) bool {
		if verb == "PASS" || verb == "AUTH" {
			s.Write("-ERR " + hostile + "\r\n")
			return true
		}
		return false
	}})
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage != forwarder.StageDot {
			return smtptest.Fault{}
		}
		return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: hostile}
	}})
	for _, format := range []string{"text", "json"} {
		cfg := testworld.Config(t, `
log: {level: debug, format: %s}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
  - {name: refused, %s, tls: none, username: leo, password: secret}
  - {name: command, %s, tls: none, username: leo, password_command: "cat complaint >&2; exit 3"}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, format, testworld.HostPort(t, pop.Addr()), testworld.HostPort(t, refusing.Addr()), testworld.HostPort(t, pop.Addr()), testworld.HostPort(t, sink.Addr().String()))
		testworld.Write(t, strings.TrimSuffix(cfg, "popferry.yaml")+"complaint", hostile+"\n")
		for _, command := range []string{
			"run --once", "run --once --now --json --trace isp", "status", "status --json", "messages", "messages --json", "check", "check --json",
		} {
			words := strings.Fields(command)
			_, out, errs := popferry(t, append(words, "--config", cfg)...)
			if all := out + errs; !strings.Contains(all, "gpj.exe") {
				t.Errorf("log %s, %s: got\n%s\nwant it to show what was said", format, command, all)
			}
			for where, text := range map[string]string{"stdout": out, "stderr": errs} {
				if i := strings.IndexFunc(text, acts); i >= 0 || !utf8.ValidString(text) {
					t.Errorf("log %s, %s: %s has what does not print: %q", format, command, where, text[max(0, i-50):min(len(text), max(0, i)+50)])
				}
			}
		}
	}
}

// acts reports whether a character does anything but show, or end a line.
func acts(r rune) bool { return r != '\n' && r != '\t' && !unicode.IsGraphic(r) }
