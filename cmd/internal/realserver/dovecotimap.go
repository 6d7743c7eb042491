package realserver

import (
	"iter"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// imapPort is the port of every Dovecot with IMAP.
const imapPort = 20143

// imapTemplate is what Dovecot needs besides for IMAP: STARTTLS is offered, and so
// are folders for junk and trash.
const imapTemplate = `
protocols = pop3 lmtp imap
namespace inbox {
  inbox = yes
  separator = .
  prefix =
  mailbox Junk {
    auto = create
    special_use = \Junk
  }
  mailbox Trash {
    auto = create
    special_use = \Trash
  }
}
service imap-login {
  service_count = 0
  inet_listener imap {
    port = {imap}
  }
}
`

// imapUnprivileged is what that needs if root does not start it.
const imapUnprivileged = `
service imap-login {
  chroot =
}
`

// StartDovecotIMAP is StartDovecot with IMAP as well, which is Debian's package
// dovecot-imapd.
func StartDovecotIMAP(tb testing.TB, options ...Option) *Dovecot {
	tb.Helper()
	if _, err := os.Stat("/usr/lib/dovecot/imap"); err != nil {
		missing(tb, "dovecot-imapd is not installed")
	}
	text := strings.ReplaceAll(imapTemplate, "{imap}", strconv.Itoa(imapPort))
	if os.Getuid() != 0 {
		text += imapUnprivileged
	}
	d := newDovecot(tb, append([]Option{Config(text)}, options...))
	d.addrs = append(d.addrs, d.IMAP())
	d.Start()
	return d
}

// IMAP is the host:port of IMAP with STARTTLS.
func (d *Dovecot) IMAP() string { return net.JoinHostPort(d.ip, strconv.Itoa(imapPort)) }

// StoredIn yields a user's messages in a folder other than the inbox, with CRLF line
// ends.
func (d *Dovecot) StoredIn(user, folder string) iter.Seq[[]byte] {
	m := d.scratch.maildir(local(user))
	m.path = filepath.Join(m.path, "."+folder)
	return m.stored()
}
