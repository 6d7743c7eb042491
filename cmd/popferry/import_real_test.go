package main

import (
	"crypto/sha256"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// predecessor is a mailbox on Dovecot from which another program fetches, and
// the place where the mail goes before and after.
type predecessor struct {
	t          *testing.T
	dovecot    *realserver.Dovecot
	host, port string
	sink       *smtptest.Server
	sinkPort   string
	home       string
}

const (
	importAll    = 300
	importBefore = 200 // of them are fetched by the other program
)

func newPredecessor(t *testing.T, program string, o smtptest.Options) *predecessor {
	t.Helper()
	p := &predecessor{t: t, dovecot: realserver.StartDovecot(t), sink: testworld.SMTP(t, o), home: t.TempDir()}
	p.dovecot.AddUser("leo", "se;cret \"1\"")
	for n := range importBefore {
		p.dovecot.Seed("leo", letter("leo", n, 500))
	}
	var err error
	if p.host, p.port, err = net.SplitHostPort(p.dovecot.POP3S()); err != nil {
		t.Fatal(err)
	}
	_, p.sinkPort, _ = net.SplitHostPort(p.sink.Addr().String())
	realserver.Program(t, program)
	return p
}

// file writes a file of the other program.
func (p *predecessor) file(name, format string, args ...any) string {
	p.t.Helper()
	path := filepath.Join(p.home, name)
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		p.t.Fatal(err)
	}
	return path
}

// run runs the other program in its home.
func (p *predecessor) run(name string, args ...string) {
	p.t.Helper()
	c := exec.CommandContext(p.t.Context(), realserver.Program(p.t, name), args...)
	c.Env = append(os.Environ(), "HOME="+p.home, "FETCHMAILHOME="+p.home, "XDG_CONFIG_HOME="+p.home)
	if out, err := c.CombinedOutput(); err != nil {
		p.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (p *predecessor) fetchmail() []string {
	rc := p.file("fetchmailrc", `set idfile %q
set daemon 600
poll isp via %s with proto pop3 port %s uidl timeout 20:
  user "leo" there has password "se;cret \x221\x22" is me here
  options ssl no sslcertck sslcertfile %q keep smtphost 127.0.0.1/%s smtpaddress example.org no rewrite
`, filepath.Join(p.home, "ids"), p.host, p.port, p.dovecot.CAFile(), p.sinkPort)
	p.run("fetchmail", "--daemon", "0", "--pidfile", filepath.Join(p.home, "pid"), "-f", rc)
	return []string{"fetchmail", rc}
}

func (p *predecessor) getmail() []string {
	rc := p.file("isp.rc", `[retriever]
type = SimplePOP3SSLRetriever
server = %s
port = %s
username = leo
password_command = ("cat", "%s")
ca_certs = %s
[destination]
type = MDA_lmtp
host = 127.0.0.1
port = %s
override = me@example.org
`, p.host, p.port, p.file("pass word", "se;cret \"1\""), p.dovecot.CAFile(), p.sinkPort)
	p.run("getmail", "--getmaildir", p.home, "--rcfile", "isp.rc")
	return []string{"getmail", rc}
}

func (p *predecessor) mpop() []string {
	for _, dir := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(p.home, "Mail", dir), 0o700); err != nil {
			p.t.Fatal(err)
		}
	}
	rc := p.file("mpoprc", `defaults
tls on
tls_starttls off
tls_trust_file %s
uidls_file %s
account isp
host %s
port %s
user leo
password se;cret "1"
keep on
delivery maildir %s
`, p.dovecot.CAFile(), filepath.Join(p.home, "uidls", "%U_at_%H"), p.host, p.port, filepath.Join(p.home, "Mail"))
	p.run("mpop", "--file", rc, "--all-accounts")
	return []string{"mpop", rc, "--smtp-host", "127.0.0.1", "--smtp-port", p.sinkPort, "--to", "me@example.org"}
}

// TestImport: fetchmail, getmail and mpop have fetched 200 of 300 messages that
// stay on Dovecot. After the import popferry forwards exactly the other 100.
func TestImport(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		program string
		lmtp    bool
		fetch   func(*predecessor) []string
		before  int // messages that it brought to the sink
	}{
		{"fetchmail", false, (*predecessor).fetchmail, importBefore},
		{"getmail", true, (*predecessor).getmail, importBefore},
		{"mpop", false, (*predecessor).mpop, 0},
	} {
		t.Run(test.program, func(t *testing.T) {
			t.Parallel()
			p := newPredecessor(t, test.program, smtptest.Options{LMTP: test.lmtp})
			args := test.fetch(p)
			if n := len(p.sink.Messages()); n != test.before {
				t.Fatalf("%s has delivered %d messages", test.program, n)
			}
			want := make(map[[sha256.Size]byte]int)
			for n := importBefore; n < importAll; n++ {
				m := letter("leo", n, 500)
				p.dovecot.Seed("leo", m)
				want[expected(m)]++
			}
			p.importAndPoll(args, test.before, want)
		})
	}
}

// importAndPoll imports, and polls twice.
func (p *predecessor) importAndPoll(args []string, before int, want map[[sha256.Size]byte]int) {
	t := p.t
	t.Helper()
	cfg := filepath.Join(p.home, "popferry.yaml")
	code, out, errs := popferry(t, append([]string{"import", "--output", cfg, "--state", filepath.Join(p.home, "popferry.db")}, args...)...)
	if code != exitOK || !strings.Contains(out, "isp: leo at "+p.host) || !strings.Contains(out, "; 200 messages fetched before (") || strings.Contains(out, "complete it") {
		t.Fatalf("got exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
	if strings.Contains(out+errs, "cret") {
		t.Errorf("the password is shown:\n%s%s", out, errs)
	}
	for _, forwarded := range []string{"isp: 100 forwarded, 0 held, 0 deferred, 0 skipped, 300 on server", "isp: 0 forwarded, 0 held, 0 deferred, 0 skipped, 300 on server"} {
		if code, out, errs := popferry(t, "run", "--once", "--config", cfg); code != exitOK || !strings.Contains(out, forwarded) {
			t.Fatalf("got exit %d, want %d\n%s%s", code, exitOK, out, errs)
		}
	}
	got := fingerprints(t, func(yield func([]byte) bool) {
		for _, m := range p.sink.Messages()[before:] {
			if !yield(m.Data) {
				return
			}
		}
	})
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d kinds of messages arrived, want the %d that were not fetched before", len(got), len(want))
	}
	if n := p.dovecot.Count("leo"); n != importAll {
		t.Errorf("%d messages are left on the server", n)
	}
}
