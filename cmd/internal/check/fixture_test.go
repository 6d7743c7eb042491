package check

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/dnstest"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// fixture is a network of its own with servers under real names and on real
// ports. Nothing else can be reached from it.
type fixture struct {
	t         *testing.T
	authority *certtest.Authority
	hosts     map[string]string // name: address
	listening map[string]string // address:port: where it is in fact
	deaf      string            // address:port from which nothing comes back
	noDNS     bool
	ledger    func(*config.Config) ledger.Store // nil: there is none yet
	proxy     string                            // host:port, for PROXY in a configuration
}

func newFixture(t *testing.T) *fixture {
	f := &fixture{t: t, authority: certtest.New(t), hosts: make(map[string]string), listening: make(map[string]string)}
	f.pop3("pop.good.test", 995, pop3test.Options{TLS: f.cert("pop.good.test"), ImplicitTLS: true})
	f.smtp("mx.good.test", 587, dial.StartTLS, nil)
	return f
}

// good are an account and a destination with which all is well.
func (f *fixture) good() (account, forward string) {
	return "host: pop.good.test, username: leo, password: s3cret", "host: mx.good.test, username: leo@good.test, password: s3cret, to: [leo@good.test]"
}

// cert are the TLS settings of a server of that name.
func (f *fixture) cert(name string) *tls.Config {
	now := time.Now()
	return &tls.Config{Certificates: []tls.Certificate{f.authority.ServerFrom(now.Add(-time.Hour), now.AddDate(0, 3, 0), name)}}
}

// place puts a server at a host's port.
func (f *fixture) place(host string, port int, real string) {
	f.listening[fmt.Sprintf("%s:%d", f.address(host), port)] = real
}

// address is that of a name, which it gets if it has none.
func (f *fixture) address(host string) string {
	if f.hosts[host] == "" {
		f.hosts[host] = fmt.Sprintf("192.0.2.%d", len(f.hosts)+1)
	}
	return f.hosts[host]
}

// pop3 starts a POP3 server with one message for leo.
func (f *fixture) pop3(host string, port int, o pop3test.Options) {
	o.Users = map[string]string{"leo": "s3cret"}
	srv := pop3test.NewServer(o)
	if err := srv.Start(); err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = srv.Close() })
	srv.Add("leo", pop3test.Message{UID: "a1", Octets: []byte("Subject: one\r\n\r\n" + strings.Repeat("x", 3000) + "\r\n")})
	f.place(host, port, srv.Addr())
}

// smtp starts a server that answers commands by their verb as says has it;
// "" is the greeting. Else it says yes to all.
func (f *fixture) smtp(host string, port int, mode dial.Mode, says map[string]string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	f.place(host, port, l.Addr().String())
	var all sync.WaitGroup
	f.t.Cleanup(func() { l.Close(); all.Wait() })
	all.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer conn.Close()
				if mode == dial.Implicit {
					conn = tls.Server(conn, f.cert(host))
				}
				f.converse(conn, host, mode == dial.StartTLS, says)
			})
		}
	})
}

// imap starts an IMAP server, with TLS as in mode.
func (f *fixture) imap(host string, port int, mode dial.Mode, o imaptest.Options) *imaptest.Server {
	if mode != dial.None {
		o.TLS, o.Implicit = f.cert(host), mode == dial.Implicit
	}
	srv, err := imaptest.Start(o)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { _ = srv.Close() })
	f.place(host, port, srv.Addr().String())
	return srv
}

// converse is one session of an SMTP server.
func (f *fixture) converse(conn net.Conn, host string, startTLS bool, says map[string]string) {
	in := bufio.NewReader(conn)
	say := func(verb, otherwise string) {
		reply, ok := says[verb]
		if !ok {
			reply = otherwise
		}
		_, _ = fmt.Fprintf(conn, "%s\r\n", strings.ReplaceAll(reply, "\n", "\r\n"))
	}
	say("", "220 "+host+" ESMTP")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		switch verb := strings.ToUpper(strings.TrimRight(line, "\r\n")); {
		case strings.HasPrefix(verb, "EHLO") && startTLS:
			say("EHLO in clear", "250-"+host+"\n250 STARTTLS")
		case strings.HasPrefix(verb, "EHLO"):
			say("EHLO", "250-"+host+"\n250-SIZE 1000000\n250 AUTH PLAIN")
		case verb == "STARTTLS" && startTLS:
			say("STARTTLS", "220 go ahead")
			secure := tls.Server(conn, f.cert(host))
			conn, in, startTLS = secure, bufio.NewReader(secure), false
		case strings.HasPrefix(verb, "AUTH"):
			say("AUTH", "235 2.7.0 welcome")
		case verb == "QUIT":
			say("QUIT", "221 bye")
			return
		default:
			verb, _, _ = strings.Cut(verb, " ")
			say(verb, "250 2.0.0 ok")
		}
	}
}

// network is the world as the program sees it.
func (f *fixture) network() *dial.Network {
	var zone strings.Builder
	for name, address := range f.hosts {
		fmt.Fprintf(&zone, "%s. A %s\n", name, address)
	}
	names := dnstest.Start(f.t, zone.String())
	if f.noDNS {
		names = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("no route to the DNS")
		}}
	}
	return dial.NewNetworkWith(names).Over(func(ctx context.Context, network, address string) (net.Conn, error) {
		var d net.Dialer
		failed := &net.OpError{Op: "dial", Net: network, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
		real, ok := f.listening[address]
		switch {
		case ok:
			return d.DialContext(ctx, network, real)
		case address == f.deaf:
			<-ctx.Done()
			failed.Err = os.ErrDeadlineExceeded
		}
		return nil, failed
	})
}

// check checks an account and a destination in the world.
func (f *fixture) check(account, forward string) (ok bool, text string, warnings []string) {
	f.t.Helper()
	return f.checkWith(Options{}, account, forward)
}

// checkWith is check with some options.
func (f *fixture) checkWith(o Options, account, forward string) (ok bool, text string, warnings []string) {
	f.t.Helper()
	dir := f.t.TempDir()
	path := filepath.Join(dir, "popferry.yaml")
	trust := func(server string) string {
		if strings.Contains(server, "tls: none") {
			return server
		}
		return fmt.Sprintf("tls_ca_file: %q, %s", f.authority.File(), server)
	}
	yaml := fmt.Sprintf("state: %q\naccounts:\n  - {name: isp, %s}\nforward:\n  - {name: main, %s}\n",
		filepath.Join(dir, "popferry.db"), trust(account), trust(forward))
	if f.proxy != "" {
		yaml = strings.ReplaceAll(yaml, "PROXY", f.proxy)
	}
	if err := os.WriteFile(path, []byte(yaml), 0o600); err != nil {
		f.t.Fatal(err)
	}
	cfg, err := app.Load(path)
	if err != nil {
		f.t.Fatal(err)
	}
	var out bytes.Buffer
	if f.ledger != nil {
		o.Ledger = f.ledger(cfg)
	}
	o.Config, o.Resources = cfg, app.Resources{Network: f.network()}
	ok, err = Run(f.t.Context(), o, NewText(&out, false, os.Getenv))
	if err != nil {
		f.t.Fatal(err)
	}
	if strings.Contains(out.String(), "s3cret") {
		f.t.Errorf("the password shows:\n%s", &out)
	}
	text = out.String()
	if f.proxy != "" {
		text = strings.ReplaceAll(text, f.proxy, "PROXY")
	}
	return ok, text, cfg.Warnings
}
