//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/realserver"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// building is held by the test that builds: the others wait for its binary.
var building sync.Mutex

// build builds the binary as it is released, with these flags more, once for all
// tests.
func build(t *testing.T, flags ...string) string {
	t.Helper()
	building.Lock()
	defer building.Unlock()
	path := filepath.Join(os.Getenv(binaries), "popferry"+strings.Join(flags, ""))
	if _, err := os.Stat(path); err == nil {
		return path
	}
	c := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"build", "-o", path}, flags, []string{"."})...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// process is a popferry in a process of its own.
type process struct {
	*exec.Cmd
	out testworld.Output
}

func start(t *testing.T, binary string, args ...string) *process {
	t.Helper()
	p := command(t, binary, args...)
	p.begin(t)
	return p
}

// command is a process that is not started yet.
func command(t *testing.T, binary string, args ...string) *process {
	p := &process{Cmd: exec.CommandContext(t.Context(), binary, args...)}
	p.Stdout, p.Stderr = &p.out, &p.out
	return p
}

func (p *process) begin(t *testing.T) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
}

// Killed three times during a poll, it loses nothing and sends at most what was
// in flight twice, with the same octets.
func TestKilledDuringPollsLosesNothing(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	const messages, kills, inFlight = 150, 3, 8
	d := realserver.StartDovecot(t)
	d.AddUser("isp", "secret")
	want := make(map[[32]byte]bool)
	for n := range messages {
		m := letter("isp", n, 3000)
		want[expected(m)] = true
		d.Seed("isp", m)
	}
	sink := testworld.SMTP(t, smtptest.Options{})
	cfg := testworld.Config(t, `
log: {level: warn}
state: popferry.db
accounts:
  - {name: isp, %s, tls: implicit, tls_ca_file: %q, username: isp, password: secret, leave_on_server: false}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org], in_flight: %d}
`, testworld.HostPort(t, d.POP3S()), d.CAFile(), testworld.HostPort(t, sink.Addr().String()), inFlight)
	binary := build(t)
	for range kills {
		p := start(t, binary, "run", "--once", "--now", "--config", cfg)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		if err := sink.Wait(ctx, len(sink.Messages())+messages/(2*(kills+1))); err != nil {
			t.Fatalf("%v\n%s", err, p.out.String())
		}
		cancel()
		if err := p.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = p.Wait() // killed
	}
	p := start(t, binary, "run", "--once", "--now", "--config", cfg)
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit 0\n%s", err, p.out.String())
	}
	if left := d.Count("isp"); left != 0 {
		t.Errorf("%d messages left on the server, want 0", left)
	}
	got := make(map[[32]byte]int)      // by what stands below the trace lines
	versions := make(map[[32]byte]int) // by all octets
	for _, m := range sink.Messages() {
		_, below, _ := bytes.Cut(m.Data, []byte("\r\nX-Popferry-Trace: "))
		_, below, _ = bytes.Cut(below, []byte("\r\n"))
		got[sha256.Sum256(below)]++
		versions[m.SHA256]++
	}
	for s := range want {
		if got[s] == 0 {
			t.Error("a message is lost, or its octets have changed")
		}
	}
	if extra := len(sink.Messages()) - messages; extra > kills*inFlight {
		t.Errorf("%d messages came twice, want at most %d", extra, kills*inFlight)
	}
	if len(versions) != messages {
		t.Errorf("%d different messages, want %d", len(versions), messages)
	}
}

// A message of 100 MB passes with less than 64 MB of memory.
func TestLargeMessageNeedsLittleMemory(t *testing.T) {
	t.Parallel()
	realserver.Require(t)
	d := realserver.StartDovecot(t)
	d.AddUser("isp", "secret")
	const size = 100 << 20
	d.SeedFunc("isp", func(w io.Writer) error { return zeros(w, size) })
	sink := testworld.SMTP(t, smtptest.Options{HashOnly: true})
	cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: isp, %s, tls: implicit, tls_ca_file: %q, username: isp, password: secret, max_message_size: 200MB}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, d.POP3S()), d.CAFile(), testworld.HostPort(t, sink.Addr().String()))
	p := start(t, build(t), "run", "--once", "--config", cfg)
	peak := make(chan int)
	go func() { peak <- watchMemory(p.Process.Pid) }()
	err := p.Wait()
	if mb := <-peak >> 10; err != nil || mb == 0 || mb >= 64 {
		t.Errorf("%v, peak of %d MB; want less than 64\n%s", err, mb, p.out.String())
	}
	if ms := sink.Messages(); len(ms) != 1 || ms[0].Size < size {
		t.Errorf("got %+v, want one message of %d octets at least", ms, size)
	}
}

// watchMemory is the most memory that a process has used, in kB, as the kernel
// counted it until shortly before its end.
func watchMemory(pid int) int {
	peak := 0
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, after, ok := strings.Cut(string(status), "VmHWM:")
		if err != nil || !ok { // it has ended
			return peak
		}
		if kb, err := strconv.Atoi(strings.Fields(after)[0]); err == nil {
			peak = max(peak, kb)
		}
	}
	return peak
}

// It polls at its start and on USR1, takes over a new configuration on HUP but
// not a broken one, and on TERM finishes the transaction in flight.
func TestDaemonObeysSignals(t *testing.T) {
	t.Parallel()
	reached, hold := make(chan struct{}), make(chan struct{})
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == 4 {
			close(reached)
			<-hold
		}
		return smtptest.Fault{}
	}})
	src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	second := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	text := fmt.Sprintf("state: popferry.db\nschedule: \"@every 1h\"\naccounts:\n"+
		"  - {name: isp, %s, tls: none, username: leo, password: secret, leave_on_server: false}\n"+
		"forward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org]}\n", testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	cfg := testworld.Config(t, "%s", text)
	p := start(t, build(t), "run", "--config", cfg)
	arrived := func(n int) {
		t.Helper()
		testworld.WaitFor(t, fmt.Sprintf("message %d, but this:\n%s", n, p.out.String()), func() bool { return len(sink.Messages()) >= n })
	}
	send := func(s os.Signal) {
		t.Helper()
		if err := p.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	logged := func(n int, what string) {
		t.Helper()
		testworld.WaitFor(t, what, func() bool { return strings.Count(p.out.String(), what) >= n })
	}
	arrived(1)
	logged(1, "msg=polled")
	src.Add("leo", pop3test.Message{UID: "usr1", Octets: []byte(testworld.Mail(2)[1])})
	send(syscall.SIGUSR1)
	arrived(2)
	logged(2, "msg=polled")

	testworld.Write(t, cfg, "accounts: nonsense")
	send(syscall.SIGHUP)
	logged(1, "the new configuration cannot be used")
	testworld.Write(t, cfg, strings.Replace(text, "forward:", fmt.Sprintf("  - {name: second, %s, tls: none, username: zoe, password: secret}\nforward:", testworld.HostPort(t, second.Addr())), 1))
	send(syscall.SIGHUP)
	logged(1, "configuration read again")
	arrived(3)

	src.Add("leo", pop3test.Message{UID: "term", Octets: []byte(testworld.Mail(3)[2])})
	logged(3, "msg=polled") // of the new account only
	send(syscall.SIGUSR1)
	<-reached
	send(syscall.SIGTERM)
	logged(1, "stopping")
	close(hold)
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit 0\n%s", err, p.out.String())
	}
	if left := src.Messages("leo"); len(left) != 0 || len(sink.Messages()) != 4 {
		t.Errorf("%d messages left, %d arrived; want 0, 4: all that was in flight\n%s", len(left), len(sink.Messages()), p.out.String())
	}
}
