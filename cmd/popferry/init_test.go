package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/realserver"
)

// authorities is a file with the authorities of real servers.
func authorities(t *testing.T, files ...string) string {
	t.Helper()
	var all []byte
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text...)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, all, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// split is an address's host and port.
func split(t *testing.T, addr string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}

// TestInit is a person who knows two addresses and two passwords, and not even
// these at once: from an empty folder to forwarded mail, on real servers that
// are found by autoconfig over HTTPS and by SRV records. Then a second mailbox
// is added.
func TestInit(t *testing.T) {
	realserver.Require(t)
	d := realserver.StartDovecot(t)
	p := realserver.StartPostfix(t, d)
	d.AddUser("leo", "isp: secret")
	d.AddUser("club", "club secret")
	p.AddUser("me", "inbox secret")
	for n := range 3 {
		d.Seed("leo", letter("leo", n, 3000))
	}
	d.Seed("club", letter("club", 0, 3000))
	popIP, popPort := split(t, d.POP3S())
	smtpIP, smtpPort := split(t, p.Submission())
	n := newNewcomer(t, certtest.New(t), fmt.Sprintf(`pop.popferry.test. A %s
smtp.popferry.test. A %s
_submission._tcp.popferry.test. SRV 0 1 %s smtp.popferry.test.
`, popIP, smtpIP, smtpPort), map[string]string{"autoconfig.isp.test/mail/config-v1.1.xml": fmt.Sprintf(
		`<clientConfig version="1.1"><emailProvider id="isp.test"><incomingServer type="pop3"><hostname>pop.popferry.test</hostname><port>%s</port>
<socketType>SSL</socketType><username>%%EMAILADDRESS%%</username><authentication>password-cleartext</authentication></incomingServer>
</emailProvider></clientConfig>`, popPort)})
	ca := authorities(t, d.CAFile(), p.CAFile())
	t.Setenv("XDG_STATE_HOME", t.TempDir())

	err := n.init([]reply{
		{"Mail address of the mailbox", "leo"},
		{"Mail address of the mailbox", "leo@isp.test"},
		{"Password at pop.popferry.test", "mistyped"},
		{"Try again with another", "p"},
		{"Password at pop.popferry.test", "isp: secret"},
		{"Mail address of the inbox", "me@popferry.test"},
		{"Password at smtp.popferry.test", "inbox secret"},
		{"Keep mail in the mailbox", "no"},
		{"Forward all the mail", ""},
		{"Write them?", ""},
		{"Fetch and forward now?", ""},
	}, "--ca-file", ca)
	if err != nil {
		t.Fatalf("%v\n%s", err, n.screen.String())
	}
	err = n.init([]reply{
		{"Mail address of the mailbox", "club@isp.test"},
		{"Password at pop.popferry.test", "club secret"},
		{"Keep mail in the mailbox", "14d"},
		{"Forward all the mail", "new"},
		{"Write them?", "y"},
		{"Fetch and forward now?", "yes"},
	}, "--ca-file", ca)
	if err != nil {
		t.Fatalf("%v\n%s", err, n.screen.String())
	}
	for _, want := range []string{"leo@isp.test: 3 forwarded, 0 held, 0 deferred, 0 skipped, 0 on server", "club@isp.test: 0 forwarded, 0 held, 0 deferred, 1 skipped, 1 on server"} {
		if !strings.Contains(n.screen.String(), want) {
			t.Errorf("no %q in\n%s", want, n.screen.String())
		}
	}
	for _, secret := range []string{"isp: secret", "inbox secret", "club secret", "mistyped"} {
		if strings.Contains(n.screen.String(), secret) {
			t.Errorf("a password is shown:\n%s", n.screen.String())
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := p.WaitDelivered(ctx, "me", 3); err != nil {
		t.Error(err)
	}
	if left := d.Count("leo"); left != 0 {
		t.Errorf("%d messages left in a mailbox that was to be emptied", left)
	}
	if got, want := n.files(), `accounts.d -rwx------
accounts.d/club@isp.test.password -rw-------
accounts.d/club@isp.test.yaml -rw-------
accounts.d/leo@isp.test.password -rw-------
accounts.d/leo@isp.test.yaml -rw-------
inbox.password -rw-------
popferry.yaml -rw-------
`; got != want {
		t.Errorf("files:\n%s", got)
	}
	n.reads("popferry.yaml", fmt.Sprintf(`include: [accounts.d/*.yaml]
forward:
  - name: inbox
    host: smtp.popferry.test
    port: %s
    tls: starttls
    tls_ca_file: %s
    username: me@popferry.test
    password_file: inbox.password
    to: [me@popferry.test]
`, smtpPort, ca))
	n.reads("accounts.d/leo@isp.test.yaml", fmt.Sprintf(`accounts:
  - name: leo@isp.test
    host: pop.popferry.test
    port: %s
    tls: implicit
    tls_ca_file: %s
    username: leo@isp.test
    password_file: leo@isp.test.password
    leave_on_server: false # true, false: delete what was forwarded, 14d: after 14 days
`, popPort, ca))
}
