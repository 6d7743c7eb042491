package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

// pageAndCode are what run --setup prints.
var pageAndCode = regexp.MustCompile(`(http\S+)/\n +([A-Z2-7]{4}(?:-[A-Z2-7]{4}){2})\n`)

// startRun runs popferry run beside the test, until its end.
func startRun(t *testing.T, p *program, args ...string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	c := p.runCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	go func() { ended <- c.ExecuteContext(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("run %q ends with %v", args, err)
		}
	})
}

// setUpInBrowser starts run --setup and returns a visitor of its page, and the code.
func (n *newcomer) setUpInBrowser(args ...string) (v *testworld.Visitor, code string) {
	n.t.Helper()
	startRun(n.t, n.program, append([]string{"--setup", "--listen", "127.0.0.1:0", "--config", filepath.Join(n.dir, "popferry.yaml")}, args...)...)
	testworld.WaitFor(n.t, "the code", func() bool { return pageAndCode.MatchString(n.screen.String()) })
	m := pageAndCode.FindStringSubmatch(n.screen.String())
	return testworld.NewVisitor(n.t, m[1]), m[2]
}

// From run --setup to mail in the inbox, in the browser: a Dovecot with POP3 and IMAP,
// a wrong password on the way, and at the end the status page at the same address.
func TestSetUpInTheBrowser(t *testing.T) {
	realserver.Require(t)
	d := realserver.StartDovecotIMAP(t)
	d.AddUser("leo", "isp secret")
	d.AddUser("me", "inbox secret")
	for _, mail := range testworld.Mail(3) {
		d.Seed("leo", []byte(mail))
	}
	n := newNewcomer(t, certtest.New(t), "", nil)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	began := time.Now()
	v, code := n.setUpInBrowser("--ca-file", d.CAFile())
	if p := v.Get("setup"); p.Code != http.StatusForbidden || !strings.Contains(p.Body, "Type in the code first.") {
		t.Errorf("without the code: %d\n%s", p.Code, p.Body)
	}
	if p := v.Post("login", url.Values{"code": {strings.ToLower(code)}}); p.Path != "/setup" {
		t.Fatalf("the code leads to %s, want the form:\n%s", p.Path, p.Body)
	}
	other := testworld.NewVisitor(t, v.Base())
	if p := other.Post("login", url.Values{"code": {code}}); p.Code != http.StatusForbidden || !strings.Contains(p.Body, "has been used") {
		t.Errorf("the code again, from another browser: %d\n%s", p.Code, p.Body)
	}
	p := v.Post("setup", url.Values{"address": {"leo@popferry.test"}, "to": {"me@popferry.test"}, "protocol": {"imap"}, "server": {d.IMAP()}})
	if p.Path != "/talk" {
		t.Fatalf("the form leads to %s:\n%s", p.Path, p.Body)
	}
	p = v.Answers(
		testworld.Reply{Question: "POP3 server", Answer: d.POP3S()},
		testworld.Reply{Question: "Password at", Answer: "mistyped"},
		testworld.Reply{Question: "Try again with another", Answer: "password"},
		testworld.Reply{Question: "Password at", Answer: "isp secret"},
		testworld.Reply{Question: "Password at", Answer: "inbox secret"},
		testworld.Reply{Question: "Keep mail in the mailbox", Answer: "no"},
		testworld.Reply{Question: "Forward all mail", Answer: "all"},
		testworld.Reply{Question: "Choose a password for this page", Answer: "open sesame"},
		testworld.Reply{Question: "Write them?", Answer: "yes"},
	)
	if !strings.Contains(p.Body, "leo@popferry.test is set up") || !strings.Contains(p.Body, `http-equiv="refresh"`) {
		t.Fatalf("the end of the set-up, want it to lead on:\n%s", p.Body)
	}
	testworld.WaitFor(t, "the status page", func() bool { p = v.Get("/"); return strings.Contains(p.Body, "leo@popferry.test") })
	testworld.WaitFor(t, "mail in the inbox", func() bool { return d.Count("me") == 3 })
	t.Logf("from run --setup to mail in the inbox: %.1f s", time.Since(began).Seconds())
	v.LogIn("open sesame")
	if p := v.Get("/"); !strings.Contains(p.Body, `href="mailbox?account=leo%40popferry.test"`) {
		t.Errorf("logged in, the page does not lead to the mailbox:\n%s", p.Body)
	}
	if got, want := testworld.Files(t, n.dir), `accounts.d -rwx------
accounts.d/leo@popferry.test.password -rw-------
accounts.d/leo@popferry.test.yaml -rw-------
inbox.password -rw-------
page.password -rw-------
popferry.yaml -rw-------
`; got != want {
		t.Errorf("files:\n%s\nwant:\n%s", got, want)
	}
	for _, secret := range []string{"isp secret", "inbox secret", "mistyped", "open sesame"} {
		if strings.Contains(n.screen.String(), secret) {
			t.Errorf("%q is on the screen or in the log:\n%s", secret, n.screen.String())
		}
	}
}

// Where a configuration is, or others could listen in, the page of run --setup is not
// served.
func TestSetUpIsRefused(t *testing.T) {
	t.Parallel()
	n := newNewcomer(t, certtest.New(t), "", nil)
	run := func(args ...string) string {
		c := n.program.runCommand()
		c.SilenceErrors, c.SilenceUsage = true, true
		c.SetArgs(append([]string{"--setup", "--config", filepath.Join(n.dir, "popferry.yaml")}, args...))
		err := c.ExecuteContext(t.Context())
		if _, ok := errors.AsType[*app.UsageError](err); !ok {
			t.Errorf("%q: got %v, want a UsageError", args, err)
			return ""
		}
		return err.Error()
	}
	for want, args := range map[string][]string{
		"needs a certificate":                {"--listen", "0.0.0.0:8110"},
		"is not an address":                  {"--listen", "8110"},
		"--setup and --once cannot":          {"--once"},
		"belong together":                    {"--listen-tls-cert-file", "cert.pem"},
		"other machines can reach :8110, an": {"--listen", ":8110"},
	} {
		if got := run(args...); !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %q", args, got, want)
		}
	}
	testworld.Write(t, filepath.Join(n.dir, "popferry.yaml"), "")
	if got := run(); !strings.Contains(got, "is there already") {
		t.Errorf("with a configuration: %s", got)
	}
}

// A sign-in that the provider has ended is made again on the page: it shows the code,
// and the mailbox is polled at once.
func TestSignInOnThePage(t *testing.T) {
	realserver.Require(t)
	w := newSignedIn(t, oauthtest.Options{})
	w.dovecot.Seed("leo", []byte(testworld.OneMail))
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	_, forward, _ := strings.Cut(string(text), "forward:")
	dir := filepath.Dir(w.config)
	host, port := split(t, w.dovecot.POP3())
	if err := os.Mkdir(filepath.Join(dir, "accounts.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	testworld.Write(t, filepath.Join(dir, "page.password"), "open sesame")
	testworld.Write(t, w.config, "state: popferry.db\nlisten: 127.0.0.1:0\nweb: {password_file: page.password}\nschedule: \"@every 1h\"\ninclude: [accounts.d/*.yaml]\nforward:"+forward)
	testworld.Write(t, filepath.Join(dir, "accounts.d", "isp.yaml"), fmt.Sprintf(`# Written by popferry init on 2026-11-27.

accounts:
  - name: isp
    host: %s
    port: %s
    tls: starttls
    tls_ca_file: %q
    username: leo@isp.test
    auth: xoauth2
    oauth2: {provider: microsoft, client_id: %s, auth_url: %[5]s/authorize, token_url: %[5]s/token, device_url: %[5]s/device}
`, host, port, w.dovecot.CAFile(), oauthtest.Client, w.provider.URL))
	w.signIn("inbox", "me@home.test")

	var log testworld.Output
	startRun(t, &program{stdout: &log, stderr: &log, resources: app.NewResources()}, "--config", w.config)
	listening := regexp.MustCompile(`listen=(127\.0\.0\.1:\d+)`)
	testworld.WaitFor(t, "a failed poll", func() bool { return strings.Contains(log.String(), "poll ended early") })
	v := testworld.NewVisitor(t, "http://"+listening.FindStringSubmatch(log.String())[1])
	v.LogIn("open sesame")
	p := v.Get("mailbox?account=isp")
	revision := regexp.MustCompile(`name="revision" value="(\w+)"`).FindStringSubmatch(p.HTML)
	if revision == nil || !strings.Contains(p.Body, "Sign in again") {
		t.Fatalf("the mailbox's page:\n%s", p.Body)
	}
	v.Post("mailbox", url.Values{"account": {"isp"}, "change": {"login"}, "revision": {revision[1]}})
	shown := regexp.MustCompile(`(?s)sign in as leo@isp\.test:.*?<span class="text">(\S+)</span>`)
	testworld.WaitFor(t, "the provider's code", func() bool {
		p = v.Get("talk")
		m := shown.FindStringSubmatch(p.HTML)
		return m != nil && w.provider.Approve(m[1], "leo@isp.test")
	})
	if p = v.Asked(); !strings.Contains(p.Body, "You are signed in, and the mailbox is polled now.") {
		t.Errorf("the end:\n%s", p.Body)
	}
	testworld.WaitFor(t, "mail in the inbox", func() bool { return w.dovecot.Count("me") == 1 })
}
