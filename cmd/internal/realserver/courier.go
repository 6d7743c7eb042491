package realserver

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// CourierPOP3 is a running POP3 server of Courier, without TLS.
type CourierPOP3 struct {
	courier
	seeded int
}

// CourierIMAP is a running IMAP server of Courier, without TLS.
type CourierIMAP struct{ courier }

// courier is what both have in common.
type courier struct {
	root
	*daemon
	ip string
}

// secretHash is the hash of every unpacked POP3 server's password, which is
// "secret".
const secretHash = "$1$popferry$YBxgUbW9eYe3mtpP6X2xn/"

// StartCourierPOP3 starts Courier's POP3 server with these users, whose password is
// "secret", and stops it at the end of the test.
func StartCourierPOP3(tb testing.TB, users ...string) *CourierPOP3 {
	tb.Helper()
	c := &CourierPOP3{courier: newCourier(tb, users)}
	c.serve(pop3Port, "", "/usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d .")
	return c
}

// StartCourierIMAP does the same with Courier's IMAP server.
func StartCourierIMAP(tb testing.TB, users ...string) *CourierIMAP {
	tb.Helper()
	c := &CourierIMAP{courier: newCourier(tb, users)}
	c.has("usr/bin/imapd")
	c.serve(imapPort, ". /etc/courier/imapd", "/usr/lib/courier/courier/imaplogin /usr/bin/imapd .")
	return c
}

// newCourier prepares a server with these users.
func newCourier(tb testing.TB, users []string) courier {
	tb.Helper()
	c := courier{root: newRoot(tb, "courier", "courier"), ip: loopback()}
	c.own("run/courier/authdaemon", 0o755, 0)
	c.write("etc/courier/authdaemonrc", "authmodulelist=\"authuserdb\"\nauthmodulelistorig=\"authuserdb\"\ndaemons=2\nauthdaemonvar=/run/courier/authdaemon\n")
	uid, gid := owner()
	var entries, secrets strings.Builder
	for _, user := range users {
		c.newMaildir(user)
		fmt.Fprintf(&entries, "%s\tuid=%d|gid=%d|home=/mail/%[1]s|mail=/mail/%[1]s\n", user, uid, gid)
		fmt.Fprintf(&secrets, "%s\tsystempw=%s\n", user, secretHash)
	}
	c.courierDatabase("/etc/courier/userdb", entries.String())
	c.courierDatabase("/etc/courier/userdbshadow", secrets.String())
	c.syslog()
	return c
}

// serve starts the server: its settings, which are a line of sh, and what it runs for
// each connection. It listens only once logins can be checked.
func (c *courier) serve(port int, settings, program string) {
	c.root.tb.Helper()
	addr := net.JoinHostPort(c.ip, strconv.Itoa(port))
	c.daemon = c.start([]string{addr}, "/bin/sh", "-c", `
set -a
. /etc/courier/authdaemonrc
`+settings+`
/usr/lib/courier/courier-authlib/authdaemond &
while ! [ -S /run/courier/authdaemon/socket ]; do sleep 0.05; done
exec /usr/sbin/couriertcpd -address=`+c.ip+` -maxprocs=40 -maxperip=20 -nodnslookup -noidentlookup `+strconv.Itoa(port)+" "+program)
}

// courierDatabase writes one of Courier's databases.
func (r root) courierDatabase(name, lines string) {
	r.tb.Helper()
	cmd := exec.Command("chroot", r.dir, "/usr/lib/courier/courier-authlib/makedatprog", "-", name+".tmp", name+".dat")
	cmd.Stdin = strings.NewReader(lines + ".\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		r.tb.Fatalf("%s: %v: %s", name, err, out)
	}
}

// POP3 is the host:port of POP3.
func (c *CourierPOP3) POP3() string { return net.JoinHostPort(c.ip, strconv.Itoa(pop3Port)) }

// IMAP is the host:port of IMAP.
func (c *CourierIMAP) IMAP() string { return net.JoinHostPort(c.ip, strconv.Itoa(imapPort)) }

// Seed puts messages into a user's mailbox as a delivery does, with LF line ends.
func (c *CourierPOP3) Seed(user string, messages ...[]byte) {
	c.tb.Helper()
	for _, m := range messages {
		c.maildir(user).add(c.seeded, func(w io.Writer) error {
			_, err := w.Write(bytes.ReplaceAll(m, []byte("\r\n"), []byte("\n")))
			return err
		})
		c.seeded++
	}
}
