package daemon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// setupWorld is a running daemon whose page has a visitor. There is an account first,
// which was written by hand.
type setupWorld struct {
	*testing.T
	*testworld.Visitor
	dir  string
	pop  *pop3test.Server
	sink *smtptest.Server
	log  testworld.Output
}

const pagePassword = "open sesame"

func newSetupWorld(t *testing.T, accounts ...string) *setupWorld {
	t.Helper()
	authority := certtest.New(t)
	secured := &tls.Config{Certificates: []tls.Certificate{authority.Server("127.0.0.1")}}
	w := &setupWorld{T: t, pop: testworld.POP3(t, pop3test.Options{TLS: secured, ImplicitTLS: true}, testworld.Mail(3)...), sink: testworld.SMTP(t, smtptest.Options{})}
	path := testworld.Config(t, `
state: popferry.db
listen: 127.0.0.1:0
web: {password_file: page.password}
schedule: "@every 1h"
include: [accounts.d/*.yaml]
forward:
  - {name: main, %[1]s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, w.sink.Addr().String()))
	w.dir = filepath.Dir(path)
	if err := os.Mkdir(filepath.Join(w.dir, "accounts.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	testworld.Write(t, filepath.Join(w.dir, "page.password"), pagePassword)
	testworld.Write(t, filepath.Join(w.dir, "accounts.d", "byhand.yaml"),
		fmt.Sprintf("accounts:\n  - {name: byhand, %s, tls_ca_file: %s, username: zoe, password: secret}\n", testworld.HostPort(t, w.pop.Addr()), authority.File()))
	d, cfg := fixture(t, path, &w.log, slog.LevelInfo)
	resolver, transport := testworld.Discovery(t, authority, "", nil)
	d.desk.Setup.Network, d.desk.Setup.Resolver, d.desk.Setup.Transport = dial.NewNetworkWith(resolver), resolver, transport
	d.desk.Setup.Rules = testworld.AnyServer()
	d.desk.Setup.Page.CAFile = authority.File()
	d.desk.Setup.Page.Trial = func(context.Context, setup.Output) error { return nil } // a minute has five
	d.selected = newSelection(accounts)
	d.desk.Selection = d.selected
	d.Load = func() (*config.Config, error) { return app.Load(path) }
	d.begin(t, cfg)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-d.changed:
				d.reload()
			case <-ctx.Done():
				return
			}
		}
	}()
	t.Cleanup(func() { // what a reload has started
		d.desk.Close()
		cancel()
		<-ended
		d.running().stop()
	})
	w.Visitor = testworld.NewVisitor(t, "http://"+listening.FindStringSubmatch(w.log.String())[1])
	return w
}

// add sets up leo's mailbox.
func (w *setupWorld) add() testworld.Page {
	w.Helper()
	w.Post("setup", url.Values{"address": {"leo@isp.test"}, "forward": {"main"}})
	return w.Answers(
		testworld.Reply{Question: "POP3 server", Answer: w.pop.Addr()},
		testworld.Reply{Question: "Password at 127.0.0.1", Answer: "secret"},
		testworld.Reply{Question: "Keep mail", Answer: ""},
		testworld.Reply{Question: "Forward all mail", Answer: "all"},
		testworld.Reply{Question: "Write them?", Answer: "yes"})
}

const leo = "leo@isp.test"

// shows waits until a page has some words.
func (w *setupWorld) shows(path, what string) (p testworld.Page) {
	w.Helper()
	testworld.WaitFor(w, what, func() bool {
		p = w.Get(path)
		return strings.Contains(p.Body, what)
	})
	return p
}

func (w *setupWorld) read(name string) string {
	w.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "accounts.d", name))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		w.Fatal(err)
	}
	return string(text)
}

var revision = regexp.MustCompile(`name="revision" value="(\w+)"`)

// press presses a button of leo's page.
func (w *setupWorld) press(change string) testworld.Page {
	w.Helper()
	path := "mailbox?account=" + url.QueryEscape(leo)
	p := w.shows(path, `name="revision"`)
	return w.Post("mailbox", url.Values{"account": {leo}, "change": {change}, "revision": {revision.FindStringSubmatch(p.HTML)[1]}})
}

// A mailbox is added on the page, its mail arrives, and it is tested, paused, resumed,
// given another password and removed there.
func TestMailboxOnThePage(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t)
	w.LogIn(pagePassword)
	if p := w.Get("/"); !strings.Contains(p.Body, `href="setup"`) || strings.Contains(p.Body, "mailbox?account=byhand") {
		t.Errorf("want a way to add a mailbox, and none to change what was written by hand:\n%s", p.Body)
	}
	if p := w.add(); !strings.Contains(p.Body, leo+" is set up") {
		t.Fatalf("the talk ends with\n%s", p.Body)
	}
	testworld.WaitFor(t, "mail of both mailboxes", func() bool { return len(w.sink.Messages()) == 6 })
	w.shows("/", "mailbox?account="+url.QueryEscape(leo))
	if text := w.read(leo + ".yaml"); !strings.Contains(text, "forward: main") {
		t.Errorf("the account's file says\n%s\nwant the chosen destination", text)
	}

	w.press("test")
	if p := w.Asked(); !strings.Contains(p.Body, "Everything works.") || !strings.Contains(p.Body, "listing: 3 messages") {
		t.Errorf("a test says\n%s", p.Body)
	}

	before := w.read(leo + ".yaml")
	if p := w.press("pause"); !strings.Contains(p.Body, "is paused") {
		t.Errorf("pausing: %d\n%s", p.Code, p.Body)
	}
	w.shows("/", "disabled")
	w.pop.Add("leo", pop3test.Message{UID: "new", Octets: []byte(testworld.OneMail)})
	if p := w.Post("poll", url.Values{"account": {leo}}); p.Code != http.StatusConflict {
		t.Errorf("polling a paused mailbox: %d, want 409", p.Code)
	}
	w.press("resume")
	testworld.WaitFor(t, "the new message", func() bool { return len(w.sink.Messages()) == 7 })
	if after := w.read(leo + ".yaml"); strings.Replace(after, "    enabled: true\n", "", 1) != before {
		t.Errorf("after all the file says\n%s\nwant it as before, with the key enabled:\n%s", after, before)
	}

	w.press("login")
	p := w.Answers(testworld.Reply{Question: "New password", Answer: "wrong"}, testworld.Reply{Question: "was not kept", Answer: "another password"},
		testworld.Reply{Question: "New password", Answer: "secret"})
	if !strings.Contains(p.Body, "The new password is kept") || w.read(leo+".password") != "secret\n" {
		t.Errorf("a new password: %s\nthe file says %q", p.Body, w.read(leo+".password"))
	}

	w.press("remove")
	p = w.Answers(testworld.Reply{Question: "Remove " + leo, Answer: "no"})
	if !strings.Contains(p.Body, "Nothing was changed") || w.read(leo+".yaml") == "" {
		t.Errorf("removing, but not really:\n%s", p.Body)
	}
	w.press("remove")
	p = w.Answers(testworld.Reply{Question: "Remove " + leo, Answer: "yes"})
	if got, want := testworld.Files(t, filepath.Join(w.dir, "accounts.d")), "byhand.yaml -rw-------\n"; !strings.Contains(p.Body, "is removed") || got != want {
		t.Errorf("removing: %s\nfiles:\n%s\nwant:\n%s", p.Body, got, want)
	}
	testworld.WaitFor(t, "the end of the account", func() bool { return !strings.Contains(w.Get("/").Body, leo) })
	w.add()
	w.shows("/", "mailbox?account="+url.QueryEscape(leo))
	w.press("test")
	if p := w.Asked(); !strings.Contains(p.Body, "0 new") {
		t.Errorf("set up again, what was forwarded counts as new:\n%s", p.Body)
	}
	for _, secret := range []string{pagePassword, "wrong\n"} {
		if strings.Contains(w.log.String(), secret) {
			t.Errorf("the log has a password: %q", secret)
		}
	}
}

// Where the command line named accounts, those that are added on the page are polled,
// too, as long as they are not paused.
func TestMailboxOnThePageWhereAccountsWereNamed(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t, "byhand")
	w.LogIn(pagePassword)
	w.add()
	testworld.WaitFor(t, "mail of both mailboxes", func() bool { return len(w.sink.Messages()) == 6 })
	w.press("pause")
	w.shows("/", "disabled")
	w.pop.Add("leo", pop3test.Message{UID: "new", Octets: []byte(testworld.OneMail)})
	if p := w.Post("poll", url.Values{"account": {leo}}); p.Code != http.StatusConflict {
		t.Errorf("polling a paused mailbox: %d, want 409", p.Code)
	}
	w.press("resume")
	testworld.WaitFor(t, "the new message", func() bool { return len(w.sink.Messages()) == 7 })
	w.press("remove")
	w.Answers(testworld.Reply{Question: "Remove " + leo, Answer: "yes"})
	testworld.WaitFor(t, "the end of the account", func() bool { return !strings.Contains(w.Get("/").Body, leo) })
}

// What somebody has changed by hand meanwhile is not written over, and nothing is done
// that is not offered.
func TestMailboxChangedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t)
	w.LogIn(pagePassword)
	w.add()
	path := "mailbox?account=" + url.QueryEscape(leo)
	p := w.shows(path, `name="revision"`)
	seen := revision.FindStringSubmatch(p.HTML)[1]
	file := filepath.Join(w.dir, "accounts.d", leo+".yaml")
	byHand := w.read(leo+".yaml") + "    min_interval: 1m # mine\n"
	testworld.Write(t, file, byHand)
	for _, change := range []string{"test", "pause", "login", "remove"} {
		if p := w.Post("mailbox", url.Values{"account": {leo}, "change": {change}, "revision": {seen}}); p.Code != http.StatusConflict || !strings.Contains(p.Body, "has been changed meanwhile") {
			t.Errorf("%s of a mailbox that was changed: %d\n%s", change, p.Code, p.Body)
		}
	}
	if got := w.read(leo + ".yaml"); got != byHand {
		t.Errorf("the file says\n%s\nwant\n%s", got, byHand)
	}
	w.press("pause")
	if got := w.read(leo + ".yaml"); !strings.Contains(got, "min_interval: 1m # mine\n") || !strings.Contains(got, "enabled: false\n") {
		t.Errorf("the file says\n%s\nwant both", got)
	}
	if p := w.press("format"); p.Code != http.StatusConflict {
		t.Errorf("a change that is not offered: %d, want 409", p.Code)
	}
	for _, name := range []string{"byhand", "nobody", "../popferry"} {
		if p := w.Post("mailbox", url.Values{"account": {name}, "change": {"pause"}, "revision": {seen}}); p.Code != http.StatusConflict {
			t.Errorf("%q: %d, want 409", name, p.Code)
		}
	}
}

// What weakens TLS, runs a program or reads a file cannot be posted.
func TestPostedFields(t *testing.T) {
	t.Parallel()
	w := newSetupWorld(t)
	w.LogIn(pagePassword)
	before := testworld.Files(t, w.dir)
	w.Post("setup", url.Values{
		"address": {leo}, "forward": {"main"}, "password_command": {"touch /tmp/pwned"}, "token_command": {"id"}, "proxy": {"command:id"}, "password_file": {"/etc/shadow"},
		"tls": {"none"}, "ca_file": {"/etc/passwd"}, "name": {"../../evil"}, "host": {"127.0.0.1"}, "username": {"root"},
	})
	w.Answers(testworld.Reply{Question: "POP3 server", Answer: w.pop.Addr()}, testworld.Reply{Question: "Password at", Answer: "secret"}, testworld.Reply{Question: "Keep mail", Answer: ""},
		testworld.Reply{Question: "Forward all mail", Answer: "all"}, testworld.Reply{Question: "Write them?", Answer: "yes"})
	text := w.read(leo + ".yaml")
	for _, key := range []string{"command", "proxy", "shadow", "none", "passwd", "evil", "root"} {
		if strings.Contains(text, key) {
			t.Errorf("the file has %q:\n%s", key, text)
		}
	}
	after := testworld.Files(t, w.dir)
	for line := range strings.Lines(after) {
		if !strings.Contains(before, line) && !strings.HasPrefix(line, "accounts.d/"+leo+".") && !strings.HasPrefix(line, "popferry.db") {
			t.Errorf("a file was written: %s", line)
		}
	}
	for name, form := range map[string]url.Values{
		"LMTP without a server": {"address": {leo}, "to": {"me@example.org"}, "protocol": {"lmtp"}},
		"no address":            {"address": {"leo"}},
		"a carriage return":     {"address": {"leo\r\nDELE 1@isp.test"}},
		"an inbox":              {"address": {"zoe@isp.test"}, "to": {"me@example.org"}, "protocol": {"smtp"}, "server": {"127.0.0.1:6379"}},
	} {
		p := w.Post("setup", form)
		if p.Code != http.StatusConflict && !strings.Contains(p.Body, `role="alert"`) {
			t.Errorf("%s: %d\n%s", name, p.Code, p.Body)
		}
	}
}
