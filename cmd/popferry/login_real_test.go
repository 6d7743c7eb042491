package main

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

// signedIn is a mailbox and an inbox at a Dovecot that takes access tokens alone.
type signedIn struct {
	t        *testing.T
	provider *oauthtest.Provider
	dovecot  *realserver.Dovecot
	config   string
	now      func() time.Time // by which popferry renews; nil: time.Now
	shown    testworld.Output // all that any command has printed
}

func newSignedIn(t *testing.T, o oauthtest.Options) *signedIn {
	t.Helper()
	w := &signedIn{t: t, provider: oauthtest.New(t, o), now: o.Now}
	w.dovecot = realserver.StartDovecotIMAP(t, realserver.OAuth2(t, w.provider.URL+"/introspect"))
	w.dovecot.AddUser("leo", "unused")
	w.dovecot.AddUser("me", "unused")
	client := fmt.Sprintf("{provider: microsoft, client_id: %s, auth_url: %[2]s/authorize, token_url: %[2]s/token, device_url: %[2]s/device}", oauthtest.Client, w.provider.URL)
	w.config = testworld.Config(t, `
state: popferry.db
log: {level: debug}
accounts:
  - {name: isp, %s, tls: starttls, tls_ca_file: %q, username: leo@isp.test, auth: xoauth2, oauth2: %s}
forward:
  - {name: inbox, protocol: imap, %s, tls: starttls, tls_ca_file: %[2]q, username: me@home.test, auth: oauthbearer, oauth2: %[3]s}
`, testworld.HostPort(t, w.dovecot.POP3()), w.dovecot.CAFile(), client, testworld.HostPort(t, w.dovecot.IMAP()))
	return w
}

// run runs a command with a user who gives these answers.
func (w *signedIn) run(replies []testworld.Reply, args ...string) (code int, shown string) {
	w.t.Helper()
	before := len(w.shown.String())
	user := testworld.NewConsole(w.t, &w.shown, replies)
	resources := app.NewResources()
	resources.Tokens.Now = w.now
	p := &program{stdout: &w.shown, stderr: &w.shown, resources: resources, console: func() terminal.Console { return user }}
	root := &cobra.Command{SilenceErrors: true, SilenceUsage: true}
	root.AddCommand(p.loginCommand(), p.logoutCommand(), p.runCommand(), p.statusCommand(), p.messagesCommand())
	root.SetArgs(append(args, "--config", w.config))
	code = exitCode(root.ExecuteContext(w.t.Context()), &w.shown)
	user.CheckAllAsked()
	return code, w.shown.String()[before:]
}

// signIn signs in to an account or destination as this user.
func (w *signedIn) signIn(name, user string) {
	w.t.Helper()
	approved := w.approve(user)
	if code, shown := w.run(nil, "login", name); code != exitOK {
		w.t.Fatalf("login %s: exit %d\n%s", name, code, shown)
	}
	<-approved
}

// addAccount adds a mailbox like the first one, of another user of this name.
func (w *signedIn) addAccount(name string) {
	w.t.Helper()
	w.dovecot.AddUser(name, "unused")
	text, err := os.ReadFile(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	var more []string
	for line := range strings.Lines(string(text)) {
		more = append(more, line)
		if strings.Contains(line, "name: isp,") {
			more = append(more, strings.NewReplacer("name: isp", "name: "+name, "leo@", name+"@").Replace(line))
		}
	}
	testworld.Write(w.t, w.config, strings.Join(more, ""))
}

var userCode = regexp.MustCompile(`sign in as \S+\n?\S*:\n\n +(\S+)\n`)

// approve is the user of a mailbox who types in the next code that is shown.
func (w *signedIn) approve(user string) (done chan struct{}) {
	return approveOn(w.t, &w.shown, w.provider, user)
}

// approveOn is the same for any screen.
func approveOn(t *testing.T, screen *testworld.Output, p *oauthtest.Provider, user string) (done chan struct{}) {
	from, done := len(screen.String()), make(chan struct{})
	go func() {
		defer close(done)
		for {
			if m := userCode.FindStringSubmatch(screen.String()[from:]); m != nil && p.Approve(m[1], user) {
				return
			}
			select {
			case <-t.Context().Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return done
}

var browserURL = regexp.MustCompile(`in a browser on \w+ machine, and sign in as\s+\S+:\n\n +(http\S+)\n`)

// browse is the user's browser, which opens the next address that is shown.
func (w *signedIn) browse() (done chan struct{}) {
	from, done := len(w.shown.String()), make(chan struct{})
	go func() {
		defer close(done)
		for {
			if m := browserURL.FindStringSubmatch(w.shown.String()[from:]); m != nil {
				r, err := http.Get(m[1])
				if err != nil {
					w.t.Error(err)
					return
				}
				_ = r.Body.Close()
				return
			}
			select {
			case <-w.t.Context().Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	return done
}

// expired reports whether all access tokens so far have ended.
func (w *signedIn) expired() bool {
	for _, secret := range w.provider.Secrets() {
		if _, valid := w.provider.User(secret); valid {
			return false
		}
	}
	return true
}

// TestSignInToRealServers: from nothing to mail that is forwarded between two
// mailboxes that take access tokens alone, with tokens that live for seconds, and on
// to the day when the user withdraws what was allowed.
func TestSignInToRealServers(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t, oauthtest.Options{Life: 2 * time.Second})
	w.dovecot.Seed("leo", []byte(testworld.OneMail))

	if code, shown := w.run(nil, "run", "--once", "--verbose"); code != exitAgain || !strings.Contains(shown, "popferry login") {
		t.Errorf("before anybody has signed in: exit %d\n%s", code, shown)
	}
	approved := w.approve("leo@isp.test")
	if code, shown := w.run(nil, "login", "isp"); code != exitOK || !strings.Contains(shown, "1 message") {
		t.Fatalf("login isp: exit %d\n%s", code, shown)
	}
	<-approved
	if code, shown := w.run(nil, "status"); code != exitOK || !strings.Contains(shown, "inbox: nobody has signed in") {
		t.Errorf("status before the second sign-in: exit %d\n%s", code, shown)
	}
	browser := w.browse()
	if code, shown := w.run(nil, "login", "inbox", "--flow", "browser"); code != exitOK || !strings.Contains(shown, "INBOX") {
		t.Fatalf("login inbox: exit %d\n%s", code, shown)
	}
	<-browser
	for i := range 5 {
		if code, shown := w.run(nil, "run", "--once"); code != exitOK {
			t.Fatalf("poll %d: exit %d\n%s", i, code, shown)
		}
		w.dovecot.Seed("leo", []byte(strings.ReplaceAll(testworld.OneMail, "one", fmt.Sprint(i))))
		testworld.WaitFor(t, "end of the access tokens", func() bool { return w.expired() })
	}
	if n := w.dovecot.Count("me"); n != 5 {
		t.Errorf("%d messages have arrived, want 5", n)
	}
	if w.provider.Revoked() != 0 || w.provider.Renewals() < 8 {
		t.Errorf("%d renewals, %d sign-ins revoked", w.provider.Renewals(), w.provider.Revoked())
	}
	w.provider.RevokeAll()
	for range 2 { // the second one backs off
		if code, shown := w.run(nil, "run", "--once", "--verbose"); code != exitAgain || !strings.Contains(shown, "the provider has ended the sign-in") && !strings.Contains(shown, "not polled") {
			t.Errorf("after the end of the sign-in: exit %d\n%s", code, shown)
		}
	}
	if code, shown := w.run(nil, "status"); code != exitOK || !strings.Contains(shown, "popferry login") {
		t.Errorf("status: exit %d\n%s", code, shown)
	}
	if code, shown := w.run(nil, "status", "--json"); code != exitOK || !strings.Contains(shown, `"cause": "signin_refused"`) {
		t.Errorf("status --json: exit %d\n%s", code, shown)
	}
	for _, name := range []string{"isp", "inbox"} {
		w.signIn(name, map[string]string{"isp": "leo@isp.test", "inbox": "me@home.test"}[name])
	}
	if code, shown := w.run(nil, "run", "--once"); code != exitOK {
		t.Errorf("after the second sign-in: exit %d, want the back-off to be over\n%s", code, shown)
	}
	if n := w.dovecot.Count("me"); n != 6 {
		t.Errorf("%d messages have arrived, want 6", n)
	}
	if code, shown := w.run(nil, "logout", "isp"); code != exitOK {
		t.Errorf("logout: exit %d\n%s", code, shown)
	}
	if code, shown := w.run(nil, "run", "--once", "--verbose"); code != exitAgain || !strings.Contains(shown, "nobody has signed in") {
		t.Errorf("after logging out: exit %d\n%s", code, shown)
	}
	wantHidden(t, w.provider, w.shown.String())
}

// wantHidden fails if a text has a code, token or secret of the provider in it.
func wantHidden(t *testing.T, p *oauthtest.Provider, text string) {
	t.Helper()
	for _, secret := range p.Secrets() {
		if _, random, _ := strings.Cut(secret, "-"); strings.Contains(text, random) {
			t.Errorf("a %.8s... was shown", secret)
		}
	}
}

// TestInitAtRealServersThatWantTokens: from nothing to mail that arrives, where both
// sides take access tokens alone. No file has a token in it but the ledger.
func TestInitAtRealServersThatWantTokens(t *testing.T) {
	w := newSignedIn(t, oauthtest.Options{})
	w.dovecot.Seed("leo", []byte(testworld.OneMail))
	n := newNewcomer(t, certtest.New(t), "", nil)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	client := fmt.Sprintf("provider=microsoft,client_id=%s,token_url=%[2]s/token,auth_url=%[2]s/authorize,device_url=%[2]s/device", oauthtest.Client, w.provider.URL)
	users := make(chan struct{})
	go func() {
		defer close(users)
		for _, user := range []string{"leo@isp.test", "me@home.test"} {
			<-approveOn(t, &n.screen, w.provider, user)
		}
	}()
	popIP, popPort := split(t, w.dovecot.POP3())
	err := n.init([]testworld.Reply{
		{Question: "Keep mail in the mailbox", Answer: ""},
		{Question: "Forward all mail", Answer: ""},
		{Question: "Write them?", Answer: ""},
		{Question: "Collect and forward mail now?", Answer: "yes"},
	}, "--address", "leo@isp.test", "--host", popIP, "--port", popPort, "--tls", "starttls", "--oauth2", client, "--ca-file", w.dovecot.CAFile(),
		"--to", "me@home.test", "--smtp-host", w.dovecot.IMAP(), "--smtp-tls", "starttls", "--forward-protocol", "imap", "--smtp-oauth2", client)
	if err != nil {
		t.Fatalf("%v\n%s", err, n.screen.String())
	}
	<-users
	if n := w.dovecot.Count("me"); n != 1 {
		t.Errorf("%d messages have arrived, want 1", n)
	}
	cfg, err := app.Load(filepath.Join(n.dir, "popferry.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if a, d := cfg.Accounts[0], cfg.Forward[0]; a.OAuth2 == nil || d.OAuth2 == nil || a.OAuth2.TokenURL != w.provider.URL+"/token" {
		t.Errorf("written: %+v, %+v", a.OAuth2, d.OAuth2)
	}
	shown := n.screen.String()
	for _, path := range []string{cfg.Path, cfg.Accounts[0].File} {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		shown += string(text)
	}
	wantHidden(t, w.provider, shown)
}

// TestSignInToRealSubmission: mail leaves by a Postfix that takes access tokens
// alone. One sign-in serves the mailbox and the way out, and asks for what both
// need.
func TestSignInToRealSubmission(t *testing.T) {
	t.Parallel()
	w := newSignedIn(t, oauthtest.Options{})
	postfix := realserver.StartPostfix(t, w.dovecot)
	postfix.AddUser("me", "unused")
	w.dovecot.Seed("leo", []byte(testworld.OneMail))
	text, err := os.ReadFile(w.config)
	if err != nil {
		t.Fatal(err)
	}
	accounts, client, _ := strings.Cut(string(text), "oauth2: ")
	client, _, _ = strings.Cut(client, "}")
	testworld.Write(t, w.config, fmt.Sprintf("%soauth2: %s}}\nforward:\n  - {name: out, %s, tls: starttls, tls_ca_file: %q, username: leo@isp.test, to: [%s], oauth2: %[2]s}}\n",
		accounts, client, testworld.HostPort(t, postfix.Submission()), postfix.CAFile(), "me@popferry.test"))
	if code, shown := w.run(nil, "login", "nobody"); code != exitUsage || !strings.Contains(shown, `no account or destination "nobody"`) {
		t.Errorf("login to what is not there: exit %d\n%s", code, shown)
	}
	approved := w.approve("leo@isp.test")
	if code, shown := w.run(nil, "login", "out"); code != exitOK || !strings.Contains(shown, "ok      login") {
		t.Fatalf("login out: exit %d\n%s", code, shown)
	}
	<-approved
	if code, shown := w.run(nil, "run", "--once"); code != exitOK || !strings.Contains(shown, "1 forwarded") {
		t.Errorf("exit %d\n%s", code, shown)
	}
	if code, shown := w.run(nil, "logout", "isp"); code != exitOK || !strings.Contains(shown, "This sign-in was that of isp, out.") {
		t.Errorf("logout: exit %d\n%s", code, shown)
	}
	wantHidden(t, w.provider, w.shown.String())
}
