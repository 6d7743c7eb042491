package main

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/provider"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// village is a POP3 server that knows leo by his name alone, and an SMTP server
// that knows him by his address, both called by any name below isp.test and
// elsewhere.test.
type village struct {
	*newcomer
	pop3               *pop3test.Server
	smtp               *smtptest.Server
	pop3Port, smtpPort string
	ca                 string
	secret             string // a file with the password
}

// newVillage has more records of the DNS, in which %s is the POP3 server's port.
func newVillage(t *testing.T, zone string) *village {
	t.Helper()
	authority := certtest.New(t)
	config := &tls.Config{Certificates: []tls.Certificate{authority.Server("*.isp.test", "*.elsewhere.test")}}
	v := &village{
		pop3: startPOP3(t, pop3test.Options{TLS: config, ImplicitTLS: true}, oneMail),
		smtp: startSMTP(t, smtptest.Options{TLS: config, Username: "leo@isp.test", Password: "secret"}),
		ca:   authority.File(), secret: filepath.Join(t.TempDir(), "secret"),
	}
	_, v.pop3Port = split(t, v.pop3.Addr())
	_, v.smtpPort = split(t, v.smtp.Addr().String())
	zone = "pop.isp.test. A 127.0.0.1\nsmtp.isp.test. A 127.0.0.1\npop.elsewhere.test. A 127.0.0.1\n" + strings.ReplaceAll(zone, "%s", v.pop3Port)
	v.newcomer = newNewcomer(t, authority, zone, nil)
	if err := os.WriteFile(v.secret, []byte("secret\nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return v
}

// everything is said by these flags, and more.
func (v *village) everything(more ...string) []string {
	return append([]string{"--address", "leo@isp.test", "--password-file", v.secret, "--host", "pop.isp.test", "--port", v.pop3Port,
		"--to", "leo@isp.test", "--smtp-host", "smtp.isp.test", "--smtp-port", v.smtpPort, "--smtp-password-file", v.secret, "--ca-file", v.ca}, more...)
}

// logins is how often a password went to the POP3 server.
func (v *village) logins() int {
	n := 0
	for _, c := range v.pop3.Log() {
		if slices.Contains([]string{"AUTH", "PASS", "APOP"}, c.Verb()) {
			n++
		}
	}
	return n
}

// nothing checks that no file was written.
func (v *village) nothing() {
	v.t.Helper()
	if files := v.files(); files != "" {
		v.t.Errorf("files were written:\n%s", files)
	}
}

// TestInitByFlags: nobody is asked, and the second form of the user name is the
// one that is let in.
func TestInitByFlags(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "")
	err := v.init(nil, v.everything("--leave-on-server", "14d", "--first-run", "new", "--name", "isp", "--from", "leo@isp.test")...)
	if err != nil {
		t.Fatalf("%v\n%s", err, v.screen.String())
	}
	v.reads("accounts.d/isp.yaml", fmt.Sprintf(`accounts:
  - name: isp
    host: pop.isp.test
    port: %s
    tls: implicit
    tls_ca_file: %s
    username: leo
    password_file: isp.password
    leave_on_server: 14d # true, false: delete what was forwarded, 14d: after 14 days
    first_run: new
`, v.pop3Port, v.ca))
	password, err := os.ReadFile(filepath.Join(v.dir, "accounts.d/isp.password"))
	if err != nil || string(password) != "secret\n" {
		t.Errorf("password file: %q, %v", password, err)
	}
	if n := v.logins(); n != 2 {
		t.Errorf("%d logins, want one for each form of the user name", n)
	}
	if len(v.smtp.Messages()) > 0 {
		t.Error("a message was sent")
	}
	again := v.init(nil, v.everything()...)
	if !is[*app.UsageError](again) {
		t.Errorf("flags of a destination that is there already: %v", again)
	}
	again = v.init(nil, "--address", "leo@isp.test", "--password-file", v.secret, "--host", "pop.isp.test", "--port", v.pop3Port, "--ca-file", v.ca)
	if !is[*app.ConfigError](again) || !strings.Contains(again.Error(), "set up already, as account isp") {
		t.Errorf("a mailbox that is there already: %v", again)
	}
}

// TestInitRefused: a password that is wrong is tried once for each form of the
// user name, and nothing is written.
func TestInitRefused(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "")
	if err := os.WriteFile(v.secret, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := v.init(nil, v.everything()...)
	if err == nil || !strings.Contains(err.Error(), "the login was refused; nothing was written") || v.logins() != 2 {
		t.Errorf("%d logins, %v", v.logins(), err)
	}
	v.nothing()
}

// TestInitNoLogin: a server that wants a login is not set up without one.
func TestInitNoLogin(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "")
	err := v.init(nil, "--address", "leo@isp.test", "--username", "leo", "--password-file", v.secret, "--host", "pop.isp.test:"+v.pop3Port,
		"--ca-file", v.ca, "--to", "leo@isp.test", "--smtp-host", "smtp.isp.test:"+v.smtpPort)
	if err == nil || !strings.Contains(err.Error(), "a sender or recipient was refused; nothing was written") ||
		!strings.Contains(v.screen.String(), "the destination requires a login") {
		t.Errorf("%v\n%s", err, v.screen.String())
	}
	v.nothing()
}

// TestInitInClear: a password goes unencrypted to nobody that is not written
// down as such, this machine neither.
func TestInitInClear(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "")
	plain := startSMTP(t, smtptest.Options{Username: "leo@isp.test", Password: "secret"})
	args := []string{"--address", "leo@isp.test", "--username", "leo", "--password-file", v.secret, "--host", "pop.isp.test:" + v.pop3Port,
		"--ca-file", v.ca, "--to", "leo@isp.test", "--smtp-host", plain.Addr().String(), "--smtp-password-file", v.secret}
	if err := v.init(nil, args...); err == nil || !strings.Contains(err.Error(), "has no TLS, so the password would go out unencrypted") {
		t.Errorf("%v\n%s", err, v.screen.String())
	}
	v.nothing()
	if err := v.init(nil, append(args, "--smtp-tls", "none")...); err != nil {
		t.Errorf("%v\n%s", err, v.screen.String())
	}
}

// TestInitLMTP: a server on this machine needs no login.
func TestInitLMTP(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "")
	socket := filepath.Join(t.TempDir(), "lmtp")
	startSMTP(t, smtptest.Options{Network: "unix", Address: socket, LMTP: true})
	err := v.init(nil, "--address", "leo@isp.test", "--username", "leo", "--password-file", v.secret, "--host", "pop.isp.test", "--port", v.pop3Port,
		"--ca-file", v.ca, "--to", "me@isp.test", "--smtp-host", "unix:"+socket)
	if err != nil {
		t.Fatalf("%v\n%s", err, v.screen.String())
	}
	v.reads("popferry.yaml", fmt.Sprintf(`include: [accounts.d/*.yaml]
forward:
  - name: inbox
    host: unix:%s
    protocol: lmtp
    to: [me@isp.test]
`, socket))
}

// TestInitForeign: a server that only the DNS knows, outside of the address's
// domain, gets no password before somebody has agreed.
func TestInitForeign(t *testing.T) {
	t.Parallel()
	const zone = "_pop3s._tcp.isp.test. SRV 0 1 %s pop.elsewhere.test."
	t.Run("nobody is there", func(t *testing.T) {
		t.Parallel()
		v := newVillage(t, zone)
		err := v.init(nil, "--address", "leo@isp.test", "--password-file", v.secret, "--to", "leo@isp.test", "--ca-file", v.ca)
		if err == nil || !strings.Contains(err.Error(), "can be forged") || !strings.Contains(err.Error(), "--host pop.elsewhere.test") || v.logins() > 0 {
			t.Errorf("%d logins, %v", v.logins(), err)
		}
		v.nothing()
	})
	t.Run("refused, and another one named", func(t *testing.T) {
		t.Parallel()
		v := newVillage(t, zone)
		err := v.init([]reply{
			{"Mail address of the mailbox", "leo@isp.test"},
			{"Shall pop.elsewhere.test get your password (no, yes)", ""},
			{"POP3 server as your provider names it", "pop.isp.test:" + v.pop3Port},
			{"Password at pop.isp.test", ""},
			{"Password at pop.isp.test", "wrong"},
			{"Try again", "quit"},
		}, "--ca-file", v.ca)
		if !errors.Is(err, terminal.ErrStopped) || !strings.Contains(v.screen.String(), "  - guesses, nothing listens on this port: pop.isp.test:995, pop.isp.test:110") {
			t.Errorf("%v\n%s", err, v.screen.String())
		}
		v.nothing()
	})
	t.Run("agreed", func(t *testing.T) {
		t.Parallel()
		v := newVillage(t, zone)
		err := v.init([]reply{
			{"Shall pop.elsewhere.test get your password", "y"},
			{"Keep mail", ""},
			{"Forward all", ""},
			{"Write them?", ""},
			{"Fetch and forward now?", "no"},
		}, "--ca-file", v.ca, "--address", "leo@isp.test", "--password-file", v.secret, "--to", "leo@isp.test",
			"--smtp-host", "smtp.isp.test", "--smtp-port", v.smtpPort, "--smtp-password-file", v.secret)
		if err != nil {
			t.Errorf("%v\n%s", err, v.screen.String())
		}
	})
}

// TestInitLeavesNothing: who leaves at any question finds nothing written, and
// neither does who has a file in the way.
func TestInitLeavesNothing(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "")
	dialogue := []reply{
		{"Mail address of the mailbox", "leo@isp.test"},
		{"POP3 server as your provider", "no server"},
		{"POP3 server as your provider", "unix:/run/pop3"},
		{"POP3 server as your provider", "pop.isp.test:" + v.pop3Port},
		{"Password at pop.isp.test", "secret"},
		{"Mail address of the inbox", "leo@isp.test"},
		{"Mail server as your provider", "smtp.isp.test:" + v.smtpPort},
		{"Password at smtp.isp.test", ""},
		{"Try again with another", "server"},
		{"Mail server as your provider", "smtp.isp.test:" + v.smtpPort},
		{"Try again with another", "a"},
		{"Mail address of the inbox", "zoe@isp.test"},
		{"Try again with another", "a"},
		{"Mail address of the inbox", "leo@isp.test"},
		{"Try again with another", "u"},
		{"User name [leo@isp.test]", ""},
		{"Try again with another", "p"},
		{"Password at smtp.isp.test", "secret"},
		{"Keep mail in the mailbox", "perhaps"},
		{"Keep mail in the mailbox", "no"},
		{"Forward all the mail", "all"},
		{"Write them?", "yes"},
	}
	for n := range dialogue {
		if err := v.init(append(slices.Clone(dialogue[:n]), reply{dialogue[n].question, leaves}), "--ca-file", v.ca); !errors.Is(err, terminal.ErrStopped) {
			t.Errorf("left at %q: %v", dialogue[n].question, err)
		}
		v.nothing()
	}
	inTheWay := filepath.Join(v.dir, "inbox.password")
	if err := os.WriteFile(inTheWay, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := v.init(dialogue, "--ca-file", v.ca)
	if err == nil || !strings.Contains(err.Error(), "inbox.password already exists") {
		t.Errorf("%v\n%s", err, v.screen.String())
	}
	if text, _ := os.ReadFile(inTheWay); string(text) != "other" || v.files() != "inbox.password -rw-------\n" {
		t.Errorf("%q in\n%s", text, v.files())
	}
}

// TestInitSlips: who mistypes an address can type it again, at the question for
// a server and when the login was refused, and blanks around a password are
// noticed. Of what went well before the login, nothing is told.
func TestInitSlips(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "_pop3s._tcp.isp.test. SRV 0 1 %s pop.isp.test.\n_pop3s._tcp.elsewhere.test. SRV 0 1 %s pop.elsewhere.test.\n")
	err := v.init([]reply{
		{"Mail address of the mailbox", "leo@isp.tset"},
		{"POP3 server as your provider names it, or the mail address once more", "leo@elsewhere.test"},
		{"Password at pop.elsewhere.test", "wrong"},
		{"Try again with another", "address"},
		{"Mail address of the mailbox", "loe@isp.test"},
		{"Password at pop.isp.test", "\tsecret "},
		{"The password begins or ends with a blank. Take it off (yes, no)", ""},
		{"Try again with another", "address"},
		{"Mail address of the mailbox", "leo@isp.test"},
		{"Mail address of the inbox", leaves},
	}, "--ca-file", v.ca)
	screen := v.screen.String()
	if !errors.Is(err, terminal.ErrStopped) || !strings.Contains(screen, "There is no server anywhere below isp.tset. Is the address spelled right?") ||
		!strings.Contains(screen, "as leo\n") || strings.Contains(screen, "greeting") || strings.Contains(screen, "Tried were") {
		t.Errorf("%v\n%s", err, screen)
	}
	if n := strings.Count(screen, "Check username and password"); n != 2 {
		t.Errorf("the remedy is told %d times for two refusals:\n%s", n, screen)
	}
	v.nothing()
}

// TestInitPresets: what is known of a provider is said before anything is
// asked of a server.
func TestInitPresets(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "")
	err := v.init([]reply{
		{"Mail address of the mailbox", "leo@gmial.com"},
		{"There is gmail.com, too. Is gmial.com right (no, yes)", ""},
		{"Mail address of the mailbox", "leo@icloud.com"},
	})
	if err == nil || !strings.Contains(err.Error(), "has no POP3. ") {
		t.Errorf("%v\n%s", err, v.screen.String())
	}
	v.nothing()
}

// TestInitNotes: what has to be done at the provider first comes with the page
// for it.
func TestInitNotes(t *testing.T) {
	t.Parallel()
	known, ok := provider.ByName("gmail")
	if !ok || known.AppPassword == nil || known.AppPassword.URL == "" {
		t.Fatalf("gmail has no page for app passwords: %+v", known)
	}
	var out bytes.Buffer
	s := &setup{Dialogue: terminal.NewDialogue(&out, nil)}
	s.tellNotes(&known)
	s.tellNotes(nil)
	if got := out.String(); !strings.Contains(got, "make an app password: ") || !strings.Contains(got, known.AppPassword.URL) {
		t.Errorf("told:\n%s", got)
	}
}

// TestInitLeftAtTheEnd: who leaves when all is written hears so.
func TestInitLeftAtTheEnd(t *testing.T) {
	t.Parallel()
	v := newVillage(t, "")
	err := v.init([]reply{{"Keep mail", ""}, {"Forward all", ""}, {"Write them?", ""}, {"Fetch and forward now?", leaves}}, v.everything()...)
	if screen := v.screen.String(); err != nil || !strings.Contains(screen, "Next:\n  popferry run --config") {
		t.Errorf("%v\n%s", err, screen)
	}
	if n := v.logins(); n != 2 || !strings.Contains(v.files(), "popferry.yaml") {
		t.Errorf("%d logins, files:\n%s", n, v.files())
	}
}
