package main

import (
	"crypto/sha256"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// importFixture is a mailbox on Dovecot from which another program fetches, and
// the place where the mail goes before and after.
type importFixture struct {
	t          *testing.T
	dovecot    *realserver.Dovecot
	host, port string
	sink       *smtptest.Server
	sinkPort   string
	home       string
	route      string // how the program reaches the server, in its file
}

const (
	importAll    = 300
	importBefore = 200 // of them are fetched by the other program
)

func newImportFixture(t *testing.T, program string, o smtptest.Options) *importFixture {
	t.Helper()
	f := &importFixture{t: t, dovecot: realserver.StartDovecot(t), sink: testworld.SMTP(t, o), home: t.TempDir()}
	f.dovecot.AddUser("leo", "se;cret \"1\"")
	for n := range importBefore {
		f.dovecot.Seed("leo", letter("leo", n, 500))
	}
	var err error
	if f.host, f.port, err = net.SplitHostPort(f.dovecot.POP3S()); err != nil {
		t.Fatal(err)
	}
	_, f.sinkPort, _ = net.SplitHostPort(f.sink.Addr().String())
	realserver.Program(t, program)
	return f
}

// file writes a file of the other program.
func (f *importFixture) file(name, format string, args ...any) string {
	f.t.Helper()
	path := filepath.Join(f.home, name)
	if err := os.WriteFile(path, fmt.Appendf(nil, format, args...), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// run runs the other program in its home.
func (f *importFixture) run(name string, args ...string) {
	f.t.Helper()
	c := exec.CommandContext(f.t.Context(), realserver.Program(f.t, name), args...)
	c.Env = append(os.Environ(), "HOME="+f.home, "FETCHMAILHOME="+f.home, "XDG_CONFIG_HOME="+f.home)
	out, err := c.CombinedOutput()
	if name == "fetchmail" && slices.Contains([]int{1, 13}, c.ProcessState.ExitCode()) {
		return // there was no new mail, or it has reached a limit (fetchmail(1), "Exit codes")
	}
	if err != nil {
		f.t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

func (f *importFixture) fetchmail() []string {
	rc := f.file("fetchmailrc", `set idfile %q
set daemon 600
poll isp via %s with proto pop3 port %s uidl timeout 20 %s:
  user "leo" there has password "se;cret \x221\x22" is me here
  options ssl no sslcertck sslcertfile %q keep smtphost 127.0.0.1/%s smtpaddress example.org no rewrite
`, filepath.Join(f.home, "ids"), f.host, f.port, f.route, f.dovecot.CAFile(), f.sinkPort)
	f.run("fetchmail", "--daemon", "0", "--pidfile", filepath.Join(f.home, "pid"), "-f", rc)
	return []string{"fetchmail", rc}
}

func (f *importFixture) getmail() []string {
	rc := f.file("isp.rc", `[retriever]
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
`, f.host, f.port, f.file("pass word", "se;cret \"1\""), f.dovecot.CAFile(), f.sinkPort)
	f.run("getmail", "--getmaildir", f.home, "--rcfile", "isp.rc")
	return []string{"getmail", rc}
}

func (f *importFixture) mpop() []string {
	for _, dir := range []string{"cur", "new", "tmp"} {
		if err := os.MkdirAll(filepath.Join(f.home, "Mail", dir), 0o700); err != nil {
			f.t.Fatal(err)
		}
	}
	rc := f.file("mpoprc", `defaults
tls on
tls_starttls off
tls_trust_file %s
uidls_file %s
%s
account isp
host %s
port %s
user leo
password se;cret "1"
keep on
delivery maildir %s
`, f.dovecot.CAFile(), filepath.Join(f.home, "uidls", "%U_at_%H"), f.route, f.host, f.port, filepath.Join(f.home, "Mail"))
	f.run("mpop", "--file", rc, "--all-accounts")
	return []string{"mpop", rc, "--smtp-host", "127.0.0.1", "--smtp-port", f.sinkPort, "--to", "me@example.org"}
}

func directly(*importFixture) string { return "" }

// byPlugin is fetchmail's plugin, with bash instead of netcat.
func byPlugin(f *importFixture) string {
	path := f.file("connect", "exec 3<>/dev/tcp/$1/$2; cat <&3 & cat >&3; kill %%1")
	return fmt.Sprintf("plugin \"bash %s %%h %%p\"", path)
}

// bySOCKS is mpop's proxy.
func bySOCKS(f *importFixture) string {
	proxy, err := url.Parse(realserver.StartMicrosocks(f.t, realserver.ProxyOptions{}).URL(""))
	if err != nil {
		f.t.Fatal(err)
	}
	return fmt.Sprintf("proxy_host %s\nproxy_port %s", proxy.Hostname(), proxy.Port())
}

// fetchmail, getmail and mpop have fetched 200 of 300 messages that stay on
// Dovecot. After the import popferry forwards exactly the other 100.
func TestImportForwardsOnlyWhatWasNotFetched(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		program string
		route   func(*importFixture) string
		lmtp    bool
		fetch   func(*importFixture) []string
		before  int // messages that it brought to the sink
	}{
		{"fetchmail", directly, false, (*importFixture).fetchmail, importBefore},
		{"getmail", directly, true, (*importFixture).getmail, importBefore},
		{"mpop", directly, false, (*importFixture).mpop, 0},
		{"fetchmail", byPlugin, false, (*importFixture).fetchmail, importBefore},
		{"mpop", bySOCKS, false, (*importFixture).mpop, 0},
	} {
		t.Run(test.program, func(t *testing.T) {
			t.Parallel()
			f := newImportFixture(t, test.program, smtptest.Options{LMTP: test.lmtp})
			f.route = test.route(f)
			args := test.fetch(f)
			if n := len(f.sink.Messages()); n != test.before {
				t.Fatalf("%s has delivered %d messages, want %d", test.program, n, test.before)
			}
			want := make(map[[sha256.Size]byte]int)
			for n := importBefore; n < importAll; n++ {
				m := letter("leo", n, 500)
				f.dovecot.Seed("leo", m)
				want[expected(m)]++
			}
			f.importAndPoll(args, test.before, want)
		})
	}
}

// importAndPoll imports, and polls twice.
func (f *importFixture) importAndPoll(args []string, before int, want map[[sha256.Size]byte]int) {
	t := f.t
	t.Helper()
	cfg := filepath.Join(f.home, "popferry.yaml")
	code, out, errs := popferry(t, append([]string{"import", "--output", cfg, "--state", filepath.Join(f.home, "popferry.db")}, args...)...)
	if code != exitOK || !strings.Contains(out, "isp: leo at "+f.host) || !strings.Contains(out, "; 200 messages fetched before (") || strings.Contains(out, "complete it") {
		t.Fatalf("got exit %d, want %d and that 200 messages were fetched before\n%s%s", code, exitOK, out, errs)
	}
	if strings.Contains(out+errs, "cret") {
		t.Errorf("the password is shown:\n%s%s", out, errs)
	}
	for _, forwarded := range []string{"isp: 100 forwarded, 0 held, 0 deferred, 0 skipped, 300 on server", "isp: 0 forwarded, 0 held, 0 deferred, 0 skipped, 300 on server"} {
		if code, out, errs := popferry(t, "run", "--once", "--verbose", "--config", cfg); code != exitOK || !strings.Contains(out, forwarded) {
			t.Fatalf("got exit %d, want %d and %q\n%s%s", code, exitOK, forwarded, out, errs)
		}
	}
	got := fingerprints(t, func(yield func([]byte) bool) {
		for _, m := range f.sink.Messages()[before:] {
			if !yield(m.Data) {
				return
			}
		}
	})
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%d kinds of messages arrived, want the %d that were not fetched before", len(got), len(want))
	}
	if n := f.dovecot.Count("leo"); n != importAll {
		t.Errorf("%d messages are left on the server, want %d", n, importAll)
	}
}
