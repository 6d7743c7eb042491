package realserver

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Dovecot is a running Dovecot: POP3 with and without TLS, and LMTP. Users log in
// by their names, with or without a domain, using USER, APOP, PLAIN, LOGIN,
// CRAM-MD5, SCRAM-SHA-1 or SCRAM-SHA-256.
type Dovecot struct {
	daemon
	scratch scratch
	ip      string
	seeded  map[string]int // messages, by user
}

// The ports of every Dovecot, which has its own address. They are below the range
// of outgoing connections.
const (
	pop3Port  = 20110
	pop3sPort = 20995
	lmtpPort  = 20024
)

// Option changes a server's configuration.
type Option func(*strings.Builder)

// Config adds settings in the server's own syntax after those of this package.
func Config(text string) Option {
	return func(b *strings.Builder) { fmt.Fprintln(b, text) }
}

// StartDovecot starts Dovecot without users, and stops it at the end of the test.
func StartDovecot(tb testing.TB, options ...Option) *Dovecot {
	tb.Helper()
	d := newDovecot(tb, options)
	d.Start()
	return d
}

// newDovecot prepares a server.
func newDovecot(tb testing.TB, options []Option) *Dovecot {
	tb.Helper()
	path := program(tb, "dovecot")
	s := newScratch(tb)
	uid, gid := owner()
	s.mkdir("mail", 0o755, uid, gid)
	s.mkdir("users", 0o755, os.Getuid(), os.Getgid())
	d := &Dovecot{scratch: s, ip: loopback(), seeded: map[string]int{}}
	s.certify(d.ip)
	var b strings.Builder
	b.WriteString(dovecotConfig(s.dir, d.ip))
	for _, o := range options {
		o(&b)
	}
	s.write("dovecot.conf", b.String())
	d.daemon = daemon{
		tb: tb, name: "dovecot", log: s.path("log"),
		argv:  []string{path, "-F", "-c", s.path("dovecot.conf")},
		addrs: []string{d.POP3(), d.POP3S(), d.LMTP()},
	}
	d.attach()
	return d
}

// Start starts the server again after Stop. It first removes locks that the killed
// processes have left in mailboxes: Dovecot would wait two minutes before it
// ignores a lock without a process id.
func (d *Dovecot) Start() {
	d.tb.Helper()
	left, err := filepath.Glob(d.scratch.path("mail/*/*.lock"))
	check(d.tb, err)
	for _, path := range left {
		check(d.tb, os.Remove(path))
	}
	d.daemon.Start()
}

// POP3 is the host:port of POP3 with STLS.
func (d *Dovecot) POP3() string { return net.JoinHostPort(d.ip, strconv.Itoa(pop3Port)) }

// POP3S is the host:port of POP3 with implicit TLS.
func (d *Dovecot) POP3S() string { return net.JoinHostPort(d.ip, strconv.Itoa(pop3sPort)) }

// LMTP is the host:port of LMTP without implicit TLS.
func (d *Dovecot) LMTP() string { return net.JoinHostPort(d.ip, strconv.Itoa(lmtpPort)) }

// LMTPSocket is the path of the unix socket for LMTP.
func (d *Dovecot) LMTPSocket() string { return d.scratch.path("lmtp") }

// CAFile is the file with the authority of the server's certificate, which is for
// localhost, the server's address and the direct subdomains of Domain.
func (d *Dovecot) CAFile() string { return d.scratch.path(caFile) }

// AddUser adds a user with an empty mailbox.
func (d *Dovecot) AddUser(user, password string) {
	d.tb.Helper()
	user = local(user)
	d.scratch.newMaildir(user)
	// One file for each user, because Dovecot checks a known file for changes only
	// once a second. In base64 the password may contain a colon.
	d.scratch.write("users/"+user, fmt.Sprintf("%s:{PLAIN.b64}%s\n", user, base64.StdEncoding.EncodeToString([]byte(password))))
}

// Seed puts messages into a user's mailbox unchanged. Dovecot serves messages with
// CRLF line ends octet for octet, and turns a bare LF into CRLF.
func (d *Dovecot) Seed(user string, messages ...[]byte) {
	d.tb.Helper()
	for _, m := range messages {
		d.SeedFunc(user, func(w io.Writer) error {
			_, err := w.Write(m)
			return err
		})
	}
}

// SeedFunc puts one message, which may be large, into a user's mailbox.
func (d *Dovecot) SeedFunc(user string, write func(io.Writer) error) {
	d.tb.Helper()
	user = local(user)
	d.scratch.maildir(user).add(d.seeded[user], write)
	d.seeded[user]++
}

// Count returns how many messages are in a user's mailbox.
func (d *Dovecot) Count(user string) int {
	d.tb.Helper()
	return len(d.scratch.maildir(local(user)).files())
}

// Delivered yields the messages that were delivered over LMTP, as they were sent
// with CRLF line ends, in the order of their arrival.
func (d *Dovecot) Delivered(user string) iter.Seq[[]byte] {
	return d.scratch.maildir(local(user)).delivered()
}

// Stored yields a user's messages as they are in the mailbox, with CRLF line ends.
func (d *Dovecot) Stored(user string) iter.Seq[[]byte] {
	return d.scratch.maildir(local(user)).stored()
}

// Maildir is the path of a user's mailbox.
func (d *Dovecot) Maildir(user string) string { return d.scratch.maildir(local(user)).path }

// Fetch returns what Dovecot says of a user's messages in a folder, in the order of
// their UIDs: these fields (see doveadm-fetch(1)), a line for each message.
func (d *Dovecot) Fetch(user, folder, fields string) string {
	d.tb.Helper()
	cmd := exec.Command(program(d.tb, "doveadm"), "-c", d.scratch.path("dovecot.conf"), "-f", "tab", "fetch", "-u", local(user), fields, "mailbox", folder)
	out, err := cmd.Output()
	if err != nil {
		d.tb.Fatalf("%v: %v: %s", cmd, err, stderr(err))
	}
	_, lines, _ := strings.Cut(string(out), "\n") // without the names of the fields
	return lines
}

// stderr is what a program said of its failure.
func stderr(err error) []byte {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.Stderr
	}
	return nil
}

// authSocket is the socket where Postfix checks passwords.
func (d *Dovecot) authSocket() string { return d.scratch.path("auth") }

// local returns a user's name without the domain.
func local(user string) string {
	name, _, _ := strings.Cut(user, "@")
	return strings.ToLower(name)
}
