package realserver

import (
	"context"
	"net"
	"strconv"
	"strings"
	"testing"
)

// Exim is a running Exim. It accepts mail for its users at Domain, delivers it to
// mailboxes, and refuses what Debian's configuration refuses.
type Exim struct {
	root
	*daemon
	ip string
}

// eximTemplate is Exim's configuration: the rules of Debian's that are about a
// message itself, and delivery without delays.
const eximTemplate = `
exim_path = /usr/sbin/exim4
primary_hostname = mail.popferry.test
local_interfaces = {ip}
daemon_smtp_ports = {smtp}
domainlist local_domains = {domain}
acl_smtp_rcpt = rcpt
acl_smtp_data = data
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_queue_per_connection = 0

begin acl
rcpt:
  accept domains = +local_domains
data:
  deny
    condition = ${if > {$max_received_linelength}{998}}
    message = maximum allowed line length is 998 octets, got $max_received_linelength
  deny
    !verify = header_syntax
    message = header syntax
  accept

begin routers
users:
  driver = accept
  domains = +local_domains
  condition = ${if exists{/mail/$local_part}}
  transport = maildir

begin transports
maildir:
  driver = appendfile
  directory = /mail/${lookup{$local_part}dsearch{/mail}}
  maildir_format
  user = mail
  group = mail
  delivery_date_add
  envelope_to_add
  return_path_add
`

// StartExim starts Exim without users, and stops it at the end of the test.
func StartExim(tb testing.TB) *Exim {
	tb.Helper()
	e := &Exim{root: newRoot(tb, "exim", "Debian-exim"), ip: loopback()}
	e.own("var/spool/exim4", 0o750, 0)
	e.own("var/log/exim4", 0o750, 0)
	e.write("etc/exim4/exim4.conf", strings.NewReplacer("{ip}", e.ip, "{smtp}", strconv.Itoa(smtpPort), "{domain}", Domain).Replace(eximTemplate))
	e.daemon = e.start([]string{e.SMTP()}, "/usr/sbin/exim4", "-bdf", "-q10s")
	return e
}

// SMTP is the host:port for mail to the users, without a login.
func (e *Exim) SMTP() string { return net.JoinHostPort(e.ip, strconv.Itoa(smtpPort)) }

// AddUser adds a user with the address user@Domain.
func (e *Exim) AddUser(user string) { e.newMaildir(local(user)) }

// WaitIdle waits until Exim has no mail to deliver any more. It returns an error
// that wraps ctx's if ctx ends first.
func (e *Exim) WaitIdle(ctx context.Context) error {
	return e.waitEmpty(ctx, "var/spool/exim4/input")
}
