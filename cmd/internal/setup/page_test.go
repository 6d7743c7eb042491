package setup_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/discover"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// onPage makes the user sit at a browser. It returns how many trials there were.
func (f *fixture) onPage() (trials *int) {
	trials = new(int)
	f.options.Page = &setup.Page{CAFile: f.ca, Trial: func(context.Context, setup.Output) error { *trials++; return nil }}
	return trials
}

// What a form of the page does not have is refused if somebody posts it.
func TestPageTakesNoOtherFields(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*setup.Input){
		"a file with a password": func(in *setup.Input) { in.Mailbox.PasswordFile = "/etc/shadow" },
		"the inbox's":            func(in *setup.Input) { in.Inbox.PasswordFile = "/etc/shadow" },
		"a file with a secret": func(in *setup.Input) {
			in.Mailbox.OAuth2 = "provider=google,client_id=x,client_secret_file=/etc/shadow"
		},
		"a program":    func(in *setup.Input) { in.Proxy = "command:/bin/sh -c id" },
		"an authority": func(in *setup.Input) { in.CAFile = "/etc/passwd" },
		"no TLS":       func(in *setup.Input) { in.Inbox.Host, in.Inbox.TLS = "smtp.isp.test", "none" },
		"a socket":     func(in *setup.Input) { in.Inbox.Host = "unix:/run/docker.sock" },
		"a folder":     func(in *setup.Input) { in.To, in.Maildir = "", "/srv/mail/leo" },
		"another port": func(in *setup.Input) { in.Inbox.Host, in.Inbox.Port = "127.0.0.1", 6379 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, "")
			trials := f.onPage()
			f.options.Rules = discover.Rules{}
			in := setup.Input{Address: "leo@isp.test", To: "leo@isp.test"}
			spoil(&in)
			if err := f.run(in, []testworld.Reply{}...); !is[*app.UsageError](err) {
				t.Errorf("got %v, want a UsageError", err)
			}
			if *trials > 0 {
				t.Errorf("%d trials, want none", *trials)
			}
			f.nothingWritten()
		})
	}
}

// pageAnswers are those of a user who mistypes what a page does not take.
func (f *fixture) pageAnswers() []testworld.Reply {
	const pop3Server, mailServer = "POP3 server", "Mail server"
	return []testworld.Reply{
		{Question: pop3Server, Answer: "unix:/run/pop3"},
		{Question: pop3Server, Answer: "pop.isp.test:6379"},
		{Question: pop3Server, Answer: fmt.Sprint("pop.isp.test:", f.pop3Port)},
		{Question: "Password at pop.isp.test", Answer: "wrong"},
		{Question: "Try again with another", Answer: "password"},
		{Question: "Password at pop.isp.test", Answer: "secret"},
		{Question: mailServer, Answer: "unix:/run/lmtp"},
		{Question: mailServer, Answer: fmt.Sprint("smtp.isp.test:", f.smtpPort)},
		{Question: "Password at smtp.isp.test", Answer: "secret"},
		{Question: "Keep mail in the mailbox", Answer: ""},
		{Question: "Forward all mail", Answer: ""},
	}
}

// onItsPorts allows the ports of the fixture's servers and no others.
func (f *fixture) onItsPorts() {
	rules := testworld.AnyServer()
	rules.Port = func(_ discover.Protocol, port int) bool { return port == f.pop3Port || port == f.smtpPort }
	f.options.Rules = rules
}

// From a page a mailbox is set up as at a terminal. What it does not take is said,
// and the configuration that is new has the page, too.
func TestSetUpOnPage(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	trials := f.onPage()
	f.onItsPorts()
	f.options.Page.Settings = setup.PageSettings{Listen: "127.0.0.1:8110"}
	f.succeeds(f.run(setup.Input{Address: "leo@isp.test", To: "leo@isp.test"}, append(f.pageAnswers(),
		testworld.Reply{Question: "Choose a password for this page", Answer: "short"},
		testworld.Reply{Question: "Choose a password for this page", Answer: "open sesame"},
		testworld.Reply{Question: "Write them?", Answer: ""})...))
	f.shows("is a socket; popferry init, at a terminal, can use it")
	f.shows("6379 is not a port of mail servers")
	if *trials != 5 {
		t.Errorf("%d trials, want 5: two searches for each server, and a second password", *trials)
	}
	cfg, err := app.Load(f.options.Config)
	if err != nil {
		t.Fatal(err)
	}
	password, err := cfg.Web.LoginPassword(t.Context())
	if err != nil || password != "open sesame" || cfg.Listen != "127.0.0.1:8110" {
		t.Errorf("the page listens on %q with the password %q (%v), want 127.0.0.1:8110 and the one that was chosen", cfg.Listen, password, err)
	}
}

// A page neither trusts a certificate that nobody has signed nor goes on without
// TLS, to this machine or any other.
func TestPageDoesNotWeakenTLS(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	f.onPage()
	f.options.Page.CAFile = ""
	f.fails(f.run(setup.Input{Address: "leo@isp.test", To: "leo@isp.test"},
		testworld.Reply{Question: "POP3 server", Answer: fmt.Sprint("pop.isp.test:", f.pop3Port)},
		testworld.Reply{Question: "POP3 server", Answer: testworld.Leave}), setup.ErrStopped.Error())
	f.shows("popferry init, at a terminal, shows the fingerprint")
	plain := testworld.SMTP(t, smtptest.Options{})
	f.options.Page.CAFile = f.ca
	f.fails(f.run(setup.Input{Address: "leo@isp.test", To: "leo@isp.test", Inbox: setup.Server{Host: "127.0.0.1", Port: port(t, plain.Addr().String())}},
		testworld.Reply{Question: "POP3 server", Answer: fmt.Sprint("pop.isp.test:", f.pop3Port)},
		testworld.Reply{Question: "Password at pop.isp.test", Answer: "secret"},
		testworld.Reply{Question: "Mail server", Answer: testworld.Leave}), setup.ErrStopped.Error())
	f.nothingWritten()
}

// Where nothing can be written, or what is written would count for one of several
// popferrys, the page shows the files, without the password.
func TestPageShowsWhatItCannotWrite(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	f.onPage()
	f.onItsPorts()
	f.existing("forward: [{host: smtp.isp.test, to: [leo@isp.test]}]\n")
	path := f.path("popferry.yaml")
	if err := os.WriteFile(path, []byte("state: postgres://popferry@127.0.0.1/mail\nstate_password_file: db.password\ninclude: [accounts.d/*.yaml]\nforward: [{host: smtp.isp.test, to: [leo@isp.test]}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	testworld.Write(t, f.path("db.password"), "db secret")
	before := testworld.Files(t, f.dir)
	f.succeeds(f.run(setup.Input{Address: "leo@isp.test"},
		testworld.Reply{Question: "POP3 server", Answer: fmt.Sprint("pop.isp.test:", f.pop3Port)},
		testworld.Reply{Question: "Password at pop.isp.test", Answer: "secret"},
		testworld.Reply{Question: "Keep mail", Answer: ""},
		testworld.Reply{Question: "Forward all", Answer: ""}))
	f.shows("password_file: leo@isp.test.password")
	f.shows("(the password, in one line)")
	if strings.Contains(f.screen.String(), "secret\n") {
		t.Errorf("the password is shown:\n%s", f.screen.String())
	}
	if after := testworld.Files(t, f.dir); after != before {
		t.Errorf("files:\n%s\nwant none new:\n%s", after, before)
	}
}
