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
	root
	*daemon
	ip     string
	seeded int
}

// secretHash is the hash of every unpacked POP3 server's password, which is
// "secret".
const secretHash = "$1$popferry$YBxgUbW9eYe3mtpP6X2xn/"

// StartCourierPOP3 starts Courier's POP3 server with these users, whose password is
// "secret", and stops it at the end of the test.
func StartCourierPOP3(tb testing.TB, users ...string) *CourierPOP3 {
	tb.Helper()
	c := &CourierPOP3{root: newRoot(tb, "courier", "courier"), ip: loopback()}
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
	c.daemon = c.start([]string{c.POP3()}, "/bin/sh", "-c", `
set -a
. /etc/courier/authdaemonrc
/usr/lib/courier/courier-authlib/authdaemond &
exec /usr/sbin/couriertcpd -address=`+c.ip+` -maxprocs=40 -maxperip=20 -nodnslookup -noidentlookup `+strconv.Itoa(pop3Port)+
		` /usr/lib/courier/courier/courierpop3login /usr/lib/courier/courier/courierpop3d .`)
	return c
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
