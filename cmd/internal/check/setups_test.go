package check

import (
	"crypto/tls"
	"net"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// brokenSetup is a configuration with a mistake, or servers with a fault. Replies
// are those of real servers.
type brokenSetup struct {
	name             string
	account, forward string // "": a good one
	change           func(*fixture)
}

const (
	leoAt   = ", username: leo, password: s3cret"
	sendAs  = ", username: leo@example.test, password: s3cret, to: [leo@example.test]"
	popHost = "pop.isp.test"
	mxHost  = "mx.home.test"
	isp     = "host: " + popHost + leoAt
	home    = "host: " + mxHost + sendAs
)

// pop3Says puts a POP3 server at the host of a preset, or another, which
// answers one command so.
func pop3Says(host, verb, reply string) func(*fixture) {
	return func(f *fixture) {
		f.pop3(host, 995, pop3test.Options{TLS: f.cert(host), ImplicitTLS: true, Handle: func(s *pop3test.Session, v, _ string) bool {
			// PASS and AUTH are both the login; LIST is what is asked where UIDL fails.
			same := v == verb || v == "AUTH" && verb == "PASS" || v == "LIST" && verb == "UIDL"
			if same {
				s.Write(reply + "\r\n")
			}
			if same && v == "" {
				s.Close()
			}
			return same
		}})
	}
}

// smtpSays puts a server at mx.home.test:587 that answers one command so.
func smtpSays(verb, reply string) func(*fixture) {
	return func(f *fixture) { f.smtp(mxHost, 587, dial.StartTLS, map[string]string{verb: reply}) }
}

// greets puts something at a port that says one line and no more.
func greets(host string, port int, line string) func(*fixture) {
	return func(f *fixture) { f.smtp(host, port, dial.None, map[string]string{"": line}) }
}

// hangsUp puts a POP3 server at pop.isp.test:995 that hangs up at a command.
func hangsUp(verb string) func(*fixture) {
	return func(f *fixture) {
		f.pop3(popHost, 995, pop3test.Options{TLS: f.cert(popHost), ImplicitTLS: true, Handle: func(s *pop3test.Session, v, _ string) bool {
			if v == verb {
				s.Close()
			}
			return v == verb
		}})
	}
}

// certified puts a POP3 server with a certificate at pop.isp.test:995.
func certified(from, to time.Duration, names ...string) func(*fixture) {
	return func(f *fixture) {
		cfg := f.cert(popHost)
		cfg.Certificates[0] = f.authority.ServerFrom(time.Now().Add(from), time.Now().Add(to), names...)
		f.pop3(popHost, 995, pop3test.Options{TLS: cfg, ImplicitTLS: true})
	}
}

// popSetups are broken on the POP3 side.
var popSetups = []brokenSetup{
	{"the name of a provider's server is misspelled", "host: pop.gmial.com" + leoAt, "", nil},
	{"the server does not exist", "host: pop.nowhere.test" + leoAt, "", nil},
	{"the DNS does not answer", isp, "", func(f *fixture) { f.noDNS = true }},
	{"nothing listens", isp, "", func(f *fixture) { f.address(popHost) }},
	{"only port 110 with STLS is served", isp, "", func(f *fixture) {
		f.pop3(popHost, 110, pop3test.Options{TLS: f.cert(popHost)})
	}},
	{"implicit TLS on the port for STLS", isp + ", port: 110, tls: implicit", "", func(f *fixture) {
		f.pop3(popHost, 110, pop3test.Options{TLS: f.cert(popHost)})
	}},
	{"STLS on the port for implicit TLS", isp + ", port: 995, tls: starttls, timeout: 3s", "", func(f *fixture) {
		f.pop3(popHost, 995, pop3test.Options{TLS: f.cert(popHost), ImplicitTLS: true})
	}},
	{"implicit TLS on a port of its own for STLS", isp + ", port: 2110, tls: implicit", "", func(f *fixture) {
		f.pop3(popHost, 2110, pop3test.Options{TLS: f.cert(popHost)})
		f.pop3(popHost, 995, pop3test.Options{TLS: f.cert(popHost), ImplicitTLS: true})
	}},
	{"no TLS on a port of its own", isp + ", port: 2110, tls: implicit", "", func(f *fixture) { f.pop3(popHost, 2110, pop3test.Options{}) }},
	{"STLS on a port of its own for implicit TLS", isp + ", port: 2995, tls: starttls, timeout: 3s", "", func(f *fixture) {
		f.pop3(popHost, 2995, pop3test.Options{TLS: f.cert(popHost), ImplicitTLS: true})
	}},
	{"the server has no STLS", isp + ", tls: starttls", "", func(f *fixture) { f.pop3(popHost, 110, pop3test.Options{}) }},
	{"an IMAP server", isp + ", port: 143, tls: none", "", greets(popHost, 143, "* OK [CAPABILITY IMAP4rev1] Dovecot ready.")},
	{"an SMTP server", isp + ", port: 25, tls: none", "", greets(popHost, 25, "220 mail.isp.test ESMTP Postfix")},
	{"a web server", isp + ", port: 80, tls: none", "", greets(popHost, 80, "HTTP/1.1 400 Bad Request")},
	{"the certificate has expired", isp, "", certified(-48*time.Hour, -24*time.Hour, popHost)},
	{"the certificate is not valid yet", isp, "", certified(24*time.Hour, 48*time.Hour, popHost)},
	{"the certificate is for another name", isp, "", certified(-time.Hour, time.Hour, "mail.hoster.test")},
	{"the certificate has only a common name", isp, "", func(f *fixture) {
		cfg := f.cert(popHost)
		cfg.Certificates[0] = f.authority.CommonName(popHost)
		f.pop3(popHost, 995, pop3test.Options{TLS: cfg, ImplicitTLS: true})
	}},
	{"the certificate has a negative serial number", isp, "", func(f *fixture) {
		cfg := f.cert(popHost)
		cfg.Certificates[0] = f.authority.NegativeSerial(popHost)
		f.pop3(popHost, 995, pop3test.Options{TLS: cfg, ImplicitTLS: true})
	}},
	{"the certificate is of an unknown authority", isp, "", func(f *fixture) {
		cfg := f.cert(popHost)
		cfg.Certificates[0] = certtest.New(f.t).Server(popHost)
		f.pop3(popHost, 995, pop3test.Options{TLS: cfg, ImplicitTLS: true})
	}},
	{"the certificate is not the pinned one", isp + `, tls_pin: "sha256:` + strings.Repeat("ab", 32) + `"`, "", certified(-time.Hour, time.Hour, popHost)},
	{"the server has only TLS 1.0", isp, "", func(f *fixture) {
		cfg := f.cert(popHost)
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, tls.VersionTLS10
		f.pop3(popHost, 995, pop3test.Options{TLS: cfg, ImplicitTLS: true})
	}},
	{"the server has only RSA key exchange", isp, "", func(f *fixture) {
		cfg := f.cert(popHost)
		cfg.Certificates[0] = f.authority.RSA(popHost)
		cfg.MaxVersion, cfg.CipherSuites = tls.VersionTLS12, []uint16{tls.TLS_RSA_WITH_AES_128_CBC_SHA}
		f.pop3(popHost, 995, pop3test.Options{TLS: cfg, ImplicitTLS: true})
	}},
	{"the server wants a client certificate", isp, "", func(f *fixture) {
		cfg := f.cert(popHost)
		cfg.ClientAuth = tls.RequireAnyClientCert
		f.pop3(popHost, 995, pop3test.Options{TLS: cfg, ImplicitTLS: true})
	}},
	{"the password's command fails", "host: pop.good.test, username: leo, password_command: 'echo it is locked >&2; exit 2'", "", nil},
	{"a wrong password (Dovecot)", isp, "", pop3Says(popHost, "PASS", "-ERR [AUTH] Authentication failed.")},
	{"Gmail wants an app password", "host: pop.gmail.com" + leoAt, "", pop3Says("pop.gmail.com", "PASS",
		"-ERR [AUTH] Application-specific password required: https://support.google.com/accounts/answer/185833")},
	{"Gmail wants a login by the web", "host: pop.gmail.com" + leoAt, "", pop3Says("pop.gmail.com", "PASS",
		"-ERR [AUTH] Web login required: https://support.google.com/mail/answer/78754")},
	{"POP3 is switched off (Gmail)", "host: pop.gmail.com" + leoAt, "", pop3Says("pop.gmail.com", "UIDL",
		"-ERR [SYS/PERM] Your account is not enabled for POP access. Please visit your Gmail settings page and enable your account for POP access.")},
	{"POP3 is switched off (GMX)", "host: pop.gmx.net" + leoAt, "", pop3Says("pop.gmx.net", "PASS", "-ERR authentication failed")},
	{"POP3 is switched off (Yandex)", isp, "", pop3Says(popHost, "PASS", "-ERR [AUTH] login failure or POP3 disabled, try later. sc=HtjJitcPRuQ1")},
	{"OAuth2 only (Outlook.com)", "host: outlook.office365.com" + leoAt, "", pop3Says("outlook.office365.com", "PASS", "-ERR Basic authentication is disabled.")},
	{"QQ wants its authorization code", "host: pop.qq.com" + leoAt, "", pop3Says("pop.qq.com", "PASS",
		"-ERR Login Fail. Please enter your authorization code to login. More information in http://service.mail.qq.com/cgi-bin/help?subtype=1&&id=28&&no=1001256")},
	{"passwords only over TLS (Dovecot)", isp + ", port: 110, tls: none", "", func(f *fixture) {
		f.pop3(popHost, 110, pop3test.Options{Handle: func(s *pop3test.Session, v, _ string) bool {
			if v == "AUTH" {
				s.Err("[AUTH] Plaintext authentication disallowed on non-secure (SSL/TLS) connections.")
			}
			return v == "AUTH"
		}})
	}},
	{"the mailbox is locked", isp, "", pop3Says(popHost, "PASS", "-ERR [IN-USE] Mailbox already in use by pid 4711")},
	{"asked too often (Hotmail, behind the login)", isp, "", pop3Says(popHost, "UIDL", "-ERR login allowed only every 15 minutes")},
	{"asked too often (Dovecot, at the greeting)", isp, "", pop3Says(popHost, "", "-ERR Maximum number of connections from user+IP exceeded")},
	{"the mailbox is suspended", isp, "", pop3Says(popHost, "PASS", "-ERR [SYS/PERM] Your account has been suspended.")},
	{"the server hangs up at once", isp, "", hangsUp("")},
	{"the server hangs up at the login (OVH, when asked too often)", isp, "", hangsUp("AUTH")},
}

// silent puts a server at a port that lets everybody connect and says nothing.
func silent(host string, port int) func(*fixture) {
	return func(f *fixture) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // connections wait to be accepted
		if err != nil {
			f.t.Fatal(err)
		}
		f.t.Cleanup(func() { _ = l.Close() })
		f.place(host, port, l.Addr().String())
	}
}

const (
	imapHost  = "imap.home.test"
	leosInbox = "protocol: imap, host: " + imapHost + ", username: leo@home.test, password: s3cret"
)

// imapSays puts an IMAP server at imap.home.test:993 that answers one command so; ""
// is the greeting.
func imapSays(command, reply string) func(*fixture) {
	return func(f *fixture) {
		o := imaptest.Options{Greeting: "OK ready", Fault: func(e imaptest.Event) (fault imaptest.Fault) {
			if e.Command == command {
				fault.Reply = reply
			}
			return fault
		}}
		if command == "" {
			o.Greeting = reply
		}
		f.imap(imapHost, 993, dial.Implicit, o)
	}
}

// imapOffers puts an IMAP server there with these capabilities before a login.
func imapOffers(caps ...string) func(*fixture) {
	return func(f *fixture) {
		f.imap(imapHost, 993, dial.Implicit, imaptest.Options{Before: caps, Secret: "another"})
	}
}

// imapSetups are broken at a destination that is an IMAP mailbox. Replies are those of
// Dovecot where nothing else is said.
var imapSetups = []brokenSetup{
	{"IMAP: nothing listens", "", leosInbox, func(f *fixture) {
		f.address(imapHost)
		f.imap(imapHost, 143, dial.StartTLS, imaptest.Options{Before: []string{"STARTTLS"}})
	}},
	{"IMAP: no STARTTLS", "", leosInbox + ", tls: starttls", func(f *fixture) { f.imap(imapHost, 143, dial.None, imaptest.Options{}) }},
	{"IMAP: the certificate is for another name", "", leosInbox, func(f *fixture) {
		f.imap("mail.hoster.test", 993, dial.Implicit, imaptest.Options{})
		f.place(imapHost, 993, f.listening[f.address("mail.hoster.test")+":993"])
	}},
	{"IMAP: a POP3 server", "", leosInbox + ", port: 110, tls: none", greets(imapHost, 110, "+OK Dovecot ready.")},
	{"IMAP: the greeting is BYE", "", leosInbox, imapSays("", "BYE [ALERT] Maximum number of connections from user+IP exceeded (mail_max_userip_connections=10)")},
	{"IMAP: the server is being shut down", "", leosInbox, imapSays("", "BYE [UNAVAILABLE] Server shutting down.")},
	{"IMAP: the server is silent", "", leosInbox + ", tls: none, timeout: 2s", silent(imapHost, 143)},
	{"IMAP: a wrong password", "", leosInbox, imapSays("LOGIN", "NO [AUTHENTICATIONFAILED] Authentication failed.")},
	{"IMAP: Gmail wants an app password", "", "protocol: imap, host: imap.gmail.com, username: leo@gmail.com, password: s3cret", func(f *fixture) {
		o := imaptest.Gmail()
		o.Fault = func(e imaptest.Event) (fault imaptest.Fault) {
			if e.Command == "AUTHENTICATE" {
				fault.Reply = "NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)"
			}
			return fault
		}
		f.imap("imap.gmail.com", 993, dial.Implicit, o)
	}},
	{"IMAP: an expired token (Gmail)", "", "protocol: imap, host: imap.gmail.com, username: leo@gmail.com, token_command: 'echo old'", func(f *fixture) {
		o := imaptest.Gmail()
		o.Secret = "new"
		f.imap("imap.gmail.com", 993, dial.Implicit, o)
	}},
	{"IMAP: a password where only OAuth2 is offered (Outlook.com)", "", leosInbox, imapOffers("AUTH=XOAUTH2", "LOGINDISABLED", "SASL-IR")},
	{"IMAP: passwords only over TLS", "", leosInbox + ", tls: none", func(f *fixture) {
		f.imap(imapHost, 143, dial.None, imaptest.Options{Fault: func(e imaptest.Event) (fault imaptest.Fault) {
			if e.Command == "LOGIN" {
				fault.Reply = "NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections."
			}
			return fault
		}})
	}},
	{"IMAP: the folder does not exist", "", leosInbox + ", folder: Old mail", func(f *fixture) { f.imap(imapHost, 993, dial.Implicit, imaptest.Options{}) }},
	{"IMAP: mail may not be put into the folder", "", leosInbox, imapSays("APPEND", "NO [NOPERM] Permission denied")},
	{"IMAP: the mailbox is full", "", leosInbox, imapSays("APPEND", "NO [OVERQUOTA] Quota exceeded (mailbox for user is full)")},
	{"IMAP: a message larger than the server takes", "", leosInbox, func(f *fixture) {
		f.imap(imapHost, 993, dial.Implicit, imaptest.Options{Caps: []string{"APPENDLIMIT=2000"}})
	}},
}

// smtpSetups are broken on the destination's side.
var smtpSetups = []brokenSetup{
	{"port 25 is blocked", "", home + ", port: 25, timeout: 3s", func(f *fixture) {
		f.deaf = net.JoinHostPort(f.address(mxHost), "25")
		f.smtp(mxHost, 587, dial.StartTLS, nil)
	}},
	{"STARTTLS on the port for implicit TLS", "", home + ", port: 465, timeout: 3s", func(f *fixture) { f.smtp(mxHost, 465, dial.Implicit, nil) }},
	{"implicit TLS on the port for STARTTLS", "", home + ", port: 587, tls: implicit", func(f *fixture) { f.smtp(mxHost, 587, dial.StartTLS, nil) }},
	{"LMTP: implicit TLS on the port for STARTTLS", "", home + ", protocol: lmtp, port: 24, tls: implicit", func(f *fixture) {
		f.smtp(mxHost, 24, dial.StartTLS, map[string]string{"LHLO": "250-mx\r\n250 STARTTLS"})
	}},
	{"no STARTTLS", "", home, func(f *fixture) {
		f.smtp(mxHost, 587, dial.None, nil)
		f.smtp(mxHost, 465, dial.Implicit, nil)
	}},
	{"a POP3 server", "", home + ", port: 110, tls: none", greets(mxHost, 110, "+OK Dovecot ready.")},
	{"too many connections", "", home, smtpSays("", "421 4.7.0 mx.home.test Error: too many connections from 192.0.2.7")},
	{"the password's command prints nothing", "", "host: mx.good.test, username: leo@good.test, password_command: 'true', to: [leo@good.test]", nil},
	{"a wrong password (Postfix)", "", home, smtpSays("AUTH", "535 5.7.8 Error: authentication failed: (reason unavailable)")},
	{"Gmail wants an app password", "", "host: smtp.gmail.com, port: 465, tls: implicit" + sendAs, func(f *fixture) {
		f.smtp("smtp.gmail.com", 465, dial.Implicit, map[string]string{
			"AUTH": "534-5.7.9 Application-specific password required. For more information, go to\n534 5.7.9  https://support.google.com/mail/?p=InvalidSecondFactor"})
	}},
	{"OAuth2 only (Outlook.com)", "", home, smtpSays("AUTH", "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.")},
	{"SMTP AUTH is off (Microsoft 365)", "", home, smtpSays("AUTH",
		"535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.")},
	{"a rule of the organization (Microsoft 365)", "", home, smtpSays("AUTH",
		"535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator.")},
	{"a token that has ended (Gmail)", "", "host: smtp.gmail.com, port: 465, tls: implicit, username: leo@gmail.com, token_command: echo ya29, to: [leo@gmail.com]", func(f *fixture) {
		f.smtp("smtp.gmail.com", 465, dial.Implicit, map[string]string{
			"EHLO": "250-smtp.gmail.com at your service\n250 AUTH LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH",
			"AUTH": "535-5.7.8 Username and Password not accepted. For more information, go to\n535 5.7.8  https://support.google.com/mail/?p=BadCredentials"})
	}},
	{"a token where there is no OAuth2", "", "host: " + mxHost + ", username: leo@example.test, token_command: echo ya29, to: [leo@example.test]", smtpSays("NOTHING", "")},
	{"a login where none is offered", "", home, smtpSays("EHLO", "250-mx.home.test\n250 SIZE 1000000")},
	{"a login where there is neither one nor TLS", "", home + ", port: 25, tls: none", func(f *fixture) {
		f.smtp(mxHost, 25, dial.None, map[string]string{"EHLO": "250-mx.home.test\n250 SIZE 1000000"})
	}},
	{"no login where one is wanted (Gmail)", "", "host: " + mxHost + ", to: [leo@example.test], from: leo@example.test",
		smtpSays("MAIL", "530 5.7.0 Authentication Required. For more information, go to https://support.google.com/mail/?p=WantAuthError")},
	{"no TLS where it is wanted (Postfix)", "", "host: " + mxHost + ", port: 25, tls: none, to: [leo@example.test]", func(f *fixture) {
		f.smtp(mxHost, 25, dial.None, map[string]string{"MAIL": "530 5.7.0 Must issue a STARTTLS command first"})
		f.smtp(mxHost, 587, dial.StartTLS, nil)
	}},
	{"from is not ours (Postfix)", "", home + ", from: me@work.test", smtpSays("RCPT",
		"553 5.7.1 <me@work.test>: Sender address rejected: not owned by user leo@example.test")},
	{"from is not ours (163.com)", "", home + ", from: me@work.test", smtpSays("MAIL", "553 Mail from must equal authorized user")},
	{"from is not ours (Microsoft 365)", "", home + ", from: me@work.test", smtpSays("MAIL", "550 5.7.60 SMTP; Client does not have permissions to send as this sender")},
	{"from is not an address", "", home + ", from: \"leo@[10.0.0.1]\"", smtpSays("MAIL", "501 5.1.7 Bad sender address syntax")},
	{"to is not an address", "", "host: " + mxHost + ", username: leo@example.test, password: s3cret, to: [leo@example]", smtpSays("RCPT", "501 5.1.3 Bad recipient address syntax")},
	{"to does not exist", "", home, smtpSays("RCPT", "550 5.1.1 <leo@example.test>: Recipient address rejected: User unknown in virtual mailbox table")},
	{"relay denied", "", "host: " + mxHost + ", to: [leo@elsewhere.test]", smtpSays("RCPT", "554 5.7.1 <leo@elsewhere.test>: Relay access denied")},
	{"relay denied for now (Postfix as it comes)", "", "host: " + mxHost + ", to: [leo@elsewhere.test]", smtpSays("RCPT", "454 4.7.1 <leo@elsewhere.test>: Relay access denied")},
	{"this machine is on a list", "", home, smtpSays("RCPT", "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org")},
	{"a bad name for EHLO", "", home, smtpSays("RCPT", "504 5.5.2 <box>: Helo command rejected: need fully-qualified hostname")},
	{"greylisting", "", home, smtpSays("RCPT", "450 4.2.0 <leo@example.test>: Recipient address rejected: Greylisted")},
	{"a message larger than the destination takes", "", home, smtpSays("EHLO", "250-mx.home.test\n250-SIZE 2000\n250 AUTH PLAIN")},
}
