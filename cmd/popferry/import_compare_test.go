package main

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/forwarder/smtptest"
)

var importMessages = flag.Int("import-messages", 30, "messages in each mailbox of TestImportedSetupDoesWhatTheProgramDid, two thirds of which the other program fetches first")

// comparison is a set-up of another program on Dovecot: it fetches two thirds of each
// mailbox, is imported, and then popferry and the program itself both fetch the rest.
type comparison struct {
	*importFixture
	users   map[string]func(n int) string // lines on top of a user's messages, and its subject
	command []string                      // of the program
	rc      string
	mails   func() []smtptest.Message // what was delivered, in order
}

// letters puts messages of all users into their mailboxes.
func (c *comparison) letters(from, to int) {
	for user, top := range c.users {
		for n := from; n < to; n++ {
			lines, subject, _ := strings.Cut(top(n), "Subject: ")
			c.dovecot.Seed(user, fmt.Appendf(nil, "Return-Path: <sender%[1]d@far.example>\r\n%[2]sReceived: from a.example by b.example; Sun, 22 Nov 2026 08:00:00 +0000\r\n"+
				"From: sender%[1]d@far.example\r\nTo: list@far.example\r\nSubject: %[3]s\r\nMessage-ID: <%[4]s.%[1]d@far.example>\r\nDate: Sun, 22 Nov 2026 08:00:00 +0000\r\n\r\ntext %[1]d\r\n",
				n, lines, subject, user))
		}
	}
}

// recipients are the recipients of messages by their Message-ID, each as often as it was
// delivered to.
func recipients(t *testing.T, messages []smtptest.Message) map[string]string {
	t.Helper()
	to := make(map[string][]string)
	for _, m := range messages {
		parsed, err := mail.ReadMessage(bytes.NewReader(m.Data))
		if err != nil {
			t.Fatalf("%v: %.300q", err, m.Data)
		}
		id := parsed.Header.Get("Message-Id")
		to[id] = append(to[id], m.Recipients...)
	}
	out := make(map[string]string, len(to))
	for id, all := range to {
		slices.Sort(all)
		out[id] = strings.Join(all, " ")
	}
	return out
}

// compare runs the program, imports its set-up, and has popferry and the program forward
// the rest. Both must bring the same messages to the same recipients.
func (c *comparison) compare(runs int, arrives func(user string, n int) bool, args ...string) {
	t := c.t
	t.Helper()
	all, before := *importMessages, *importMessages*2/3
	c.letters(0, before)
	for range runs {
		c.run(c.command[0], c.command[1:]...)
	}
	first := len(c.mails())
	c.letters(before, all)
	cfg := filepath.Join(c.home, "popferry.yaml")
	code, out, errs := popferry(t, append([]string{"import", "--output", cfg, "--state", filepath.Join(c.home, "popferry.db")}, args...)...)
	if code != exitOK || strings.Contains(out, "complete it") {
		t.Fatalf("import: got exit %d, want %d and nothing to complete\n%s%s", code, exitOK, out, errs)
	}
	for range runs {
		if code, out, errs = popferry(t, "run", "--once", "--now", "--verbose", "--config", cfg); code != exitOK {
			t.Fatalf("run: got exit %d, want %d\n%s%s", code, exitOK, out, errs)
		}
	}
	ours := c.mails()[first:]
	for range runs {
		c.run(c.command[0], c.command[1:]...)
	}
	got, want := recipients(t, ours), recipients(t, c.mails()[first+len(ours):])
	for user := range c.users {
		for n := range all {
			id := fmt.Sprintf("<%s.%d@far.example>", user, n)
			if _, sent := got[id]; sent != (n >= before && arrives(user, n)) {
				t.Errorf("%s: sent by popferry: %t, want %t", id, sent, !sent)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if got[id] != want[id] {
			t.Errorf("%s: popferry sends it to %q, %s to %q", id, got[id], c.command[0], want[id])
		}
	}
	if len(got) != len(want) {
		t.Errorf("popferry sends %d messages, %s %d", len(got), c.command[0], len(want))
	}
	if t.Failed() {
		text, _ := os.ReadFile(cfg)
		t.Logf("the configuration:\n%s\nthe report:\n%s", text, out)
	}
}

// newComparison starts the servers.
func newComparison(t *testing.T, program string, o smtptest.Options, users map[string]func(int) string) *comparison {
	t.Helper()
	realserver.Program(t, program)
	c := &comparison{users: users, importFixture: &importFixture{t: t, dovecot: realserver.StartDovecot(t), sink: testworld.SMTP(t, o), home: t.TempDir()}}
	for user := range users {
		c.dovecot.AddUser(user, "secret")
	}
	var err error
	if c.host, c.port, err = net.SplitHostPort(c.dovecot.POP3S()); err != nil {
		t.Fatal(err)
	}
	_, c.sinkPort, _ = net.SplitHostPort(c.sink.Addr().String())
	c.mails = c.sink.Messages
	return c
}

func everything(string, int) bool { return true }

// plain are messages of a mailbox with one owner.
func plain(int) string { return "Subject: plain" }

// of returns the n-th of some lines, over and over.
func of(lines ...string) func(int) string {
	return func(n int) string { return lines[n%len(lines)] }
}

// spam is what filters are to drop: every third message.
func spam(n int) string {
	if n%3 == 0 {
		return "spam"
	}
	return "ham"
}

func TestImportedSetupDoesWhatTheProgramDid(t *testing.T) {
	t.Parallel()
	t.Run("fetchmail", func(t *testing.T) {
		t.Parallel()
		c := newComparison(t, "fetchmail", smtptest.Options{}, map[string]func(int) string{
			"plugged": plain, "bound": plain, "limited": plain, "mapped": plain,
			"passed": of("Delivered-To: box-leo@example.org\r\n", "Delivered-To: mia@example.org\r\n", "Delivered-To: <tim@example.org>, box-zoe@example.net\r\n", // names are not mapped
				"Delivered-To: leo@isp.example\r\n", "Delivered-To: other@isp.example\r\n", "Delivered-To: leo@elsewhere.example\r\n", "Delivered-To: TIM@example.net\r\n", "", "Delivered-To: leo\r\n"),
			"named": of("X-Original-To: box@isp.example\r\nX-Original-To: golux@isp.example\r\n", "X-Original-To: a\r\nX-Original-To: hurkle@isp.example\r\nX-Original-To: snark@isp.example\r\n",
				"X-Original-To: golux@isp.example\r\nX-Original-To: nobody@isp.example\r\n", "X-Original-To: golux@isp.example\r\n"),
		})
		c.route = byPlugin(c.importFixture)
		user := func(name, is string) string {
			return fmt.Sprintf("user %q there has password secret is %s here options ssl no sslcertck sslcertfile %q keep smtphost 127.0.0.1/%s smtpaddress example.com", name, is, c.dovecot.CAFile(), c.sinkPort)
		}
		var polls strings.Builder
		for name, options := range map[string]string{
			"one " + c.route: user("plugged", "joe"),
			`two interface "lo/127.0.0.1/255.255.255.255"`: user("bound", "ann@example.edu"),
			"three": user("limited", "lim") + fmt.Sprintf(" fetchlimit %d", max(*importMessages/4, 1)),
			"four":  user("mapped", "server=local"),
			`five envelope "Delivered-To:" qvirtual "box-" localdomains example.org example.net aka isp.example`: user("passed", "leo=leopold tim@example.net=timothy *"),
			"six envelope 1 X-Original-To aka isp.example":                                                       user("named", "golux hurkle=happy snark=snark@example.edu"),
		} {
			label, server, _ := strings.Cut(name, " ")
			fmt.Fprintf(&polls, "poll %s via %s with proto pop3 port %s uidl no dns timeout 20 %s:\n  %s\n", label, c.host, c.port, server, options)
		}
		c.rc = c.file("fetchmailrc", "set idfile %q\nset postmaster \"postmaster\"\nset no bouncemail\n%s", filepath.Join(c.home, "ids"), &polls)
		c.command = []string{"fetchmail", "--daemon", "0", "--pidfile", filepath.Join(c.home, "pid"), "-f", c.rc}
		c.compare(4, everything, "fetchmail", c.rc)
	})
	t.Run("getmail", func(t *testing.T) {
		t.Parallel()
		c := newComparison(t, "getmail", smtptest.Options{LMTP: true}, map[string]func(int) string{"domain": func(n int) string {
			return of("Delivered-To: leo@example.org\r\nDelivered-To: mia@example.org\r\n", "Delivered-To: MIA@example.org\r\n", "Delivered-To: tim@example.net\r\n", "Delivered-To: Sales@example.net\r\n",
				"Delivered-To: x@example.com\r\n", "Delivered-To: leo@elsewhere.example\r\n", "Delivered-To: nobody@example.org\r\n")(n) + "Subject: " + spam(n)
		}})
		section := func(name, to string) string {
			return fmt.Sprintf("[%s]\ntype = MDA_lmtp\nhost = 127.0.0.1\nport = %s\noverride = %s\n", name, c.sinkPort, to)
		}
		// getmail misses the end of a child that is faster than itself.
		look := c.file("look", "#!/bin/sh\nsleep 0.1\ncase $(grep '^Subject:') in *spam*) exit 99;; esac\n")
		same := c.file("same", "#!/bin/sh\nsleep 0.1\nexec cat\n")
		for _, path := range []string{look, same} {
			if err := os.Chmod(path, 0o700); err != nil { //nolint:gosec // a program
				t.Fatal(err)
			}
		}
		c.rc = c.file("domain.rc", `[retriever]
type = MultidropPOP3SSLRetriever
server = %s
port = %s
username = domain
password = secret
ca_certs = %s
envelope_recipient = delivered-to:1
timeout = 20
[options]
read_all = false
[destination]
type = MultiSorter
default = [else]
locals = (
  ("^leo@example\\.org$", "[leo]"),
  ("mia@example.org", "[mia]"),
  ("^sales@", "[sales]"),
  (r"^.*@example\.com$", "[com]"),
  ("tim@example.net", "[leo]"),
  )
%s%s%s%s%s[filter-1]
type = Filter_classifier
path = %s
allow_root_commands = true
[filter-2]
type = Filter_external
path = %s
allow_root_commands = true
`, c.host, c.port, c.dovecot.CAFile(), section("else", "else@example.org"), section("leo", "leo@home.example"), section("mia", "mia@home.example"),
			section("sales", "sales@home.example"), section("com", "com@home.example"), look, same)
		c.command = []string{"getmail", "--getmaildir", c.home, "--rcfile", "domain.rc"}
		c.compare(1, func(_ string, n int) bool { return spam(n) == "ham" }, "getmail", c.rc)
	})
	t.Run("mpop", func(t *testing.T) {
		t.Parallel()
		c := newComparison(t, "mpop", smtptest.Options{}, map[string]func(int) string{"leo": func(n int) string { return "Subject: " + spam(n) }})
		for _, dir := range []string{"cur", "new", "tmp"} {
			if err := os.MkdirAll(filepath.Join(c.home, "Mail", dir), 0o700); err != nil {
				t.Fatal(err)
			}
		}
		c.rc = c.file("mpoprc", `defaults
tls on
tls_starttls off
tls_trust_file %s
uidls_file %s
%s
account isp
host %s
port %s
user leo
password secret
keep on
filter if [ "$(grep '^Subject: spam')" ]; then exit 2; else exit 0; fi
delivery maildir %s
`, c.dovecot.CAFile(), filepath.Join(c.home, "uidls"), bySOCKS(c.importFixture), c.host, c.port, filepath.Join(c.home, "Mail"))
		c.command = []string{"mpop", "--file", c.rc, "--all-accounts"}
		var seen []string
		var delivered []smtptest.Message
		c.mails = func() []smtptest.Message { // a Maildir has no order
			for _, path := range files(t, filepath.Join(c.home, "Mail", "new")) {
				if slices.Contains(seen, path) {
					continue
				}
				text, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				seen, delivered = append(seen, path), append(delivered, smtptest.Message{Recipients: []string{"Mail"}, Data: text})
			}
			return delivered
		}
		c.compare(1, func(_ string, n int) bool { return spam(n) == "ham" }, "mpop", c.rc)
	})
}

// files are the files in a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return paths
}
