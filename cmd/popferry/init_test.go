package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// newcomer is a user who sets popferry up in an empty folder.
type newcomer struct {
	t       *testing.T
	dir     string
	program *program
	screen  testworld.Output
}

// newNewcomer has a DNS with these records and web pages, as testworld.Discovery.
func newNewcomer(t *testing.T, authority *certtest.Authority, zone string, pages map[string]string) *newcomer {
	t.Helper()
	n := &newcomer{t: t, dir: t.TempDir()}
	resolver, transport := testworld.Discovery(t, authority, zone, pages)
	resources := app.NewResources()
	resources.Network = dial.NewNetworkWith(resolver)
	n.program = &program{stdout: &n.screen, stderr: &n.screen, resources: resources, resolver: resolver, transport: transport, rules: testworld.AnyServer()}
	return n
}

// init runs popferry init with a user who answers.
func (n *newcomer) init(replies []testworld.Reply, args ...string) error {
	n.t.Helper()
	user := testworld.NewConsole(n.t, &n.screen, replies)
	n.program.console = func() terminal.Console { return user }
	c := n.program.initCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(append([]string{"--config", filepath.Join(n.dir, "popferry.yaml")}, args...))
	err := c.ExecuteContext(n.t.Context())
	user.CheckAllAsked()
	return err
}

// reads checks what a file says below its comment.
func (n *newcomer) reads(name, want string) {
	n.t.Helper()
	text, err := os.ReadFile(filepath.Join(n.dir, name))
	if err != nil {
		n.t.Fatal(err)
	}
	if _, got, _ := strings.Cut(string(text), "\n\n"); got != want {
		n.t.Errorf("%s:\n%s\nwant below the comment:\n%s", name, text, want)
	}
}

// split returns an address's host and port.
func split(t *testing.T, addr string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// authorities writes the authorities of real servers into one file.
func authorities(t *testing.T, files ...string) string {
	t.Helper()
	var all [][]byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, bytes.Join(all, nil), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// A user who leaves at the last question reads that everything is set up.
func TestInitIsCompleteBeforeTheFirstPoll(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t)
	config := &tls.Config{Certificates: []tls.Certificate{authority.Server("*.isp.test")}}
	src := testworld.POP3(t, pop3test.Options{TLS: config, ImplicitTLS: true}, testworld.OneMail)
	sink := testworld.SMTP(t, smtptest.Options{TLS: config, Username: "leo@isp.test", Password: "secret"})
	_, popPort := split(t, src.Addr())
	_, smtpPort := split(t, sink.Addr().String())
	n := newNewcomer(t, authority, "pop.isp.test. A 127.0.0.1\nsmtp.isp.test. A 127.0.0.1\n", nil)
	secret := filepath.Join(t.TempDir(), "secret")
	testworld.Write(t, secret, "secret\n")
	err := n.init([]testworld.Reply{
		{Question: "Keep mail", Answer: ""},
		{Question: "Forward all", Answer: ""},
		{Question: "Write them?", Answer: ""},
		{Question: "Collect and forward mail now?", Answer: testworld.Leave},
	}, "--address", "leo@isp.test", "--password-file", secret, "--host", "pop.isp.test", "--port", popPort,
		"--to", "leo@isp.test", "--smtp-host", "smtp.isp.test", "--smtp-port", smtpPort, "--smtp-password-file", secret, "--ca-file", authority.File())
	if screen := n.screen.String(); err != nil || !strings.Contains(screen, "Next:\n  popferry run --config") {
		t.Errorf("got %v, want no error, and what to do next, on the screen:\n%s", err, screen)
	}
	logins := 0
	for _, c := range src.Log() {
		if v := c.Verb(); v == "AUTH" || v == "PASS" || v == "APOP" {
			logins++
		}
	}
	if files := testworld.Files(t, n.dir); logins != 2 || !strings.Contains(files, "popferry.yaml") {
		t.Errorf("%d logins, want the 2 of the set-up; files, want popferry.yaml among them:\n%s", logins, files)
	}
}

// A user who knows two addresses and two passwords, and mistypes some of them:
// from an empty folder to forwarded mail, on real servers that are found by
// autoconfig over HTTPS and by SRV records. Then a second mailbox is added.
func TestInitOnRealServers(t *testing.T) {
	realserver.Require(t)
	d := realserver.StartDovecot(t)
	p := realserver.StartPostfix(t, d)
	d.AddUser("leo", "isp: secret")
	d.AddUser("club", "club secret")
	p.AddUser("me", "inbox secret")
	for n := range 3 {
		d.Seed("leo", letter("leo", n, 3000))
	}
	d.Seed("club", letter("club", 0, 3000))
	popIP, popPort := split(t, d.POP3S())
	smtpIP, smtpPort := split(t, p.Submission())
	n := newNewcomer(t, certtest.New(t), fmt.Sprintf(`pop.popferry.test. A %s
smtp.popferry.test. A %s
_submission._tcp.popferry.test. SRV 0 1 %s smtp.popferry.test.
`, popIP, smtpIP, smtpPort), map[string]string{"autoconfig.isp.test/mail/config-v1.1.xml": fmt.Sprintf(
		`<clientConfig version="1.1"><emailProvider id="isp.test"><incomingServer type="pop3"><hostname>pop.popferry.test</hostname><port>%s</port>
<socketType>SSL</socketType><username>%%EMAILADDRESS%%</username><authentication>password-cleartext</authentication></incomingServer>
</emailProvider></clientConfig>`, popPort)})
	ca := authorities(t, d.CAFile(), p.CAFile())
	t.Setenv("XDG_STATE_HOME", t.TempDir())

	err := n.init([]testworld.Reply{
		{Question: "Mail address of the mailbox", Answer: "leo"},
		{Question: "Mail address of the mailbox", Answer: "leo@isp.test"},
		{Question: "Password at pop.popferry.test", Answer: "mistyped"},
		{Question: "Try again with another", Answer: "p"},
		{Question: "Password at pop.popferry.test", Answer: "isp: secret"},
		{Question: "Mail address of the inbox", Answer: "me@popferry.test"},
		{Question: "Password at smtp.popferry.test", Answer: "inbox secret"},
		{Question: "Keep mail in the mailbox", Answer: "no"},
		{Question: "Forward all mail", Answer: ""},
		{Question: "Write them?", Answer: ""},
		{Question: "Collect and forward mail now?", Answer: ""},
	}, "--ca-file", ca)
	if err != nil {
		t.Fatalf("%v\n%s", err, n.screen.String())
	}
	err = n.init([]testworld.Reply{
		{Question: "Mail address of the mailbox", Answer: "club@isp.test"},
		{Question: "Password at pop.popferry.test", Answer: "club secret"},
		{Question: "Keep mail in the mailbox", Answer: "2w"},
		{Question: "Forward all mail", Answer: "new"},
		{Question: "Write them?", Answer: "y"},
		{Question: "Collect and forward mail now?", Answer: "yes"},
	}, "--ca-file", ca)
	if err != nil {
		t.Fatalf("%v\n%s", err, n.screen.String())
	}
	for _, want := range []string{"leo@isp.test: 3 forwarded, 0 held, 0 deferred, 0 skipped, 0 on server", "club@isp.test: 0 forwarded, 0 held, 0 deferred, 1 skipped, 1 on server"} {
		if !strings.Contains(n.screen.String(), want) {
			t.Errorf("no %q in\n%s", want, n.screen.String())
		}
	}
	for _, secret := range []string{"isp: secret", "inbox secret", "club secret", "mistyped"} {
		if strings.Contains(n.screen.String(), secret) {
			t.Errorf("a password is shown:\n%s", n.screen.String())
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := p.WaitDelivered(ctx, "me", 3); err != nil {
		t.Error(err)
	}
	if left := d.Count("leo"); left != 0 {
		t.Errorf("%d messages left in a mailbox that was to be emptied", left)
	}
	if got, want := testworld.Files(t, n.dir), `accounts.d -rwx------
accounts.d/club@isp.test.password -rw-------
accounts.d/club@isp.test.yaml -rw-------
accounts.d/leo@isp.test.password -rw-------
accounts.d/leo@isp.test.yaml -rw-------
inbox.password -rw-------
popferry.yaml -rw-------
`; got != want {
		t.Errorf("files:\n%s\nwant:\n%s", got, want)
	}
	n.reads("popferry.yaml", fmt.Sprintf(`include: [accounts.d/*.yaml]
forward:
  - name: inbox
    host: smtp.popferry.test
    port: %s
    tls: starttls
    tls_ca_file: %s
    username: me@popferry.test
    password_file: inbox.password
    to: [me@popferry.test]
`, smtpPort, ca))
	n.reads("accounts.d/leo@isp.test.yaml", fmt.Sprintf(`accounts:
  - name: leo@isp.test
    host: pop.popferry.test
    port: %s
    tls: implicit
    tls_ca_file: %s
    username: leo@isp.test
    password_file: leo@isp.test.password
    leave_on_server: false # true: keep mail there, false: delete it once forwarded, 14d: delete it 14 days later
`, popPort, ca))
}

// What init says to type next needs no --config where the commands look first.
func TestNextCommands(t *testing.T) {
	dir := t.TempDir()
	usual := filepath.Join(dir, "popferry", "popferry.yaml")
	if err := os.Mkdir(filepath.Dir(usual), 0o700); err != nil {
		t.Fatal(err)
	}
	testworld.Write(t, usual, "")
	for _, tt := range []struct{ variable, path, want string }{
		{"", usual, ""},
		{"", filepath.Join(dir, "other.yaml"), filepath.Join(dir, "other.yaml")},
		{usual, usual, usual}, // the next shell may not have the variable
	} {
		t.Setenv("XDG_CONFIG_HOME", dir)
		t.Setenv("POPFERRY_CONFIG", tt.variable)
		if got := naming(tt.path); got != tt.want {
			t.Errorf("%s with $POPFERRY_CONFIG %q: %q, want %q", tt.path, tt.variable, got, tt.want)
		}
	}
}

// An inbox at an IMAP server: a login that is refused is told before anything is
// written, and what is written names the folder's server.
func TestInitWithAnInboxOnRealIMAP(t *testing.T) {
	realserver.Require(t)
	d := realserver.StartDovecotIMAP(t)
	d.AddUser("leo", "isp secret")
	d.AddUser("me", "inbox secret")
	imap := d.IMAP()
	n := newNewcomer(t, certtest.New(t), "", nil)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	popIP, popPort := split(t, d.POP3S())
	err := n.init([]testworld.Reply{
		{Question: "Password at " + popIP, Answer: "isp secret"},
		{Question: "Password at " + popIP, Answer: "mistyped"},
		{Question: "Try again with another", Answer: "p"},
		{Question: "Password at " + popIP, Answer: "inbox secret"},
		{Question: "Keep mail in the mailbox", Answer: "no"},
		{Question: "Forward all mail", Answer: ""},
		{Question: "Write them?", Answer: ""},
		{Question: "Collect and forward mail now?", Answer: "no"},
	}, "--address", "leo@popferry.test", "--host", popIP, "--port", popPort, "--tls", "implicit",
		"--to", "me@popferry.test", "--smtp-host", imap, "--smtp-tls", "starttls", "--forward-protocol", "imap", "--ca-file", d.CAFile())
	if err != nil {
		t.Fatalf("%v\n%s", err, n.screen.String())
	}
	for _, want := range []string{"FAILED  login", "the destination refused the login", "ok      folder"} {
		if !strings.Contains(n.screen.String(), want) {
			t.Errorf("the screen does not have %q:\n%s", want, n.screen.String())
		}
	}
	cfg, err := app.Load(filepath.Join(n.dir, "popferry.yaml"))
	if err != nil || cfg.Forward[0].Endpoint() != "imap "+imap {
		t.Errorf("%v; the destination is %s, want imap %s", err, cfg.Forward[0].Endpoint(), imap)
	}
}
