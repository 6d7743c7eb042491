package setup_test

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/hellotest"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/smtp"
)

// providers is a fixture in which there are IMAP servers at the real names and
// ports of some providers.
func providers(t *testing.T) *fixture {
	t.Helper()
	f := newFixture(t, "imap.gmail.com. A 192.0.2.1\nimap.mail.me.com. A 192.0.2.1\nimap.mail.yahoo.com. A 192.0.2.1\noutlook.office365.com. A 192.0.2.1\nhome.elsewhere.test. A 192.0.2.1\n")
	config := &tls.Config{Certificates: []tls.Certificate{f.authority.Server("imap.gmail.com", "imap.mail.me.com", "imap.mail.yahoo.com", "outlook.office365.com", "home.elsewhere.test")}}
	server := net.JoinHostPort("127.0.0.1", strconv.Itoa(hellotest.IMAP(t, config, true, "* OK ready")))
	f.options.Network = dial.NewNetworkWith(f.options.Resolver).Over(func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == "192.0.2.1:993" {
			address = server
		}
		var d net.Dialer
		return d.DialContext(ctx, network, address)
	})
	f.options.IMAP = func(l probe.Link, username string, secret func(context.Context) (string, error), _ bool) probe.Checker {
		return &folder{l, username, secret}
	}
	return f
}

// folder is a mailbox of leo's whose password is secret.
type folder struct {
	probe.Link
	username string
	secret   func(context.Context) (string, error)
}

// CheckFolder implements probe.Checker.
func (m *folder) CheckFolder(ctx context.Context, _ string) (imap.Checked, error) {
	conn, err := m.Dial(ctx)
	if err != nil {
		return imap.Checked{}, &smtp.Error{Stage: forwarder.StageDial, Err: err}
	}
	defer func() { _ = conn.Close() }()
	m.Passed(forwarder.StageHello)
	password, err := m.secret(ctx)
	if name, _, _ := strings.Cut(m.username, "@"); err != nil || name != "leo" || password != "secret" {
		return imap.Checked{}, errors.Join(&smtp.Error{Stage: forwarder.StageAuth, Code: 535, Enhanced: forwarder.EnhancedCode{5, 7, 8}, Text: "[AUTHENTICATIONFAILED] Invalid credentials"}, err)
	}
	m.Passed(forwarder.StageAuth)
	return imap.Checked{}, nil
}

const (
	howQuestion  = "How should mail get into this inbox? (imap, smtp)"
	byIMAP       = "IMAP puts each message into the inbox as its sender wrote it. No spam filter and no rules of the provider look at it."
	gmailInbox   = "include: [accounts.d/*.yaml]\nforward:\n  - name: inbox\n    host: imap.gmail.com\n    port: 993\n    tls: implicit\n    tls_ca_file: %s\n    protocol: imap\n    username: leo@gmail.com\n    password_file: inbox.password\n"
	inboxAddress = "Mail address of the inbox"
)

// An inbox whose provider rewrites mail from others is proposed by IMAP, with what
// that keeps and loses, and the steps to an app password.
func TestInboxAtAProviderThatRewrites(t *testing.T) {
	t.Parallel()
	f := providers(t)
	f.succeeds(f.run(f.mailboxAt("pop"), []testworld.Reply{
		{Question: inboxAddress, Answer: "leo@gmail.com"},
		{Question: howQuestion, Answer: ""},
		{Question: "Password at imap.gmail.com (not shown)", Answer: "wrong"},
		{Question: "Try again with another", Answer: "password"},
		{Question: "Password at imap.gmail.com (not shown)", Answer: "secret"},
		{Question: "Keep mail", Answer: ""},
		{Question: "Forward all", Answer: ""},
		{Question: "Write them?", Answer: ""},
	}...))
	f.shows("! The SMTP server of Gmail replaces the From address of mail from others by your own.")
	f.shows(byIMAP)
	f.shows("create an app password: 2-Step Verification has to be on first. https://myaccount.google.com/apppasswords")
	f.shows("imap.gmail.com:993, TLS from the start (preset gmail)")
	f.shows("the destination refused the login")
	f.shows("folder")
	f.reads("popferry.yaml", strings.ReplaceAll(gmailInbox, "%s", f.ca))
	cfg, err := app.Load(f.options.Config)
	if err != nil || cfg.Forward[0].Protocol != config.ProtocolIMAP || len(cfg.Warnings) > 0 {
		t.Errorf("read back: %v, %+v; want a destination by IMAP and no warning", err, cfg)
	}
	err = f.run(setup.Input{Address: "leo@isp.test", To: "leo@gmail.com", Mailbox: f.everything().Mailbox, CAFile: f.ca, Name: "two", Leave: "true", FirstRun: "all"})
	f.fails(err, "--to and --from mean nothing at the destination inbox, which puts mail into a folder")
	if !is[*app.UsageError](err) {
		t.Errorf("an envelope for a folder: %v, want a UsageError", err)
	}
}

// Without questions it is IMAP, too, unless a flag says otherwise.
func TestInboxByIMAPWithoutQuestions(t *testing.T) {
	t.Parallel()
	f := providers(t)
	in := f.mailboxAt("pop")
	in.To, in.Inbox.PasswordFile = "leo@gmail.com", f.secret
	f.succeeds(f.run(in))
	f.shows(byIMAP)
	f.reads("popferry.yaml", strings.ReplaceAll(gmailInbox, "%s", f.ca))
	if _, err := app.Load(f.options.Config); err != nil {
		t.Error(err)
	}
}

func TestInboxAtAProvider(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		to, protocol, password string
		replies                []testworld.Reply
		err                    string
		shows                  []string
	}{
		"one that refuses, by SMTP all the same": {
			replies: []testworld.Reply{{Question: inboxAddress, Answer: "leo@yahoo.com"}, {Question: howQuestion, Answer: "smtp"}, {Question: "Mail server", Answer: testworld.Leave}},
			err:     setup.ErrStopped.Error(),
			shows:   []string{"! The SMTP server of Yahoo Mail refuses mail from others: only your own addresses may be in From.", "smtp.mail.yahoo.com"},
		},
		"one of which it is not known": {
			replies: []testworld.Reply{{Question: inboxAddress, Answer: "leo@icloud.com"}, {Question: howQuestion, Answer: "imap"}, {Question: "Password at imap.mail.me.com", Answer: "secret"}, {Question: "Keep mail", Answer: testworld.Leave}},
			err:     setup.ErrStopped.Error(),
			shows:   []string{"! It is not known whether the SMTP server of iCloud Mail takes mail from others", "Messages of more than about 35 MB are refused.", "as leo\n"},
		},
		"one whose bridge does not run": {
			replies: []testworld.Reply{{Question: inboxAddress, Answer: "leo@pm.me"}, {Question: howQuestion, Answer: ""}, {Question: "Mail server", Answer: testworld.Leave}},
			err:     setup.ErrStopped.Error(),
			shows:   []string{"! IMAP has to be switched on first: Proton Mail Bridge has to run on this machine", "127.0.0.1:1143, STARTTLS: nothing listens on this port"},
		},
		"one that wants tokens": {
			replies: []testworld.Reply{{Question: inboxAddress, Answer: "leo@outlook.com"}, {Question: howQuestion, Answer: "imap"}, {Question: "Client id", Answer: "x,client_secret_file=/etc/shadow"}, {Question: "Client id", Answer: ""}},
			err:     setup.ErrStopped.Error(),
			shows:   []string{"signing in by OAuth2 with a program that is registered with Microsoft", "popferry help oauth2", `"x,client_secret_file=/etc/shadow" is not a client id`},
		},
		"one that wants tokens, and nobody to ask": {to: "leo@outlook.com", err: "add --smtp-oauth2 provider=...,client_id=... (popferry help oauth2"},
		"no password and nobody to ask":            {to: "leo@gmail.com", err: "imap.gmail.com:993 needs a login: add --smtp-password-file, or choose another way with --forward-protocol"},
		"SMTP by a flag":                           {to: "leo@yahoo.com", protocol: config.ProtocolSMTP, err: "No mail server was found that works"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := providers(t)
			in := f.mailboxAt("pop")
			in.To, in.Protocol = tt.to, tt.protocol
			f.fails(f.run(in, tt.replies...), tt.err)
			for _, want := range tt.shows {
				f.shows(want)
			}
			f.nothingWritten()
		})
	}
}

// What an inbox at a server of one's own may do with mail from others is not
// known: it is said how to find out.
func TestInboxAtAnUnknownServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, "")
	f.succeeds(f.run(f.everything()))
	f.shows("Whether this one takes mail from others shows with: popferry check --send")
}

// A server of one's own that only has IMAP is found to have that.
func TestInboxAtAServerWithIMAPAlone(t *testing.T) {
	t.Parallel()
	f := providers(t)
	f.succeeds(f.run(f.mailboxAt("pop"), []testworld.Reply{
		{Question: inboxAddress, Answer: "leo@elsewhere.test"},
		{Question: "Mail server", Answer: "home.elsewhere.test"},
		{Question: "Password at home.elsewhere.test", Answer: "secret"},
		{Question: "Keep mail", Answer: ""},
		{Question: "Forward all", Answer: ""},
		{Question: "Write them?", Answer: ""},
	}...))
	f.shows("! home.elsewhere.test takes no mail by SMTP that could be tried here, and has IMAP.")
	f.shows(byIMAP)
	cfg, err := app.Load(f.options.Config)
	if err != nil || cfg.Forward[0].Protocol != config.ProtocolIMAP {
		t.Errorf("%v, %+v; want a destination by IMAP", err, cfg)
	}
}

// A server is known by its name, its port or a flag.
func TestProtocolOfANamedServer(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		host, protocol string
		port           int
		want           string // on the screen
	}{
		"a provider's": {host: "imap.gmail.com", want: "imap.gmail.com:993, TLS from the start (named by you)"},
		"its port":     {host: "imap.gmail.com", port: 993, want: "imap.gmail.com:993, TLS from the start (named by you)"},
		"a flag":       {host: "outlook.office365.com", protocol: config.ProtocolIMAP, want: "outlook.office365.com:993, TLS from the start (named by you)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := providers(t)
			in := f.mailboxAt("pop")
			in.To, in.Protocol, in.Inbox = "leo@elsewhere.test", tt.protocol, setup.Server{Host: tt.host, Port: tt.port, PasswordFile: f.secret}
			f.succeeds(f.run(in))
			f.shows(tt.want)
			cfg, err := app.Load(f.options.Config)
			if err != nil || cfg.Forward[0].Protocol != config.ProtocolIMAP {
				t.Errorf("%v, %+v; want a destination by IMAP", err, cfg)
			}
		})
	}
}
