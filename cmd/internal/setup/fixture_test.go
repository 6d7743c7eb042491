package setup_test

import (
	"crypto/tls"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/check"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// fixture is an empty folder to set popferry up in, a POP3 server that knows leo
// by his name alone, and an SMTP server that knows him by his address. Both are
// reached by any name below isp.test and elsewhere.test that the DNS has.
type fixture struct {
	t                  *testing.T
	dir                string
	screen             testworld.Output
	options            setup.Options
	pop3               *pop3test.Server
	smtp               *smtptest.Server
	pop3Port, smtpPort int
	ca                 string
	authority          *certtest.Authority
	secret             string // a file with the password
}

// newFixture has more records for the DNS, in which %s is the POP3 server's port.
func newFixture(t *testing.T, zone string) *fixture {
	t.Helper()
	authority := certtest.New(t)
	config := &tls.Config{Certificates: []tls.Certificate{authority.Server("*.isp.test", "*.elsewhere.test")}}
	f := &fixture{
		t: t, dir: t.TempDir(),
		pop3: testworld.POP3(t, pop3test.Options{TLS: config, ImplicitTLS: true}, testworld.OneMail),
		smtp: testworld.SMTP(t, smtptest.Options{TLS: config, Username: "leo@isp.test", Password: "secret"}),
		ca:   authority.File(), authority: authority, secret: filepath.Join(t.TempDir(), "secret"),
	}
	f.pop3Port, f.smtpPort = port(t, f.pop3.Addr()), port(t, f.smtp.Addr().String())
	zone = "pop.isp.test. A 127.0.0.1\nsmtp.isp.test. A 127.0.0.1\npop.elsewhere.test. A 127.0.0.1\n" + strings.ReplaceAll(zone, "%s", strconv.Itoa(f.pop3Port))
	resolver, transport := testworld.Discovery(t, authority, zone, nil)
	f.options = setup.Options{Silent: "nobody is here", Config: f.path("popferry.yaml"), Network: dial.NewNetworkWith(resolver), Resolver: resolver, Transport: transport, Rules: testworld.AnyServer()}
	if err := os.WriteFile(f.secret, []byte("secret\nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return f
}

func port(t *testing.T, addr string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (f *fixture) path(name string) string { return filepath.Join(f.dir, name) }

// everything is an input with all that is needed.
func (f *fixture) everything() setup.Input {
	return setup.Input{
		Address: "leo@isp.test", Mailbox: setup.Server{Host: "pop.isp.test", Port: f.pop3Port, PasswordFile: f.secret},
		To: "leo@isp.test", Inbox: setup.Server{Host: "smtp.isp.test", Port: f.smtpPort, PasswordFile: f.secret}, CAFile: f.ca,
	}
}

// mailboxAt is everything about a mailbox on a host of isp.test, and nothing about
// the inbox.
func (f *fixture) mailboxAt(host string) setup.Input {
	in := f.everything()
	in.Mailbox.Host = host + ".isp.test"
	in.To, in.Inbox = "", setup.Server{}
	return in
}

// run runs a set-up. Without replies it is not interactive.
func (f *fixture) run(in setup.Input, replies ...testworld.Reply) error {
	f.t.Helper()
	if err := in.Check(); err != nil {
		f.t.Fatal(err)
	}
	var console terminal.Console
	user := testworld.NewConsole(f.t, &f.screen, replies)
	if replies != nil {
		console = user
	}
	o := f.options
	o.Input = in
	o.FrontEnd = struct {
		*terminal.Dialogue
		*check.Text
	}{terminal.NewDialogue(&f.screen, console), check.NewText(&f.screen, false, os.Getenv)}
	_, err := setup.Run(f.t.Context(), o)
	user.CheckAllAsked()
	return err
}

// logins is how often a password was sent to the POP3 server.
func (f *fixture) logins() int {
	n := 0
	for _, c := range f.pop3.Log() {
		if slices.Contains([]string{"AUTH", "PASS", "APOP"}, c.Verb()) {
			n++
		}
	}
	return n
}

// nothingWritten checks that no file was written.
func (f *fixture) nothingWritten() {
	f.t.Helper()
	if files := testworld.Files(f.t, f.dir); files != "" {
		f.t.Errorf("these files were written, want none:\n%s", files)
	}
}

// reads checks what a file says below its comment.
func (f *fixture) reads(name, want string) {
	f.t.Helper()
	text, err := os.ReadFile(f.path(name))
	if err != nil {
		f.t.Fatal(err)
	}
	if _, got, _ := strings.Cut(string(text), "\n\n"); got != want {
		f.t.Errorf("%s:\n%s\nwant below the comment:\n%s", name, text, want)
	}
}

// succeeds fails the test if there is an error.
func (f *fixture) succeeds(err error) {
	f.t.Helper()
	if err != nil {
		f.t.Fatalf("got %v, want it set up; on the screen:\n%s", err, f.screen.String())
	}
}

// fails checks the words of an error.
func (f *fixture) fails(err error, want string) {
	f.t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		f.t.Errorf("got %v, want an error with %q; on the screen:\n%s", err, want, f.screen.String())
	}
}

// shows checks that the screen has these words.
func (f *fixture) shows(want string) {
	f.t.Helper()
	if !strings.Contains(f.screen.String(), want) {
		f.t.Errorf("the screen does not have %q:\n%s", want, f.screen.String())
	}
}

// is reports whether an error is of type E or wraps one.
func is[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}
