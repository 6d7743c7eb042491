package realserver

import (
	"iter"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Cyrus is a running Cyrus that takes mail by LMTP, and if it was started so by IMAP.
// Each user's mailbox is created with the first message or login. It keeps a message that comes a second time, which Cyrus
// by default drops.
type Cyrus struct {
	root
	*daemon
	ip string
}

const cyrusConfig = `
configdirectory: /var/lib/cyrus
defaultpartition: default
partition-default: /var/spool/cyrus/mail
admins: cyrus
autocreate_post: yes
autocreate_quota: 0
virtdomains: off
lmtp_downcase_rcpt: yes
lmtp_fuzzy_mailbox_match: no
maxmessagesize: 0
duplicatesuppression: no
syslog_prefix: cyrus
`

const cyrusServices = `
START {
  recover cmd="/usr/lib/cyrus/bin/ctl_cyrusdb -r"
}
SERVICES {
  lmtp cmd="/usr/lib/cyrus/bin/lmtpd -a" listen="{ip}:{lmtp}" prefork=0 maxchild=20
}
`

// cyrusIMAP are the settings, and the service, for IMAP without TLS.
const (
	cyrusIMAP = `
allowplaintext: yes
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: /run/saslauthd/mux
`
	cyrusIMAPService = `  imap cmd="/usr/lib/cyrus/bin/imapd" listen="{ip}:{imap}" prefork=0 maxchild=20
`
)

// StartCyrus starts Cyrus, and stops it at the end of the test.
func StartCyrus(tb testing.TB) *Cyrus {
	tb.Helper()
	c := newCyrus(tb)
	c.serve(cyrusConfig, cyrusServices, c.LMTP())
	return c
}

// StartCyrusIMAP is StartCyrus with IMAP as well. Any user logs in with the password
// "secret".
func StartCyrusIMAP(tb testing.TB) *Cyrus {
	tb.Helper()
	c := newCyrus(tb)
	c.has("usr/lib/cyrus/bin/imapd")
	c.saslauthd("run/saslauthd", "secret")
	c.serve(cyrusConfig+cyrusIMAP, strings.Replace(cyrusServices, "SERVICES {\n", "SERVICES {\n"+cyrusIMAPService, 1), c.LMTP(), c.IMAP())
	return c
}

// newCyrus prepares a server.
func newCyrus(tb testing.TB) *Cyrus {
	tb.Helper()
	c := &Cyrus{root: newRoot(tb, "cyrus", "cyrus"), ip: loopback()}
	for _, folder := range []string{"var/lib/cyrus", "var/spool/cyrus/mail", "run/cyrus"} {
		c.own(folder, 0o755, 0)
	}
	for _, folder := range []string{"db", "lock", "log", "msg", "proc", "ptclient", "socket", "user", "quota", "sieve", "sync", "rpm"} {
		c.own("var/lib/cyrus/"+folder, 0o755, 0)
	}
	c.syslog()
	return c
}

// serve starts the server.
func (c *Cyrus) serve(config, services string, addrs ...string) {
	c.root.tb.Helper()
	c.write("etc/imapd.conf", config)
	c.write("etc/cyrus.conf", strings.NewReplacer("{ip}", c.ip, "{lmtp}", strconv.Itoa(lmtpPort), "{imap}", strconv.Itoa(imapPort)).Replace(services))
	c.daemon = c.start(addrs, "/usr/sbin/cyrmaster", "-D")
}

// IMAP is the host:port of IMAP without TLS.
func (c *Cyrus) IMAP() string { return net.JoinHostPort(c.ip, strconv.Itoa(imapPort)) }

// LMTP is the host:port of LMTP without TLS.
func (c *Cyrus) LMTP() string { return net.JoinHostPort(c.ip, strconv.Itoa(lmtpPort)) }

// Stored yields a user's messages as they are in the mailbox, with CRLF line ends.
func (c *Cyrus) Stored(user string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		folder, err := exec.Command("chroot", c.dir, "/usr/lib/cyrus/bin/mbpath", "user/"+user).Output()
		if err != nil {
			return // no message has come
		}
		files, err := filepath.Glob(c.path(strings.TrimSpace(string(folder)) + "/*."))
		check(c.tb, err)
		number := func(file string) int {
			n, _ := strconv.Atoi(strings.TrimSuffix(filepath.Base(file), "."))
			return n
		}
		slices.SortFunc(files, func(a, b string) int { return number(a) - number(b) })
		for _, file := range files {
			octets, err := os.ReadFile(file)
			check(c.tb, err)
			if !yield(octets) {
				return
			}
		}
	}
}
