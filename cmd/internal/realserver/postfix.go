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
	"strconv"
	"strings"
	"testing"
)

// Domain is the domain of Postfix's users.
const Domain = "popferry.test"

// The ports of every Postfix, which has its own address.
const (
	smtpPort       = 20025
	submissionPort = 20587
	smtpsPort      = 20465
)

// Postfix is a running Postfix. It accepts mail for its users at Domain. Users can
// send to each other, but not to the outside. It offers STARTTLS, AUTH over TLS
// (PLAIN, LOGIN, CRAM-MD5, SCRAM), SIZE of 512 MiB, 8BITMIME, SMTPUTF8 and
// CHUNKING.
type Postfix struct {
	daemon
	scratch scratch
	ip      string
	users   map[string]bool
	dovecot *Dovecot
}

// DebianDefaults lets Postfix change and refuse messages as it does where Debian
// has installed it. Otherwise this package has it keep all messages as they are.
func DebianDefaults() Option { return Config(debianDefaults) }

// LocalDelivery has local(8) deliver mail, as it does for the users of a system,
// instead of virtual(8).
func LocalDelivery() Option { return Config(localDelivery) }

// DeliverTo hands mail on by LMTP to another server, at host:port or the path of a
// socket, instead of delivering it to mailboxes itself.
func DeliverTo(addr string) Option {
	if strings.HasPrefix(addr, "/") {
		return Config("virtual_transport = lmtp:unix:" + addr)
	}
	return Config("virtual_transport = lmtp:inet:" + addr)
}

// StartPostfix starts Postfix without users, and stops it at the end of the test.
// Dovecot checks the passwords of its users.
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
	s.write("main.cf", lastSettings(b.String()))
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

// SMTP is the host:port for mail to the users, without a login.
func (p *Postfix) SMTP() string { return net.JoinHostPort(p.ip, strconv.Itoa(smtpPort)) }

// Submission is the host:port that requires STARTTLS and a login.
func (p *Postfix) Submission() string { return net.JoinHostPort(p.ip, strconv.Itoa(submissionPort)) }

// SMTPS is Submission with implicit TLS.
func (p *Postfix) SMTPS() string { return net.JoinHostPort(p.ip, strconv.Itoa(smtpsPort)) }

// CAFile is the file with the authority of the server's certificate, which is for
// localhost, the server's address and the direct subdomains of Domain.
func (p *Postfix) CAFile() string { return p.scratch.path(caFile) }

// AddUser adds a user with the address user@Domain, who can log in as user or as
// user@Domain. The user is also added to Dovecot, with a mailbox there. Open
// connections do not see the new user.
func (p *Postfix) AddUser(user, password string) {
	p.tb.Helper()
	user = local(user)
	p.dovecot.AddUser(user, password)
	p.scratch.newMaildir(user)
	p.users[user] = true
	p.writeUsers()
}

// writeUsers replaces the tables of users. The servers check for a new table
// before each connection.
func (p *Postfix) writeUsers() {
	p.tb.Helper()
	var virtual, aliases strings.Builder
	for user := range p.users {
		fmt.Fprintf(&virtual, "%s@%s %[1]s/\n", user, Domain)
		fmt.Fprintf(&aliases, "%s %s/\n", user, p.Maildir(user))
	}
	p.writeTable("users", virtual.String())
	p.writeTable("aliases", aliases.String())
}

func (p *Postfix) writeTable(name, text string) {
	p.tb.Helper()
	p.scratch.write("next", text)
	p.scratch.run("postmap", "-c", p.scratch.dir, "hash:"+p.scratch.path("next"))
	check(p.tb, os.Rename(p.scratch.path("next.db"), p.scratch.path(name+".db")))
}

// Maildir returns the path of a user's mailbox.
func (p *Postfix) Maildir(user string) string { return p.scratch.maildir(local(user)).path }

// Count returns how many messages are in a user's mailbox.
func (p *Postfix) Count(user string) int {
	p.tb.Helper()
	return len(p.scratch.maildir(local(user)).files())
}

// WaitDelivered waits until a user has n messages. It returns an error that wraps
// ctx's if ctx ends first.
func (p *Postfix) WaitDelivered(ctx context.Context, user string, n int) error {
	p.tb.Helper()
	return p.scratch.maildir(local(user)).wait(ctx, n)
}

// Delivered yields a user's messages as they were sent with CRLF line ends, in the
// order of their delivery, which is about that of their arrival.
func (p *Postfix) Delivered(user string) iter.Seq[[]byte] {
	return p.scratch.maildir(local(user)).delivered()
}

// Stored yields a user's messages as they are in the mailbox, with CRLF line ends.
func (p *Postfix) Stored(user string) iter.Seq[[]byte] {
	return p.scratch.maildir(local(user)).stored()
}

// WaitIdle waits until Postfix has no mail to deliver any more. It returns an error
// that wraps ctx's if ctx ends first.
func (p *Postfix) WaitIdle(ctx context.Context) error {
	p.tb.Helper()
	return p.scratch.waitEmpty(ctx, "queue/maildrop", "queue/incoming", "queue/active", "queue/deferred")
}

// queue creates the folders that Postfix's start script would create.
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

// setting returns a default of Postfix that depends on the distribution.
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
