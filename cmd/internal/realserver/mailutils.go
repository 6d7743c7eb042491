package realserver

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
)

// MailutilsPOP3 is a running POP3 server of GNU Mailutils, without TLS. Its
// mailboxes are mbox files, as Debian has them in /var/mail.
type MailutilsPOP3 struct {
	root
	*daemon
	ip string
}

const mailutilsConfig = `
mode daemon;
foreground yes;
max-children 20;
auth { authentication clear; authentication generic; authorization clear; authorization system; };
mailbox { mailbox-pattern "mbox:/mail/${user}"; };
logging { syslog no; };
server %s { single-process no; };
`

// StartMailutilsPOP3 starts the POP3 server of GNU Mailutils with these users,
// whose password is "secret", and stops it at the end of the test.
func StartMailutilsPOP3(tb testing.TB, users ...string) *MailutilsPOP3 {
	tb.Helper()
	m := &MailutilsPOP3{root: newRoot(tb, "mailutils"), ip: loopback()}
	uid, gid := owner()
	passwd, err := os.ReadFile(m.path("etc/passwd"))
	check(tb, err)
	for _, user := range users {
		passwd = fmt.Appendf(passwd, "%s:%s:%d:%d::/mail:/bin/sh\n", user, secretHash, uid, gid)
		m.write("mail/"+user, "")
		check(tb, os.Chown(m.path("mail/"+user), uid, gid))
	}
	m.write("etc/passwd", string(passwd))
	m.write("etc/pop3d.conf", fmt.Sprintf(mailutilsConfig, m.POP3()))
	m.daemon = m.start([]string{m.POP3()}, "/usr/sbin/pop3d", "--config-file=/etc/pop3d.conf")
	return m
}

// POP3 is the host:port of POP3.
func (m *MailutilsPOP3) POP3() string { return net.JoinHostPort(m.ip, strconv.Itoa(pop3Port)) }

// Number is the message's number in the session that gave it this UID.
func (m *MailutilsPOP3) Number(uid string) int {
	n, _ := strconv.Atoi(uid[strings.LastIndexByte(uid, '.')+1:])
	return n
}

// Seed puts messages into a user's mailbox as a delivery does: with LF line ends,
// an mbox line on top, and ">" before each line that would be taken for one.
func (m *MailutilsPOP3) Seed(user string, messages ...[]byte) {
	m.tb.Helper()
	file, err := os.OpenFile(m.path("mail/"+user), os.O_APPEND|os.O_WRONLY, 0)
	check(m.tb, err)
	defer file.Close()
	for _, message := range messages {
		message = append([]byte("\n"), bytes.ReplaceAll(message, []byte("\r\n"), []byte("\n"))...)
		message = bytes.ReplaceAll(message, []byte("\nFrom "), []byte("\n>From "))
		if !bytes.HasSuffix(message, []byte("\n")) {
			message = append(message, '\n')
		}
		_, err := fmt.Fprintf(file, "From MAILER-DAEMON Sun Nov 22 08:00:00 2026%s\n", message)
		check(m.tb, err)
	}
}
