package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestListenAsWritten: 0.0.0.0 has IPv4 only, [::] has both.
func TestListenAsWritten(t *testing.T) {
	t.Parallel()
	probe, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		t.Skip("this machine has no IPv6: ", err)
	}
	_ = probe.Close()
	for addr, want := range map[string]map[string]bool{
		"0.0.0.0:0": {"127.0.0.1": true, "::1": false},
		"[::]:0":    {"127.0.0.1": true, "::1": true},
	} {
		l, err := listen(t.Context(), addr)
		if err != nil {
			t.Fatalf("listen on %s: %v", addr, err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		got := map[string]bool{}
		for host := range want {
			conn, err := net.Dial("tcp", net.JoinHostPort(host, strconv.Itoa(port)))
			if got[host] = err == nil; err == nil {
				_ = conn.Close()
			}
		}
		_ = l.Close()
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s answers on %v, want %v", addr, got, want)
		}
	}
}

// TestServersWordsNeedLogin: what servers said is for those who are logged in, also
// once it is an account's last error.
func TestServersWordsNeedLogin(t *testing.T) {
	t.Parallel()
	src := testworld.POP3(t, pop3test.Options{}, testworld.Mail(1)...)
	const reply = `Message "HIV result" from clinic@hospital.example rejected`
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageMail {
			return smtptest.Fault{Code: 554, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: reply}
		}
		return smtptest.Fault{}
	}})
	path := testworld.Config(t, `
state: popferry.db
listen: 127.0.0.1:0
web: {password_file: page.password}
accounts:
  - {name: isp, %[1]s, tls: none, username: leo, password: secret}
  - {name: club, %[1]s, tls: none, username: zoe, password: outdated}
forward:
  - {name: main, %[2]s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	const pass = "page-password"
	testworld.Write(t, filepath.Join(filepath.Dir(path), "page.password"), pass+"\n")
	var said struct {
		Accounts []struct {
			LastError string `json:"last_error"`
		}
	}
	var log testworld.Output
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log:\n%s\nthe status:\n%+v", log.String(), said)
		}
	})
	d, cfg := fixture(t, path, &log, slog.LevelDebug)
	d.begin(t, cfg)
	base := "http://" + listening.FindStringSubmatch(log.String())[1]
	status := func(password string) string {
		code, body := testworld.Request(t, base+"/status.json", nil, password)
		if err := json.Unmarshal([]byte(body), &said); err != nil || code != http.StatusOK || len(said.Accounts) != 2 {
			t.Fatalf("%d %v\n%s", code, err, body)
		}
		return body
	}
	testworld.WaitFor(t, "the errors of both accounts", func() bool {
		body := status(pass)
		return strings.Contains(body, "HIV result") && strings.Contains(body, "invalid user name or password")
	})
	public := status("")
	for i, want := range []string{"the destination refuses the sender", "the login was refused"} {
		if got := said.Accounts[i].LastError; got != want {
			t.Errorf("last_error of account %d without a login: %q, want the catalogue's %q", i, got, want)
		}
	}
	for _, path := range []string{"/status.json", "/", "/metrics"} {
		_, body := testworld.Request(t, base+path, nil, "")
		for _, words := range []string{"HIV", "hospital", "invalid user name", "PLAIN", "login_methods"} {
			if strings.Contains(body+public, words) {
				t.Errorf("%s without a login has %q, want it hidden:\n%s", path, words, body)
			}
		}
	}
}

// TestHostNamesOfConfiguration: web.hosts and trusted_proxies apply as soon as a
// configuration does.
func TestHostNamesOfConfiguration(t *testing.T) {
	t.Parallel()
	var log testworld.Output
	path := testworld.Config(t, "state: popferry.db\nlisten: 127.0.0.1:0\naccounts: [{name: isp, host: 127.0.0.1, port: 1, tls: none, username: leo, password: secret}]\n"+
		"forward: [{name: main, host: 127.0.0.1, port: 1, tls: none, from: me@example.org, to: [me@example.org]}]\n")
	d, cfg := fixture(t, path, &log, slog.LevelInfo)
	d.begin(t, cfg)
	base := "http://" + listening.FindStringSubmatch(log.String())[1]
	ask := func() int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host, r.Close = "mail.example.org", true
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	if code := ask(); code != http.StatusMisdirectedRequest {
		t.Errorf("a name that is not configured: %d, want 421", code)
	}
	next := *cfg
	next.Web.Hosts = []string{"mail.example.org"}
	d.running().stop()
	d.begin(t, &next)
	if code := ask(); code != http.StatusOK {
		t.Errorf("a name that is configured: %d, want 200", code)
	}
}

// With a certificate the page takes TLS alone, and a renewed one without a restart.
func TestPageWithTLS(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t)
	var log testworld.Output
	path := testworld.Config(t, "state: popferry.db\nlisten: 127.0.0.1:0\nlisten_tls_cert_file: page.pem\nlisten_tls_key_file: page.pem\n"+
		"accounts: [{name: isp, host: 127.0.0.1, port: 1, tls: none, username: leo, password: secret}]\n"+
		"forward: [{name: main, host: 127.0.0.1, port: 1, tls: none, from: me@example.org, to: [me@example.org]}]\n")
	file := filepath.Join(filepath.Dir(path), "page.pem")
	var issued tls.Certificate
	renew := func() {
		issued = authority.Server("127.0.0.1")
		key, err := x509.MarshalPKCS8PrivateKey(issued.PrivateKey)
		if err != nil {
			t.Fatal(err)
		}
		testworld.Write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issued.Certificate[0]}))+
			string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	}
	renew()
	d, cfg := fixture(t, path, &log, slog.LevelInfo)
	d.begin(t, cfg)
	addr := listening.FindStringSubmatch(log.String())[1]
	shown := func() *x509.Certificate {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+addr+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Close = true
		res, err := (&http.Transport{TLSClientConfig: &tls.Config{RootCAs: authority.Pool()}}).RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.TLS.PeerCertificates[0]
	}
	if !shown().Equal(issued.Leaf) {
		t.Error("another certificate is shown than the configured one")
	}
	if code, body := testworld.Request(t, "http://"+addr+"/healthz", nil, ""); code == http.StatusOK {
		t.Errorf("without TLS: %d %s, want it refused", code, body)
	}
	renew()
	d.running().stop()
	d.begin(t, cfg)
	if !shown().Equal(issued.Leaf) {
		t.Error("the old certificate is shown, want the renewed one")
	}
}
