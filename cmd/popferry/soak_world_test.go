//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// soakConfig is the configuration's file.
type soakConfig struct {
	path         string
	source, sink string // host and port
	caFile       string // of the source
	writes       int
}

// change is what becomes of the configuration.
type change struct {
	hangup bool   // HUP is sent, or else the file is to be noticed
	quiet  bool   // polls an hour apart
	bad    string // put into it
}

// changes come one after the other, again and again.
func changes() []change {
	return []change{
		{hangup: true},
		{hangup: true, bad: "nonsense: true\n"},
		{},
		{bad: "accounts: [{name: half a li"},
		{hangup: true},
		{hangup: true, bad: "notify: {to: [\n"},
		{},
		{hangup: true, bad: "web: {password_file: /nonexistent/password}\n"},
	}
}

func newSoakConfig(t *testing.T, d *realserver.Dovecot, sink *soakSink) soakConfig {
	return soakConfig{path: filepath.Join(t.TempDir(), "popferry.yaml"), source: testworld.HostPort(t, d.POP3S()), sink: testworld.HostPort(t, sink.address), caFile: d.CAFile()}
}

// write writes the next version: each polls in another rhythm, with other limits
// and, if it is not to be quiet, without one of the accounts for a while.
func (c *soakConfig) write(t *testing.T, ch change) {
	t.Helper()
	c.writes++
	n := c.writes
	schedule, limit, away := fmt.Sprintf("@every %ds", 2+min(8, int(soakFor.Minutes()))+n%2), 8+n%9, -1
	if n%4 == 0 {
		away = n % soakAccounts
	}
	if ch.quiet { // the same each time, or what it takes could not be compared
		schedule, limit, away = "@every 1h", 8, -1
	}
	var b strings.Builder
	fmt.Fprintf(&b, "log: {format: json}\nstate: popferry.db\nlisten: 127.0.0.1:0\nschedule: %q\nconcurrency: %d\nper_host: %[2]d\n", schedule, limit)
	fmt.Fprintf(&b, "forward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org], connections: %d, in_flight: %d}\n", c.sink, 1+n%4, 4+n%29)
	fmt.Fprintf(&b, "defaults: {%s, tls: implicit, tls_ca_file: %q, password: secret}\naccounts:\n", c.source, c.caFile)
	for i := range soakAccounts {
		fmt.Fprintf(&b, "  - {name: %s, username: %[1]s, leave_on_server: %t, enabled: %t}\n", soakUser(i), keeps(i), i != away)
	}
	b.WriteString(ch.bad)
	next := c.path + ".next"
	testworld.Write(t, next, b.String())
	if err := os.Rename(next, c.path); err != nil {
		t.Fatal(err)
	}
}

// soakSink is a destination that goes away and comes back at the same address.
type soakSink struct {
	address string
	server  *smtptest.Server // nil while it is away
	cut     atomic.Bool      // the next answer to a final dot is lost
	before  []arrival        // what came until it went away last
	seen    int              // of the server's messages
	first   map[[sha256.Size]byte]bool
}

// arrival is a message that was taken.
type arrival struct {
	letter [sha256.Size]byte // what stands below the trace lines
	whole  [sha256.Size]byte
	trace  string
}

// newSoakSink listens on an address of its own, at a port that no connection is
// given: no other process can take it while the server is away.
func newSoakSink(t *testing.T) *soakSink {
	t.Helper()
	k := &soakSink{address: fmt.Sprintf("127.%d.%d.%d:20025", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254)), first: make(map[[sha256.Size]byte]bool)}
	k.toggle(t)
	t.Cleanup(func() {
		if k.server != nil {
			_ = k.server.Close()
		}
	})
	return k
}

func (k *soakSink) down() bool { return k.server == nil }

// toggle ends the server, with all connections, or starts it again. Then the
// answer to the first message is lost.
func (k *soakSink) toggle(t *testing.T) {
	t.Helper()
	if k.server != nil {
		_ = k.server.Close() // nothing can come after it
		k.distinct()
		k.server, k.seen = nil, 0
		k.cut.Store(true)
		return
	}
	var err error
	k.server, err = smtptest.Start(smtptest.Options{Address: k.address, Fault: func(e smtptest.Event) smtptest.Fault {
		lost := e.Stage == forwarder.StageDot && k.cut.CompareAndSwap(true, false)
		return smtptest.Fault{Close: lost, Keep: lost}
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// distinct is how many different letters have come.
func (k *soakSink) distinct() int {
	if k.server == nil {
		return len(k.first)
	}
	all := k.server.Messages()
	for _, m := range all[k.seen:] {
		_, below, _ := bytes.Cut(m.Data, []byte("\r\nX-Popferry-Trace: id="))
		line, below, _ := bytes.Cut(below, []byte("\r\n"))
		trace, _, _ := bytes.Cut(line, []byte(";"))
		a := arrival{sha256.Sum256(below), m.SHA256, string(trace)}
		k.before = append(k.before, a)
		k.first[a.letter] = true
	}
	k.seen = len(all)
	return len(k.first)
}

// doubled is how many messages came once more.
func (k *soakSink) doubled() int { return len(k.before) - len(k.first) }

// check: all letters have come, nothing else, and none more often than once and
// once for each time that its answer was lost, always with the same octets.
func (k *soakSink) check(t *testing.T, letters map[[sha256.Size]byte]bool, j *journal) {
	t.Helper()
	k.distinct()
	versions := make(map[[sha256.Size]byte][sha256.Size]byte)
	times := make(map[[sha256.Size]byte]int)
	for _, a := range k.before {
		if !letters[a.letter] {
			t.Error("something came that was never sent, or its octets have changed")
		}
		if old, ok := versions[a.letter]; ok && old != a.whole {
			t.Errorf("a message came again in another version; this one is %s", a.trace)
		}
		versions[a.letter] = a.whole
		if times[a.letter]++; times[a.letter] > 1+j.doubts(a.trace) {
			t.Errorf("message %s came %d times, and was in doubt %d times", a.trace, times[a.letter], j.doubts(a.trace))
		}
	}
	for l := range letters {
		if times[l] == 0 {
			t.Error("a message is lost")
		}
	}
}

// mailboxLock is another client's session.
type mailboxLock struct{ conn net.Conn }

func lockMailbox(t *testing.T, addr, user string) *mailboxLock {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	c := textproto.NewConn(conn)
	for _, line := range []string{"", "USER " + user, "PASS secret"} {
		if line != "" {
			err = c.PrintfLine("%s", line)
		}
		reply, rerr := c.ReadLine()
		// While popferry has the mailbox it is the other one's turn to wait, and
		// it may have to give up.
		if err != nil || rerr != nil || !strings.HasPrefix(reply, "+OK") && !strings.Contains(reply, "[IN-USE]") {
			t.Fatalf("%q: %q, %v", line, reply, rerr)
		}
	}
	return &mailboxLock{conn}
}

func (l *mailboxLock) release() {
	if l != nil {
		_ = l.conn.Close()
	}
}
