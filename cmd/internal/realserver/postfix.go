package realserver

import (
	"context"
	"fmt"
	"iter"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// Domain is the domain of Postfix's users.
const Domain = "popferry.test"

// The ports of every Postfix, on an address of its own.
const (
	smtpPort       = 20025
	submissionPort = 20587
	smtpsPort      = 20465
)

// Postfix is a running Postfix. It takes mail for its users at Domain, who may
// send to others but to nobody outside. It offers STARTTLS, AUTH in TLS by
// PLAIN, LOGIN, CRAM-MD5 and SCRAM, SIZE of 512 MiB, 8BITMIME, SMTPUTF8 and
// CHUNKING.
type Postfix struct {
	daemon
	scratch scratch
	ip      string
	users   map[string]bool
	dovecot *Dovecot
}

// StartPostfix starts Postfix and stops it at the end of the test. Dovecot
// checks the passwords of those who log in. It has no users yet.
func StartPostfix(tb testing.TB, d *Dovecot, options ...Option) *Postfix {
	tb.Helper()
	postfixNeeds(tb)
	s := newScratch(tb)
	p := &Postfix{scratch: s, ip: loopback(), dovecot: d, users: map[string]bool{}}
	s.certify(p.ip)
	uid, gid := owner()
	s.mkdir("mail", 0o755, uid, gid)
	s.queue()
	var b strings.Builder
	b.WriteString(mainConfig(s.dir, p.ip, d.authSocket()))
	for _, o := range options {
		o(&b)
	}
	s.write("main.cf", b.String())
	s.write("master.cf", masterConfig(p.ip))
	p.daemon = daemon{
		tb: tb, name: "postfix", log: s.path("log"),
		argv:  []string{filepath.Join(s.setting("daemon_directory"), "master"), "-c", s.dir},
		addrs: []string{p.SMTP(), p.Submission(), p.SMTPS()},
	}
	p.writeUsers()
	p.attach()
	p.Start()
	return p
}

// SMTP is the host:port for mail to the users, for which nobody has to log in.
func (p *Postfix) SMTP() string { return net.JoinHostPort(p.ip, strconv.Itoa(smtpPort)) }

// Submission is the host:port where everybody has to log in after STARTTLS.
func (p *Postfix) Submission() string { return net.JoinHostPort(p.ip, strconv.Itoa(submissionPort)) }

// SMTPS is Submission with TLS from the start.
func (p *Postfix) SMTPS() string { return net.JoinHostPort(p.ip, strconv.Itoa(smtpsPort)) }

// CAFile holds the authority of the server's certificate, which is for
// localhost, the server's address and the names right below Domain.
func (p *Postfix) CAFile() string { return p.scratch.path(caFile) }

// AddUser adds a user who can log in, as user or as user@Domain, with the
// address user@Domain. The user is one of Dovecot's, with a mailbox there too.
// Connections that are open already do not know of the user.
func (p *Postfix) AddUser(user, password string) {
	p.tb.Helper()
	user = local(user)
	p.dovecot.AddUser(user, password)
	p.scratch.newMaildir(user)
	p.users[user] = true
	p.writeUsers()
}

// writeUsers puts a new table of users in the old one's place. The servers
// look whether their table is still there before each connection.
func (p *Postfix) writeUsers() {
	p.tb.Helper()
	var lines []string
	for user := range p.users {
		lines = append(lines, fmt.Sprintf("%s@%s %s/\n", user, Domain, user))
	}
	sort.Strings(lines)
	p.scratch.write("next", strings.Join(lines, ""))
	p.scratch.run("postmap", "-c", p.scratch.dir, "hash:"+p.scratch.path("next"))
	check(p.tb, os.Rename(p.scratch.path("next.db"), p.scratch.path("users.db")))
}

// Maildir is the path of a user's mailbox.
func (p *Postfix) Maildir(user string) string { return p.scratch.maildir(local(user)).path }

// Count is how many messages are in a user's mailbox.
func (p *Postfix) Count(user string) int {
	p.tb.Helper()
	return len(p.scratch.maildir(local(user)).files())
}

// WaitDelivered returns when a user has n messages. It returns an error that
// wraps ctx's when that ends first.
func (p *Postfix) WaitDelivered(ctx context.Context, user string, n int) error {
	p.tb.Helper()
	return p.scratch.maildir(local(user)).wait(ctx, n)
}

// Delivered yields a user's messages as they were sent, with CRLF line ends,
// in the order in which they were put there, which is about that of their
// arrival.
func (p *Postfix) Delivered(user string) iter.Seq[[]byte] {
	return p.scratch.maildir(local(user)).delivered()
}

// queue makes the folders that Postfix's own start script would make.
func (s scratch) queue() {
	s.tb.Helper()
	s.mkdir("queue", 0o755, 0, 0)
	s.mkdir("queue/pid", 0o755, 0, 0)
	account, err := user.Lookup("postfix")
	check(s.tb, err)
	uid, err := strconv.Atoi(account.Uid)
	check(s.tb, err)
	s.mkdir("data", 0o700, uid, 0)
	for _, name := range []string{"active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop",
		"private", "public", "saved", "trace"} {
		s.mkdir("queue/"+name, 0o700, uid, 0)
	}
}

// setting asks Postfix for a setting that depends on the distribution.
func (s scratch) setting(name string) string {
	s.tb.Helper()
	return strings.TrimSpace(s.run("postconf", "-dh", name))
}

func (s scratch) run(name string, args ...string) string {
	s.tb.Helper()
	output, err := exec.Command(program(s.tb, name), args...).CombinedOutput()
	if err != nil {
		s.tb.Fatalf("%s: %v: %s", name, err, output)
	}
	return string(output)
}
