package setup_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// Nothing is asked, and the second form of the user name is the one that is
// accepted.
func TestSetUpWithoutQuestions(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	in := f.everything()
	in.Leave, in.FirstRun, in.Name, in.From = "14d", config.FirstRunNew, "isp", "leo@isp.test"
	f.succeeds(f.run(in))
	f.reads("accounts.d/isp.yaml", fmt.Sprintf(`accounts:
  - name: isp
    host: pop.isp.test
    port: %d
    tls: implicit
    tls_ca_file: %s
    username: leo
    password_file: isp.password
    leave_on_server: 14d # true: keep mail there, false: delete it once forwarded, 14d: delete it 14 days later
    first_run: new
`, f.pop3Port, f.ca))
	password, err := os.ReadFile(f.path("accounts.d/isp.password"))
	if err != nil || string(password) != "secret\n" {
		t.Errorf("password file: %q, %v; want the password and a line end", password, err)
	}
	if n := f.logins(); n != 2 {
		t.Errorf("%d logins, want one for each form of the user name", n)
	}
	if n := len(f.smtp.Messages()); n > 0 {
		t.Errorf("%d messages were sent, want none", n)
	}
	if err := f.run(f.everything()); !is[*app.UsageError](err) {
		t.Errorf("an inbox for an existing configuration: %v, want a UsageError", err)
	}
	err = f.run(f.mailboxAt("pop"))
	f.fails(err, "set up already, as account isp")
	before := f.logins()
	in = f.mailboxAt("pop")
	in.Mailbox.Username = "leo"
	f.fails(f.run(in), "set up already, as account isp")
	if n := f.logins(); n != before {
		t.Errorf("%d logins, want none for a mailbox that is set up already", n-before)
	}
	if !is[*app.ConfigError](err) {
		t.Errorf("a mailbox that is set up already: %v, want a ConfigError", err)
	}
}

// What leave_on_server takes is taken here, too, and read back.
func TestLeaveTakesAnyDurationOfTheConfiguration(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	in := f.everything()
	in.Leave = "36h"
	f.succeeds(f.run(in))
	cfg, err := app.Load(f.options.Config)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := cfg.Accounts[0].Leave, (config.Leave{Keep: true, For: 36 * 60 * 60 * 1e9}); got != want {
		t.Errorf("leave_on_server is read back as %+v, want %+v", got, want)
	}
}

// A wrong password is tried once for each form of the user name.
func TestWrongPassword(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	if err := os.WriteFile(f.secret, []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.fails(f.run(f.everything()), "the login was refused; nothing was written")
	if n := f.logins(); n != 2 {
		t.Errorf("%d logins, want 2", n)
	}
	f.nothingWritten()
}

// A server that requires a login is not set up without one.
func TestInboxThatRequiresALogin(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	in := f.everything()
	in.Inbox.PasswordFile = ""
	f.fails(f.run(in), "a sender or recipient was refused; nothing was written")
	f.shows("the destination requires a login")
	f.nothingWritten()
}

// A password is sent unencrypted only if that is allowed, also to this machine.
func TestPasswordIsNotSentUnencryptedUnasked(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	plain := testworld.SMTP(t, smtptest.Options{Username: "leo@isp.test", Password: "secret"})
	in := f.everything()
	in.Inbox.Host, in.Inbox.Port = plain.Addr().String(), 0
	f.fails(f.run(in), "has no TLS, so the password would be sent unencrypted")
	f.nothingWritten()
	in.Inbox.TLS = config.TLSNone
	f.succeeds(f.run(in))
}

// A server at a socket needs no login.
func TestInboxAtALMTPSocket(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	socket := filepath.Join(t.TempDir(), "lmtp")
	testworld.SMTP(t, smtptest.Options{Network: "unix", Address: socket, LMTP: true})
	in := f.everything()
	in.To, in.Inbox = "me@isp.test", setup.Server{Host: "unix:" + socket}
	f.succeeds(f.run(in))
	f.reads("popferry.yaml", fmt.Sprintf(`include: [accounts.d/*.yaml]
forward:
  - name: inbox
    host: unix:%s
    protocol: lmtp
    to: [me@isp.test]
`, socket))
}

// A server that only the DNS names, outside of the address's domain, gets no
// password before the user has agreed.
func TestForeignServerNeedsConsent(t *testing.T) {
	t.Parallel()
	const zone = "_pop3s._tcp.isp.test. SRV 0 1 %s pop.elsewhere.test."
	t.Run("not interactive", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, zone)
		in := f.everything()
		in.Mailbox.Host, in.Mailbox.Port = "", 0
		err := f.run(in)
		f.fails(err, "can be forged")
		f.fails(err, "--host pop.elsewhere.test")
		if n := f.logins(); n > 0 {
			t.Errorf("%d logins, want none", n)
		}
		f.nothingWritten()
	})
	t.Run("refused, and another one named", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, zone)
		err := f.run(setup.Input{CAFile: f.ca}, []testworld.Reply{
			{Question: "Mail address of the mailbox", Answer: "leo@isp.test"},
			{Question: "Send your password to pop.elsewhere.test (no, yes)", Answer: ""},
			{Question: "POP3 server (see your provider's help)", Answer: fmt.Sprint("pop.isp.test:", f.pop3Port)},
			{Question: "Password at pop.isp.test", Answer: ""},
			{Question: "Password at pop.isp.test", Answer: "wrong"},
			{Question: "Try again", Answer: "quit"},
		}...)
		f.fails(err, setup.ErrStopped.Error())
		f.shows("  - guesses, nothing listens on this port: pop.isp.test:995, pop.isp.test:110")
		f.nothingWritten()
	})
	t.Run("agreed", func(t *testing.T) {
		t.Parallel()
		f := newFixture(t, zone)
		in := f.everything()
		in.Mailbox.Host, in.Mailbox.Port = "", 0
		f.succeeds(f.run(in, []testworld.Reply{
			{Question: "Send your password to pop.elsewhere.test", Answer: "y"},
			{Question: "Keep mail", Answer: ""},
			{Question: "Forward all", Answer: ""},
			{Question: "Write them?", Answer: ""},
		}...))
	})
}

// A user who leaves at any question finds nothing written, nor does one who has a
// file in the way.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	in := setup.Input{CAFile: f.ca}
	const pop3Server, mailServer = "POP3 server (see your provider's help)", "Mail server (see your provider's help)"
	smtp := fmt.Sprint("smtp.isp.test:", f.smtpPort)
	dialogue := []testworld.Reply{
		{Question: "Mail address of the mailbox", Answer: "leo@isp.test"},
		{Question: pop3Server, Answer: "no server"},
		{Question: pop3Server, Answer: "unix:/run/pop3"},
		{Question: pop3Server, Answer: fmt.Sprint("pop.isp.test:", f.pop3Port)},
		{Question: "Password at pop.isp.test", Answer: "secret"},
		{Question: "Mail address of the inbox", Answer: "leo@isp.test"},
		{Question: mailServer, Answer: smtp},
		{Question: "Password at smtp.isp.test", Answer: ""},
		{Question: "Try again with another", Answer: "server"},
		{Question: mailServer, Answer: smtp},
		{Question: "Try again with another", Answer: "a"},
		{Question: "Mail address of the inbox", Answer: "zoe@isp.test"},
		{Question: "Try again with another", Answer: "a"},
		{Question: "Mail address of the inbox", Answer: "leo@isp.test"},
		{Question: "Try again with another", Answer: "u"},
		{Question: "User name [leo@isp.test]", Answer: ""},
		{Question: "Try again with another", Answer: "p"},
		{Question: "Password at smtp.isp.test", Answer: "secret"},
		{Question: "Keep mail in the mailbox", Answer: "perhaps"},
		{Question: "Keep mail in the mailbox", Answer: "no"},
		{Question: "Forward all mail", Answer: "all"},
		{Question: "Write them?", Answer: "yes"},
	}
	for n := range dialogue {
		replies := append([]testworld.Reply{}, dialogue[:n]...)
		f.fails(f.run(in, append(replies, testworld.Reply{Question: dialogue[n].Question, Answer: testworld.Leave})...), setup.ErrStopped.Error())
		f.nothingWritten()
	}
	inTheWay := f.path("inbox.password")
	if err := os.WriteFile(inTheWay, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.fails(f.run(in, append(dialogue, testworld.Reply{Question: "Your answers are kept", Answer: testworld.Leave})...), setup.ErrStopped.Error())
	f.shows("inbox.password already exists")
	if text, _ := os.ReadFile(inTheWay); string(text) != "other" {
		t.Errorf("the file in the way says %q, want it as it was", text)
	}
	if got, want := testworld.Files(t, f.dir), "inbox.password -rw-------\n"; got != want {
		t.Errorf("files:\n%s\nwant:\n%s", got, want)
	}
}

// What was typed is not lost if it cannot be written: the user corrects that, or names
// another folder.
func TestAnswersAreKeptIfTheyCannotBeWritten(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	taken, other := f.path("taken"), f.path("other")
	testworld.Write(t, f.path("inbox.password"), "other")
	if err := os.Mkdir(taken, 0o700); err != nil {
		t.Fatal(err)
	}
	testworld.Write(t, filepath.Join(taken, "popferry.yaml"), "accounts: [{host: pop.isp.test, username: leo, password: secret}]\nforward: [{host: smtp.isp.test, to: [me@isp.test]}]\n")
	again := "Your answers are kept. Correct this and press Enter, or name another folder [" + f.dir + "]"
	f.succeeds(f.run(f.everything(),
		testworld.Reply{Question: "Keep mail in the mailbox", Answer: ""},
		testworld.Reply{Question: "Forward all mail", Answer: ""},
		testworld.Reply{Question: "Write them?", Answer: ""},
		testworld.Reply{Question: again, Answer: ""}, // not corrected
		testworld.Reply{Question: "Write them?", Answer: ""},
		testworld.Reply{Question: again, Answer: taken},
		testworld.Reply{Question: again, Answer: "/sys/popferry"},
		testworld.Reply{Question: again, Answer: other},
		testworld.Reply{Question: "Write them?", Answer: ""}))
	f.shows("inbox.password already exists")
	f.shows(filepath.Join(taken, "popferry.yaml") + " exists already")
	f.shows("the configuration cannot be written to /sys/popferry")
	if got, want := testworld.Files(t, other), "accounts.d -rwx------\naccounts.d/leo@isp.test.password -rw-------\naccounts.d/leo@isp.test.yaml -rw-------\ninbox.password -rw-------\npopferry.yaml -rw-------\n"; got != want {
		t.Errorf("files:\n%s\nwant:\n%s", got, want)
	}
}

// A mistyped address can be typed again, at the question for a server and when
// the login was refused, and spaces around a password are noticed. Of what
// succeeds before the login, nothing is shown.
func TestMistypedAnswersCanBeTypedAgain(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "_pop3s._tcp.isp.test. SRV 0 1 %s pop.isp.test.\n_pop3s._tcp.elsewhere.test. SRV 0 1 %s pop.elsewhere.test.\n")
	err := f.run(setup.Input{CAFile: f.ca}, []testworld.Reply{
		{Question: "Mail address of the mailbox", Answer: "leo@isp.tset"},
		{Question: "POP3 server (see your provider's help), or the address again", Answer: "leo@elsewhere.test"},
		{Question: "Password at pop.elsewhere.test", Answer: "wrong"},
		{Question: "Try again with another", Answer: "address"},
		{Question: "Mail address of the mailbox", Answer: "loe@isp.test"},
		{Question: "Password at pop.isp.test", Answer: "\tsecret "},
		{Question: "The password begins or ends with a space. Remove it (yes, no)", Answer: ""},
		{Question: "Try again with another", Answer: "address"},
		{Question: "Mail address of the mailbox", Answer: "leo@isp.test"},
		{Question: "Mail address of the inbox", Answer: testworld.Leave},
	}...)
	f.fails(err, setup.ErrStopped.Error())
	f.shows("There is no mail server below isp.tset. Is the address spelled correctly?")
	f.shows("as leo\n")
	screen := f.screen.String()
	if strings.Contains(screen, "greeting") || strings.Contains(screen, "Tried:") {
		t.Errorf("the screen has steps before the login, want none:\n%s", screen)
	}
	if n := strings.Count(screen, "Check username and password"); n != 2 {
		t.Errorf("the remedy is shown %d times, want once for each of two refusals:\n%s", n, screen)
	}
	f.nothingWritten()
}

// What is known of a provider is said before a server is asked anything.
func TestProviderWithoutPOP3(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	err := f.run(setup.Input{}, []testworld.Reply{
		{Question: "Mail address of the mailbox", Answer: "leo@gmial.com"},
		{Question: "This looks like gmail.com. Is gmial.com spelled correctly (no, yes)", Answer: ""},
		{Question: "Mail address of the mailbox", Answer: "leo@icloud.com"},
	}...)
	f.fails(err, "iCloud Mail has no POP3; ")
	f.nothingWritten()
}

// A server with a certificate of its own is used if the user trusts that certificate,
// and only that one is accepted from then on.
func TestCertificateOfOnesOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	in := f.everything()
	in.CAFile = ""
	f.fails(f.run(in), "If the server is your own: --ca-file FILE")
	f.nothingWritten()
	question := "Trust exactly this certificate (no, yes)"
	f.succeeds(f.run(in, []testworld.Reply{
		{Question: question, Answer: "yes"},
		{Question: question, Answer: "y"},
		{Question: "Keep mail in the mailbox after it is forwarded?", Answer: "yes please"},
		{Question: "Forward all mail that is there already", Answer: ""},
		{Question: "Write them?", Answer: ""},
	}...))
	cfg, err := app.Load(f.options.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []config.Server{cfg.Accounts[0].Server, cfg.Forward[0].Server} {
		if !strings.HasPrefix(s.TLS.Pin, "sha256:") || s.TLS.CAFile != "" || !strings.Contains(f.screen.String(), s.TLS.Pin) {
			t.Errorf("%s: tls_pin is %q, tls_ca_file %q; want the fingerprint that was shown", s.Host, s.TLS.Pin, s.TLS.CAFile)
		}
	}
}

// Addresses are taken as programs copy them.
func TestAddressWithDecoration(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"mailto:leo@isp.test", "Leo Smith <leo@isp.test>", " MAILTO:leo@isp.test?subject=x"} {
		f := newFixture(t, "")
		in := f.everything()
		in.Address = address
		f.succeeds(f.run(in))
		if cfg, err := app.Load(f.options.Config); err != nil || cfg.Accounts[0].Name != "leo@isp.test" {
			t.Errorf("%q: got %+v, %v; want the account leo@isp.test", address, cfg, err)
		}
	}
}

// In a folder that git keeps, git add takes no password.
func TestGitTakesNoPasswords(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("git"); err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, "")
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "git", append([]string{"-C", f.dir}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	git("init", "-q")
	f.succeeds(f.run(f.everything()))
	git("add", ".")
	if taken := git("ls-files"); strings.Contains(taken, ".password") || !strings.Contains(taken, "popferry.yaml") {
		t.Errorf("git takes\n%s", taken)
	}
	if err := os.WriteFile(f.path(".gitignore"), []byte("*.o\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"popferry.yaml", "accounts.d/leo@isp.test.yaml", "accounts.d/leo@isp.test.password", "inbox.password"} {
		if err := os.Remove(f.path(file)); err != nil {
			t.Fatal(err)
		}
	}
	f.succeeds(f.run(f.everything()))
	if said := f.screen.String(); !strings.Contains(said, "Add this line to "+f.path(".gitignore")+": *.password") {
		t.Errorf("it is not said that git takes the passwords:\n%s", said)
	}
}
