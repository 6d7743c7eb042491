package realserver

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
)

// OpenSMTPD is a running OpenSMTPD. It accepts mail for its users at Domain and
// delivers it to mailboxes.
type OpenSMTPD struct {
	root
	*daemon
	ip string
}

const opensmtpdTemplate = `
listen on {ip} port {smtp} hostname mail.popferry.test
table users file:/etc/users
action "maildir" maildir "/mail/%{rcpt.user}" user mail virtual <users>
match from any for domain "{domain}" action "maildir"
`

// StartOpenSMTPD starts OpenSMTPD with these users, and stops it at the end of the
// test.
func StartOpenSMTPD(tb testing.TB, users ...string) *OpenSMTPD {
	tb.Helper()
	o := &OpenSMTPD{root: newRoot(tb, "opensmtpd", "opensmtpd", "opensmtpq"), ip: loopback()}
	o.mkdir("var/spool", 0o755, 0, 0)
	o.mkdir("var/lib/opensmtpd/empty", 0o755, 0, 0)
	o.mkdir("run", 0o755, 0, 0)
	o.mkdir("var/run", 0o755, 0, 0)
	var virtual strings.Builder
	for _, user := range users {
		o.newMaildir(local(user))
		virtual.WriteString(user + "@" + Domain + " mail\n")
	}
	o.write("etc/users", virtual.String())
	o.write("etc/smtpd.conf", strings.NewReplacer("{ip}", o.ip, "{smtp}", strconv.Itoa(smtpPort), "{domain}", Domain).Replace(opensmtpdTemplate))
	o.daemon = o.start([]string{o.SMTP()}, "/usr/sbin/smtpd", "-d", "-v")
	return o
}

// SMTP is the host:port for mail to the users, without a login.
func (o *OpenSMTPD) SMTP() string { return net.JoinHostPort(o.ip, strconv.Itoa(smtpPort)) }

// WaitIdle waits until OpenSMTPD has no mail to deliver any more. It returns an
// error that wraps ctx's if ctx ends first.
func (o *OpenSMTPD) WaitIdle(ctx context.Context) error {
	return o.waitEmpty(ctx, "var/spool/smtpd/queue", "var/spool/smtpd/incoming")
}
