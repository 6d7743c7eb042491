//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// The process is killed at each step of a message's way, for the first and for a
// later message. A poll without a crash then does the rest: nothing is lost, and
// only the message without a reply on disk may come twice, with the same octets.
func TestKilledBetweenAnyTwoSteps(t *testing.T) {
	t.Parallel()
	binary := build(t, "-tags", "failpoint")
	for _, point := range []string{"listed:1", "fetched:1", "fetched:3", "kept:1", "kept:2", "intended:1", "intended:3", "answered:1", "answered:3",
		"written:1", "written:3", "forwarded:1", "dele:1", "dele:3", "quit:1", "deleted:1"} {
		for _, policy := range []string{"true", "false"} {
			t.Run(point+" keep "+policy, func(t *testing.T) {
				t.Parallel()
				hiding := point[:4] == "kept"
				crashOnce(t, binary, point, policy, hiding)
			})
		}
	}
}

// crashOnce lets a poll of five messages die at a point and checks what comes
// after it.
func crashOnce(t *testing.T, binary, point, leave string, hiding bool) {
	t.Helper()
	o := pop3test.Options{}
	if hiding {
		o.Capabilities = []string{"USER", "UIDL", "TOP", "EXPIRE 0"}
	}
	src := testworld.POP3(t, o)
	const messages = 5
	for n := range messages {
		src.Add("leo", pop3test.Message{UID: fmt.Sprint(n), Octets: letter("leo", n, 2000)})
	}
	sink := testworld.SMTP(t, smtptest.Options{UTF8: true})
	cfg := testworld.Config(t, `
log: {level: warn}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret, leave_on_server: %s}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org], in_flight: 1}
`, testworld.HostPort(t, src.Addr()), leave, testworld.HostPort(t, sink.Addr().String()))
	args := []string{"run", "--once", "--now", "--config", cfg}
	c := exec.CommandContext(t.Context(), binary, args...)
	c.Env = append(os.Environ(), "POPFERRY_FAILPOINT="+point)
	out, err := c.CombinedOutput()
	reached := c.ProcessState.ExitCode() == -1 // by a signal
	if never := leave == "true" && (point[:4] == "dele" || point[:4] == "quit"); reached == never {
		t.Fatalf("the point was reached: %t, want %t (%v)\n%s", reached, !never, err, out)
	}
	if out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput(); err != nil {
		t.Fatalf("after the crash: %v\n%s", err, out)
	}
	ids, versions := make(map[string]int), make(map[[32]byte]bool)
	for _, m := range sink.Messages() {
		_, id, _ := bytes.Cut(m.Data, []byte("Message-ID: "))
		id, _, _ = bytes.Cut(id, []byte("\r\n"))
		ids[string(id)]++
		versions[m.SHA256] = true
	}
	if extra := len(sink.Messages()) - messages; len(ids) != messages || extra < 0 || extra > 1 || len(versions) != messages {
		t.Errorf("%d messages arrived, %d different ones, %d versions; want at most one more than %d", len(sink.Messages()), len(ids), len(versions), messages)
	}
	if left := len(src.Messages("leo")); left != map[string]int{"true": messages, "false": 0}[leave] {
		t.Errorf("%d messages left on the server with leave_on_server: %s", left, leave)
	}
	if copies, err := filepath.Glob(filepath.Join(filepath.Dir(cfg), "popferry.db.kept", "*")); err != nil || len(copies) > 0 {
		t.Errorf("retained copies of messages that were forwarded: %v, %v; want none", copies, err)
	}
}

// Of many processes at once one polls a mailbox; the others say so and exit 0.
// Together they do what one would have done.
func TestOnlyOneOfManyProcessesPollsAMailbox(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	d := realserver.StartDovecot(t)
	d.AddUser("isp", "secret")
	for n := range 60 {
		d.Seed("isp", letter("isp", n, 2000))
	}
	sink := testworld.SMTP(t, smtptest.Options{UTF8: true})
	cfg := testworld.Config(t, `
log: {level: warn}
state: popferry.db
accounts:
  - {name: isp, %s, tls: implicit, tls_ca_file: %q, username: isp, password: secret, leave_on_server: false}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, d.POP3S()), d.CAFile(), testworld.HostPort(t, sink.Addr().String()))
	binary := build(t)
	daemon := start(t, binary, "run", "--config", cfg)
	var all []*process
	for range 20 {
		all = append(all, start(t, binary, "run", "--once", "--now", "--config", cfg))
	}
	for _, p := range all {
		if err := p.Wait(); err != nil {
			t.Errorf("got %v, want exit 0\n%s", err, p.out.String())
		}
	}
	testworld.WaitFor(t, "60 messages", func() bool { return len(sink.Messages()) >= 60 })
	if err := daemon.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := daemon.Wait(); err != nil {
		t.Errorf("got %v, want exit 0\n%s", err, daemon.out.String())
	}
	if code, out, errs := popferry(t, "run", "--once", "--now", "--config", cfg); code != 0 || len(sink.Messages()) != 60 || d.Count("isp") != 0 {
		t.Errorf("got exit %d, %d arrived, %d left; want 0, 60, 0\n%s%s", code, len(sink.Messages()), d.Count("isp"), out, errs)
	}
}
