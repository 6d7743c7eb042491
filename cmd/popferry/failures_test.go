package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/dnstest"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// withCertificate returns the options of a server with a certificate for a name
// and 127.0.0.1 that was issued then, and the path of that certificate.
func withCertificate(t *testing.T, name string, issued time.Time) (o pop3test.Options, path string) {
	t.Helper()
	server, _, err := smtptest.SelfSigned(name, issued)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "certificate.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificates[0].Certificate[0]})
	if err := os.WriteFile(path, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return pop3test.Options{TLS: server, ImplicitTLS: true}, path
}

// nowhere is an address where nothing listens (tcpmux, RFC 1078). A port that
// was free a moment ago would be another test's by now.
const nowhere = "127.0.0.1:1"

// onceWithDNS polls once, with a DNS that knows these records and no others.
func onceWithDNS(t *testing.T, zone, cfg string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{stdout: &out, stderr: &errs, resources: app.NewResources()}
	p.resources.Network = dial.NewNetworkWith(dnstest.Start(t, zone))
	c := p.runCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs([]string{"--once", "--config", cfg})
	code = exitCode(c.ExecuteContext(t.Context()), &errs)
	return code, out.String(), errs.String()
}

// Each account that fails has one line with its name, what was tried and what to
// do; the others go on; exit 75.
func TestEachFailureSaysWhatToDo(t *testing.T) {
	t.Parallel()
	good := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	expired, expiredCA := withCertificate(t, "localhost", time.Now().Add(-48*time.Hour))
	mismatch, mismatchCA := withCertificate(t, "other.example.net", time.Now())
	strangers, _ := withCertificate(t, "localhost", time.Now())
	expired.TLS.MinVersion, mismatch.TLS.MinVersion = tls.VersionTLS12, tls.VersionTLS12
	sink := testworld.SMTP(t, smtptest.Options{})
	plain := testworld.HostPort(t, good.Addr())
	local := func(s *pop3test.Server) string {
		return strings.Replace(testworld.HostPort(t, s.Addr()), "127.0.0.1", "localhost", 1)
	}

	cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: password, %[1]s, tls: none, username: leo, password: wr0ngpass}
  - {name: name, host: pop.host.invalid, username: leo, password: secret}
  - {name: port, %[2]s, username: leo, password: secret}
  - {name: expired, %[3]s, tls_ca_file: %[4]q, username: leo, password: secret}
  - {name: mismatch, %[5]s, tls_ca_file: %[6]q, username: leo, password: secret}
  - {name: stranger, %[7]s, username: leo, password: secret}
  - {name: nottls, %[1]s, username: leo, password: secret}
  - {name: nostls, %[1]s, tls: starttls, username: leo, password: secret}
  - {name: command, %[1]s, tls: none, username: leo, password_command: "echo hunter2; echo it is locked >&2; exit 3"}
  - {name: smtp, %[1]s, tls: none, username: leo, password: secret, forward: down}
  - {name: good, %[1]s, tls: none, username: leo, password: secret}
forward:
  - {name: main, %[8]s, tls: none, from: me@example.org, to: [me@example.org]}
  - {name: down, %[2]s, tls: none, from: me@example.org, to: [me@example.org]}
`, plain, testworld.HostPort(t, nowhere), local(testworld.POP3(t, expired)), expiredCA, local(testworld.POP3(t, mismatch)), mismatchCA,
		local(testworld.POP3(t, strangers)), testworld.HostPort(t, sink.Addr().String()))

	code, out, errs := onceWithDNS(t, "localhost. A 127.0.0.1\n", cfg)
	if code != 75 || !strings.Contains(out, "good: 1 forwarded") || len(sink.Messages()) != 1 {
		t.Errorf("got exit %d, want %d\n%s", code, exitAgain, out)
	}
	for name, want := range map[string]string{
		"password": `the login was refused: login \(leo at 127.0.0.1:\d+\): .*-ERR.*\. Check username and password`,
		"name":     `the host was not found: pop.host.invalid:995: name: .*\. Check the spelling of host`,
		"port":     `nothing listens on this port: 127.0.0.1:1: connect: .*refused\. Check host and port`,
		"expired":  `the server's certificate has expired: .*sha256:[0-9a-fA-F]{64}.*\. The operator of the server has to renew it`,
		"mismatch": `the server's certificate is for another name: .*other\.example\.net.*sha256:.*\. Set host or tls_server_name to a name in the certificate`,
		"stranger": `the server's certificate is not signed by a trusted authority: .*sha256:.*\. Set tls_ca_file`,
		"nottls":   `the server does not speak TLS on this port: .*\. This port probably needs tls: starttls`,
		"nostls":   `the server refused to start TLS: STLS .*\. Use tls: implicit with port 995`,
		"command":  `cannot get the password: login \(leo at .*it is locked`,
		"smtp":     `nothing listens on this port: destination down: dial: .*\. Check host and port`,
	} {
		lines := regexp.MustCompile(`(?m)^popferry: `+name+`: .*$`).FindAllString(errs, -1)
		if len(lines) != 1 || !regexp.MustCompile(want).MatchString(lines[0]) {
			t.Errorf("%s: %q, want one line like %s", name, lines, want)
		}
	}
	if strings.Contains(errs+out, "wr0ngpass") || strings.Contains(errs+out, "hunter2") {
		t.Errorf("a password is shown, want none:\n%s", errs)
	}
	// status tells the same.
	_, out, _ = popferry(t, "status", "--config", cfg)
	if !strings.Contains(out, "expired: the server's certificate has expired") {
		t.Errorf("got %s, want the same words in status", out)
	}
}

// A message that finds no room in the spool stays on its server and gets no row;
// what fits into memory goes on.
func TestFullSpoolDiskLeavesTheMessageOnItsServer(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	large := "Subject: large\r\nMessage-ID: <large@example.org>\r\n\r\n" + strings.Repeat("a line of a large message\r\n", 200_000)
	src := testworld.POP3(t, pop3test.Options{}, large)
	other := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	sink := testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
spool: {dir: %q}
accounts:
  - {name: large, %s, tls: none, username: leo, password: secret, leave_on_server: false}
  - {name: other, %s, tls: none, username: leo, password: secret, leave_on_server: false}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, dir, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, other.Addr()), testworld.HostPort(t, sink.Addr().String()))
	code, out, errs := popferry(t, "run", "--once", "--config", cfg)
	if code != 75 || !strings.Contains(out, "other: 1 forwarded") || !strings.Contains(out, "large: FAILED: the disk is full\n") {
		t.Errorf("got exit %d, want %d\n%s", code, exitAgain, out)
	}
	if !strings.Contains(errs, "popferry: large: the disk is full: writing a temporary file in "+dir) || !strings.Contains(errs, "Free some space, or set spool.dir") {
		t.Errorf("got %s, want the full disk and what to do", errs)
	}
	if len(src.Messages("leo")) != 1 {
		t.Error("the message is gone from its server, want it kept")
	}
	_, out, _ = popferry(t, "messages", "--json", "--account", "large", "--config", cfg)
	if strings.TrimSpace(out) != "[]" {
		t.Errorf("got %s, want no row for the message", out)
	}
}

// Messages that the spool's disk cannot take do not keep smaller ones behind them, and
// those come in the same session: a server may want a pause before another.
func TestFullSpoolDiskLetsSmallerMessagesPass(t *testing.T) {
	t.Parallel()
	dir := smallDisk(t)
	var mails []string
	for i := range 4 {
		mails = append(mails, fmt.Sprintf("Subject: large\r\nMessage-ID: <large%d@example.org>\r\n\r\n", i)+strings.Repeat("a line of a large message\r\n", 300_000-20_000*i))
	}
	for i := range 5 {
		mails = append(mails, fmt.Sprintf("Subject: small\r\nMessage-ID: <small%d@example.org>\r\n\r\nsmall\r\n", i))
	}
	src := testworld.POP3(t, pop3test.Options{}, mails...)
	sink := testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
log: {level: error}
state: popferry.db
spool: {dir: %q}
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret, leave_on_server: false}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, dir, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	code, out, errs := popferry(t, "run", "--once", "--config", cfg)
	if code != exitAgain || !strings.Contains(errs, "the disk is full") {
		t.Errorf("got exit %d, want %d and the full disk\n%s%s", code, exitAgain, out, errs)
	}
	if n, left := len(sink.Messages()), len(src.Messages("leo")); n != 5 || left != 4 {
		t.Errorf("%d messages arrived and %d are left, want 5 and 4\n%s", n, left, errs)
	}
	asked := make(map[string]bool)
	for _, c := range src.Commands("leo") {
		if strings.HasPrefix(c, "RETR") && asked[c] {
			t.Errorf("%s came twice, want it once", c)
		}
		asked[c] = true
	}
}

// Neither a failed nor a good poll logs a password, in clear or in base64, even
// at level debug.
func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	sink := testworld.SMTP(t, smtptest.Options{Username: "relay", Password: "s3cr3trelay"})
	for _, password := range []string{"s3cr3trelay", "wr0ngpass"} {
		cfg := testworld.Config(t, `
log: {level: debug}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, username: relay, password: %s, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()), password)
		_, out, errs := popferry(t, "run", "--once", "--config", cfg)
		if all := out + errs; bytes.Contains([]byte(all), []byte(password)) || strings.Contains(all, "AHJlbGF5A") {
			t.Errorf("a password is shown, want none:\n%s", all)
		}
	}
	if len(sink.Messages()) != 1 {
		t.Errorf("%d messages arrived, want the one of the good login", len(sink.Messages()))
	}
}
