package check

import (
	"bytes"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestLetterIsFromACorrespondent: what --send sends is from the mailbox that is
// collected from, as real mail is not from the inbox's owner either. A server that
// refuses that, in whatever words, and takes the owner's own mail is told by it.
func TestLetterIsFromACorrespondent(t *testing.T) {
	t.Parallel()
	const own = "leo@example.test"
	refusal := smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "message content rejected"}
	everything := func(e smtptest.Event) (f smtptest.Fault) {
		if e.Stage == forwarder.StageDot {
			f = refusal
		}
		return f
	}
	for name, tt := range map[string]struct {
		host  string
		fault func(smtptest.Event) smtptest.Fault
		want  string   // on the screen
		from  []string // the messages that arrive
	}{
		"a server that takes it": {mxHost, nil, "  From: leo@isp.test; 250 2.0.0 OK", []string{"leo@isp.test"}},
		"one for its user's own mail": {mxHost, smtptest.OwnFrom(own, refusal),
			"From: leo@isp.test: the destination accepts only mail whose From header is its own user's: the server says: 550 5.7.1 message content rejected\n" +
				"    > Mail that others wrote does not get through this server.", []string{own}},
		"the same at a known provider": {"smtp.fastmail.com", smtptest.OwnFrom(own, refusal), "    > Set protocol: imap with host: imap.fastmail.com.", []string{own}},
		"one that refuses everything":  {mxHost, everything, "the destination refused this message: the server says: 550 5.7.1 message content rejected\n    > This was only a test message", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.pop3(popHost, 995, pop3test.Options{TLS: f.cert(popHost), ImplicitTLS: true})
			srv, err := smtptest.Start(smtptest.Options{TLS: f.cert(tt.host), Username: own, Password: "s3cret", Fault: tt.fault})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = srv.Close() })
			f.place(tt.host, 587, srv.Addr().String())
			ok, text, _ := f.checkWith(Options{Send: true}, isp, "host: "+tt.host+", port: 587, tls: starttls"+sendAs)
			if ok != (tt.fault == nil) || !strings.Contains(text, tt.want) {
				t.Errorf("ok = %v; want %q on the screen:\n%s", ok, tt.want, text)
			}
			arrived := srv.Messages()
			if len(arrived) != len(tt.from) {
				t.Fatalf("%d messages arrived, want %d", len(arrived), len(tt.from))
			}
			for i, from := range tt.from {
				if !bytes.Contains(arrived[i].Data, []byte("From: popferry <"+from+">")) || arrived[i].Sender != own {
					t.Errorf("from <%s>:\n%s\nwant it from %s in the header and <%s> in the envelope", arrived[i].Sender, arrived[i].Data, from, own)
				}
			}
		})
	}
}

// TestCorrespondent: another domain is best, and one's own address is none.
func TestCorrespondent(t *testing.T) {
	t.Parallel()
	account := func(username, host string) config.Account {
		return config.Account{Enabled: true, Forward: "main", Server: config.Server{Username: username, Host: host}}
	}
	other := account("ada@elsewhere.test", "pop.elsewhere.test")
	other.Forward = "other"
	for name, tt := range map[string]struct {
		accounts []config.Account
		want     string
	}{
		"no account":                    {nil, ""},
		"one of another destination":    {[]config.Account{other}, ""},
		"its address":                   {[]config.Account{account("ada@isp.test", "pop.hoster.test")}, "ada@isp.test"},
		"its name at its server":        {[]config.Account{account("ada", "pop.isp.co.uk")}, "ada@isp.co.uk"},
		"its name at an address":        {[]config.Account{account("ada", "192.0.2.1")}, ""},
		"one's own":                     {[]config.Account{account("Leo@example.test", "pop.example.test")}, ""},
		"another domain before the own": {[]config.Account{account("eva@example.test", "x.test"), account("ada@isp.test", "x.test")}, "ada@isp.test"},
		"the own domain at least":       {[]config.Account{account("leo@example.test", "x.test"), account("eva@example.test", "x.test")}, "eva@example.test"},
	} {
		c := checker{Options{Config: &config.Config{Accounts: tt.accounts}}}
		letter, own := c.letters(config.Destination{Name: "main"}, smtp.Envelope{Sender: "leo@example.test", Recipients: []string{"leo@example.test"}})
		want := tt.want
		if want == "" {
			want = "leo@example.test"
		}
		if letter.From != want || (own == nil) != (tt.want == "") {
			t.Errorf("%s: from %s, with one from oneself: %v; want %s, %v", name, letter.From, own != nil, want, tt.want != "")
		}
	}
}

// TestGmailIsKnownByItsGreeting: it gives no error, so it has to be said before the
// first message, also where it is reached by another name.
func TestGmailIsKnownByItsGreeting(t *testing.T) {
	t.Parallel()
	const said = "this server replaces the From address of mail from others by your own: set protocol: imap with host: imap.gmail.com"
	for name, tt := range map[string]struct {
		host, greeting string
		want           bool
	}{
		"by its name":      {"smtp.gmail.com", "220 smtp.gmail.com ESMTP ffacd0b85a97d - gsmtp", true},
		"by another name":  {"mail.example.test", "220 mx.google.com ESMTP 98e67ed59e1d1-2ee06 - gsmtp", true},
		"the relay":        {"smtp-relay.gmail.com", "220 smtp-relay.gmail.com ESMTP 98e67ed59e1d1 - gsmtp", false},
		"somebody else's":  {"mail.example.test", "220 mail.example.test ESMTP Postfix", false},
		"in several lines": {"mail.example.test", "220-mx.google.com ESMTP\n220 98e67ed59e1d1-2ee06 - gsmtp", true},
		"no words at all":  {"mail.example.test", "220 ", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			f.smtp(tt.host, 587, dial.StartTLS, map[string]string{"": tt.greeting})
			account, _ := f.good()
			ok, text, _ := f.check(account, "host: "+tt.host+", port: 587, tls: starttls"+sendAs)
			if !ok || strings.Contains(text, said) != tt.want {
				t.Errorf("ok = %v; want %q on the screen: %v\n%s", ok, said, tt.want, text)
			}
		})
	}
}
