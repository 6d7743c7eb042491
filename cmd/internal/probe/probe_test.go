package probe_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func mailbox(t *testing.T, o pop3test.Options) *pop3test.Server {
	t.Helper()
	srv := pop3test.NewServer(o)
	check(t, srv.Start())
	t.Cleanup(func() { check(t, srv.Close()) })
	return srv
}

func inbox(t *testing.T, o smtptest.Options) *smtptest.Server {
	t.Helper()
	srv, err := smtptest.Start(o)
	check(t, err)
	t.Cleanup(func() { check(t, srv.Close()) })
	return srv
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// port is that of an address on loopback.
func port(t *testing.T, addr string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	check(t, err)
	n, err := strconv.Atoi(text)
	check(t, err)
	return n
}

func dialer(t *testing.T, addr string, mode dial.Mode) *dial.Dialer {
	t.Helper()
	d, err := dial.New(dial.Target{Host: "127.0.0.1", Port: port(t, addr), TLS: dial.TLS{Mode: mode}})
	check(t, err)
	return d
}

func leo(password string) pop3.Credentials {
	return pop3.Credentials{Username: "leo", Secret: func(context.Context) (string, error) { return password, nil }}
}

// notes writes steps down, without their times.
type notes []string

func (n *notes) add(s probe.Step) {
	line := s.Name
	if s.Err != nil {
		line += ": " + cause.Of(s.Err).Code
	}
	*n = append(*n, line)
}

func (n *notes) want(t *testing.T, steps ...string) {
	t.Helper()
	if !slices.Equal(*n, steps) {
		t.Errorf("steps %q, want %q", *n, steps)
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	var greetings atomic.Int64
	tests := []struct {
		name     string
		password string
		handle   func(s *pop3test.Session, verb, arg string) bool
		want     []string
	}{
		{"well", "s3cret", nil, []string{"connect", "greeting", "login", "listing"}},
		{"wrong password", "guess", nil, []string{"connect", "greeting", "login: credentials"}},
		{"hangs up on CAPA", "s3cret", func(s *pop3test.Session, verb, _ string) bool {
			if verb == "CAPA" {
				s.Close()
			}
			return verb == "CAPA"
		}, []string{"connect", "greeting", "login", "listing"}},
		{"hangs up on CAPA, and lets nobody in again", "s3cret", func(s *pop3test.Session, verb, _ string) bool {
			switch {
			case verb == "CAPA":
				s.Close()
			case verb == "" && greetings.Add(1) > 1:
				s.Err("too many connections")
				s.Close()
			default:
				return false
			}
			return true
		}, []string{"connect", "greeting", "greeting: too_often"}},
		{"no UIDL", "s3cret", func(s *pop3test.Session, verb, _ string) bool {
			if verb == "UIDL" {
				s.Err("unknown command")
			}
			return verb == "UIDL"
		}, []string{"connect", "greeting", "login", "listing"}},
		{"not now", "s3cret", func(s *pop3test.Session, verb, _ string) bool {
			if verb == "" {
				s.Err("too many connections")
				s.Close()
			}
			return verb == ""
		}, []string{"connect", "greeting: too_often"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := mailbox(t, pop3test.Options{Users: map[string]string{"leo": "s3cret"}, Handle: tt.handle})
			srv.Add("leo", pop3test.Message{UID: "1", Octets: []byte("Subject: 1\r\n\r\n")})
			var n notes
			err := probe.Account(t.Context(), probe.Mailbox{Dialer: dialer(t, srv.Addr(), dial.None), Credentials: leo(tt.password), Timeout: time.Minute}, n.add)
			n.want(t, tt.want...)
			if well := tt.want[len(tt.want)-1] == "listing"; (err == nil) != well {
				t.Errorf("error %v", err)
			}
			logins := 0
			for _, c := range srv.Log() {
				switch c.Verb() {
				case "RETR", "TOP", "DELE":
					t.Errorf("sent %q", c.Line)
				case "AUTH", "PASS":
					logins++
				}
			}
			if logins > 1 {
				t.Errorf("%d logins", logins)
			}
		})
	}
}

func TestDestination(t *testing.T) {
	t.Parallel()
	refuse := func(stage forwarder.Stage, address string, code int) func(smtptest.Event) smtptest.Fault {
		return func(e smtptest.Event) smtptest.Fault {
			if e.Stage == stage && e.Address == address {
				return smtptest.Fault{Code: code, Text: "no"}
			}
			return smtptest.Fault{}
		}
	}
	tests := []struct {
		name  string
		fault func(smtptest.Event) smtptest.Fault
		want  []string
	}{
		{"well", nil, []string{"connect", "greeting", "mail", "rcpt", "rcpt", "mail", "rcpt"}},
		{"one recipient", refuse(forwarder.StageRcpt, "a@x.test", 550), []string{"connect", "greeting", "mail", "rcpt: recipient", "rcpt", "mail", "rcpt"}},
		{"a sender", refuse(forwarder.StageMail, "leo@x.test", 553), []string{"connect", "greeting", "mail: sender", "mail", "rcpt"}},
		{"had enough", refuse(forwarder.StageRcpt, "b@x.test", 421), []string{"connect", "greeting", "mail", "rcpt", "rcpt: forward_later"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := inbox(t, smtptest.Options{Fault: tt.fault, MaxSize: 4711})
			r := probe.Relay{Name: "main", Dialer: dialer(t, srv.Addr().String(), dial.None), Envelopes: []smtp.Envelope{
				{Sender: "leo@x.test", Recipients: []string{"a@x.test", "b@x.test"}},
				{Recipients: []string{"c@x.test"}},
			}}
			var n notes
			limit, err := probe.Destination(t.Context(), r, n.add)
			n.want(t, tt.want...)
			if (err == nil) != (tt.fault == nil) || limit != 4711 {
				t.Errorf("limit %d, error %v", limit, err)
			}
			if got := srv.Messages(); len(got) != 0 {
				t.Errorf("%d messages were sent", len(got))
			}
		})
	}
}

// opened is a mailbox as a destination, whose login or folder may fail.
type opened struct {
	probe.Link
	fails  forwarder.Stage // 0: nothing does
	closed bool
}

// CheckFolder implements probe.Checker.
func (o *opened) CheckFolder(ctx context.Context, name string) (imap.Checked, error) {
	conn, err := o.Dial(ctx)
	if err != nil {
		return imap.Checked{}, &smtp.Error{Stage: forwarder.StageDial, Err: err}
	}
	check := func(s forwarder.Stage) error {
		if s == o.fails && name != "good" {
			return &smtp.Error{Stage: s, Code: 535, Text: "no"}
		}
		if s < forwarder.StageRcpt {
			o.Passed(s)
		}
		return nil
	}
	o.Greeted("ready")
	return imap.Checked{Limit: 4711}, errors.Join(check(forwarder.StageHello), check(forwarder.StageAuth), check(forwarder.StageRcpt), conn.Close())
}

// Close implements io.Closer.
func (o *opened) Close() error {
	o.closed = true
	return nil
}

func TestStore(t *testing.T) {
	t.Parallel()
	server := inbox(t, smtptest.Options{}).Addr().String() // any that accepts connections
	for name, tt := range map[string]struct {
		addr  string
		fails forwarder.Stage
		want  []string
	}{
		"well":         {server, 0, []string{"connect", "greeting", "login", "folder", "folder"}},
		"no such port": {"127.0.0.1:1", 0, []string{"connect: refused_port"}},
		"the login":    {server, forwarder.StageAuth, []string{"connect", "greeting", "login: forward_auth"}},
		"the folder":   {server, forwarder.StageRcpt, []string{"connect", "greeting", "login", "folder: forward_session", "folder"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n notes
			var o *opened
			limit, err := probe.Store(t.Context(), probe.Inbox{
				Name: "main", Dialer: dialer(t, tt.addr, dial.None), Folders: []string{"INBOX", "good"},
				Open: func(l probe.Link) probe.Checker { o = &opened{l, tt.fails, false}; return o },
			}, n.add)
			n.want(t, tt.want...)
			if well := name == "well"; (err == nil) != well || well != (limit == 4711) && tt.fails != forwarder.StageRcpt || !o.closed {
				t.Errorf("limit %d, error %v, closed: %v", limit, err, o.closed)
			}
		})
	}
}

// TestSearch: of all ways to a host, those that answer, whatever they answer.
func TestSearch(t *testing.T) {
	t.Parallel()
	server, _, err := smtptest.SelfSigned("mx.test", time.Now())
	check(t, err)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	check(t, closed.Close())
	pop := func(cfg *tls.Config, implicit bool) int {
		return port(t, mailbox(t, pop3test.Options{TLS: cfg, ImplicitTLS: implicit}).Addr())
	}
	mx := func(cfg *tls.Config, implicit bool) int {
		return port(t, inbox(t, smtptest.Options{TLS: cfg, Implicit: implicit}).Addr().String())
	}
	nowhere := port(t, closed.Addr().String())
	tests := []struct {
		name     string
		protocol probe.Protocol
		ways     []probe.Way
		want     string
	}{
		{"POP3", probe.POP3, []probe.Way{{pop(server, true), dial.Implicit}, {pop(server, false), dial.StartTLS}}, "implicit starttls"},
		{"POP3 in clear", probe.POP3, []probe.Way{{nowhere, dial.Implicit}, {pop(nil, false), dial.StartTLS}}, "none"},
		{"SMTP", probe.SMTP, []probe.Way{{mx(server, true), dial.Implicit}, {mx(server, false), dial.StartTLS}}, "implicit starttls"},
		{"SMTP in clear", probe.SMTP, []probe.Way{{nowhere, dial.Implicit}, {mx(nil, false), dial.StartTLS}}, "none"},
		{"nothing", probe.SMTP, []probe.Way{{nowhere, dial.Implicit}}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := ""
			for _, a := range probe.Search(t.Context(), dial.NewNetwork(), dial.Target{Host: "127.0.0.1"}, tt.protocol, tt.ways) {
				var untrusted *dial.CertificateError
				if (a.Mode != dial.None) != errors.As(a.Err, &untrusted) {
					t.Errorf("%v: %v", a.Way, a.Err)
				}
				got = fmt.Sprintf("%s %v", got, a.Mode)
			}
			if got != "" {
				got = got[1:]
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
