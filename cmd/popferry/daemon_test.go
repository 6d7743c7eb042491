//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// logged waits until a process has said something so many times.
func (p *process) logged(t *testing.T, n int, what string) {
	t.Helper()
	testworld.WaitFor(t, what+" in this:\n"+p.out.String(), func() bool { return strings.Count(p.out.String(), what) >= n })
}

// A second popferry with one ledger says which one it found.
func TestSecondPopferryNamesTheFirst(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.OneMail)
	f.edit("log: {level: error}", "log: {level: info}")
	first := start(t, build(t), "run", "--config", f.config)
	testworld.WaitFor(t, "the first", func() bool { code, _, _ := popferry(t, "healthy", "--config", f.config); return code == exitOK })
	second := start(t, build(t), "run", "--config", f.config)
	second.logged(t, 1, "msg=started")
	where := fmt.Sprintf("process %d on ", first.Process.Pid)
	for said, want := range map[string]bool{second.out.String(): true, first.out.String(): false} {
		if got := strings.Contains(said, "another popferry runs with this ledger") && strings.Contains(said, where) && strings.Contains(said, ", with "+f.config); got != want {
			t.Errorf("it names the first: %t, want %t (%s)\n%s", got, want, where, said)
		}
	}
	second.terminate(t)
	first.terminate(t)
}

// Changes in the configuration's files apply without a signal: in the file
// itself, which a ConfigMap has behind two links, and in those that it includes.
// A bad file is reported once, and the old configuration goes on.
func TestChangedConfigurationIsReadWithoutASignal(t *testing.T) {
	t.Parallel()
	sink := testworld.SMTP(t, smtptest.Options{})
	first, second, third := testworld.POP3(t, pop3test.Options{}, testworld.OneMail), testworld.POP3(t, pop3test.Options{}, testworld.OneMail), testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	dir := t.TempDir()
	account := func(name, addr string) string {
		return fmt.Sprintf("accounts:\n  - {name: %s, %s, tls: none, username: leo, password: secret}\n", name, testworld.HostPort(t, addr))
	}
	main := fmt.Sprintf("state: %s/popferry.db\nschedule: \"@every 1h\"\ninclude: [more.d/*.yaml]\nforward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org]}\n",
		dir, testworld.HostPort(t, sink.Addr().String()))
	version := func(name, text string) {
		t.Helper()
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
		testworld.Write(t, filepath.Join(dir, name, "popferry.yaml"), text)
		if err := os.Symlink(name, filepath.Join(dir, "..new")); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(filepath.Join(dir, "..new"), filepath.Join(dir, "..data")); err != nil {
			t.Fatal(err)
		}
	}
	version("..v1", main+account("first", first.Addr()))
	if err := os.Symlink("..data/popferry.yaml", filepath.Join(dir, "popferry.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "more.d"), 0o700); err != nil {
		t.Fatal(err)
	}
	testworld.Write(t, filepath.Join(dir, "more.d", "none.yaml"), "defaults: {}\n")

	p := start(t, build(t), "run", "--config", filepath.Join(dir, "popferry.yaml"))
	arrived := func(n int) {
		t.Helper()
		testworld.WaitFor(t, fmt.Sprintf("message %d, but this:\n%s", n, p.out.String()), func() bool { return len(sink.Messages()) >= n })
	}
	arrived(1)
	testworld.Write(t, filepath.Join(dir, "more.d", "second.yaml"), account("second", second.Addr()))
	arrived(2)
	p.logged(t, 2, "msg=polled")
	testPoll(t, p, first, sink, filepath.Join(dir, "popferry.yaml"))
	version("..v2", "accounts: nonsense\n")
	p.logged(t, 1, "the new configuration cannot be used")
	version("..v3", main+account("first", first.Addr())+fmt.Sprintf("  - {name: third, %s, tls: none, username: zoe, password: secret}\n", testworld.HostPort(t, third.Addr())))
	arrived(4)
	if n := strings.Count(p.out.String(), "the new configuration cannot be used"); n != 1 {
		t.Errorf("a bad file was reported %d times, want once", n)
	}
	if code, out, errs := popferry(t, "poll", "--config", filepath.Join(dir, "popferry.yaml")); code != 0 || out != "all accounts are polled now\n" {
		t.Errorf("poll: got exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit 0\n%s", err, p.out.String())
	}
	if code, _, _ := popferry(t, "poll", "--config", filepath.Join(dir, "popferry.yaml")); code != 75 {
		t.Errorf("poll after the end: got exit %d, want %d", code, 75)
	}
	if _, err := os.Stat(filepath.Join(dir, "popferry.db.sock")); err == nil {
		t.Error("the socket is still there, want it removed")
	}
}

// testPoll: popferry poll has the daemon poll, which takes no unknown account.
func testPoll(t *testing.T, p *process, src *pop3test.Server, sink *smtptest.Server, cfg string) {
	t.Helper()
	before := len(sink.Messages())
	src.Add("leo", pop3test.Message{UID: "poll", Octets: []byte(testworld.OneMail)})
	// A poll that is just ending is not repeated: ask until it is.
	testworld.WaitFor(t, "a poll", func() bool {
		if code, out, errs := popferry(t, "poll", "first", "--config", cfg); code != 0 || out != "first: is polled now\n" {
			t.Fatalf("poll: got exit %d, want %d\n%s%s", code, exitOK, out, errs)
		}
		return len(sink.Messages()) > before
	})
	if code, _, errs := popferry(t, "poll", "nobody", "--config", cfg); code != 64 || !strings.Contains(errs, `there is no account "nobody"`) {
		t.Errorf("an account that is not there: got exit %d, want %d\n%s", code, exitUsage, errs)
	}
	socket := filepath.Join(filepath.Dir(cfg), "popferry.db.sock")
	if info, err := os.Stat(socket); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: got %v, %v; want mode 0600", info, err)
	}
}

// What systemd reads from the start to the end.
func TestSystemdProtocol(t *testing.T) {
	t.Parallel()
	sink := testworld.SMTP(t, smtptest.Options{})
	src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	cfg := testworld.Config(t, "state: popferry.db\naccounts:\n  - {%s, tls: none, username: leo, password: secret}\nforward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org]}\n",
		testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	name := fmt.Sprintf("@popferry-daemon-test-%d", os.Getpid())
	l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := command(t, build(t), "run", "--config", cfg)
	p.Env = append(os.Environ(), "NOTIFY_SOCKET="+name, "WATCHDOG_USEC=100000")
	p.begin(t)
	// next is the next word of a kind; others that were said before it are not
	// looked at.
	next := func(word string) string {
		t.Helper()
		if err := l.SetReadDeadline(time.Now().Add(3 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4096)
		for {
			n, err := l.Read(got)
			if err != nil {
				t.Fatalf("no %s: %v\n%s", word, err, p.out.String())
			}
			if text := string(got[:n]); strings.Contains("\n"+text, "\n"+word) {
				return text
			}
		}
	}
	if s := next("READY=1"); !strings.Contains(s, "STATUS=1 accounts") {
		t.Errorf("at the start: got %q, want STATUS=1 accounts", s)
	}
	next("WATCHDOG=1")
	next("WATCHDOG=1")
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if s := next("RELOADING=1"); !strings.Contains(s, "\nMONOTONIC_USEC=") {
		t.Errorf("at a reload: got %q, want MONOTONIC_USEC", s)
	}
	next("READY=1")
	next("WATCHDOG=1")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	next("STOPPING=1")
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit 0\n%s", err, p.out.String())
	}
}

// After TERM it ends within ten seconds, although neither side answers any more,
// and records what may have arrived.
func TestTermWithStalledServersEndsInTime(t *testing.T) {
	t.Parallel()
	reached, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot {
			close(reached)
			<-release
		}
		return smtptest.Fault{}
	}})
	src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	stalled, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stalled.Close() })
	cfg := testworld.Config(t, `
state: popferry.db
accounts:
  - {name: dot, %s, tls: none, username: leo, password: secret}
  - {name: greeting, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, stalled.Addr().String()), testworld.HostPort(t, sink.Addr().String()))
	p := start(t, build(t), "run", "--config", cfg)
	conn, err := stalled.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	<-reached
	began := time.Now()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit 0\n%s", err, p.out.String())
	}
	if took := time.Since(began); took >= 10*time.Second {
		t.Errorf("it took %s, want less than 10s", took)
	}
	_, out, _ := popferry(t, "messages", "--json", "--config", cfg)
	if !strings.Contains(out, `"state":"unknown"`) || len(src.Messages("leo")) != 1 {
		t.Errorf("got %s and %d messages on the server, want one that is unknown", out, len(src.Messages("leo")))
	}
}

// If neither the new configuration nor the old one can be used, nothing is
// polled, and health checks fail, until one can.
func TestDaemonWithoutUsableConfigurationTriesAgain(t *testing.T) {
	t.Parallel()
	sink := testworld.SMTP(t, smtptest.Options{})
	src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	cfg := testworld.Config(t, "state: popferry.db\nlisten: 127.0.0.1:0\nspool: {dir: spool}\nschedule: '@every 1h'\n"+
		"accounts:\n  - {name: isp, %s, tls: none, username: leo, password: secret}\n"+
		"forward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org]}\n", testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	p := start(t, build(t), "run", "--config", cfg)
	p.logged(t, 1, "msg=polled")
	health := "http://" + regexp.MustCompile(`listen=(127\.0\.0\.1:\d+)`).FindStringSubmatch(p.out.String())[1] + "/healthz"
	spool := filepath.Join(filepath.Dir(cfg), "spool")
	if err := os.RemoveAll(spool); err != nil {
		t.Fatal(err)
	}
	testworld.Write(t, spool, "a file where the folder was")
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.logged(t, 1, "the old configuration cannot be used any more either")
	if code, body := testworld.Request(t, health, nil, ""); code != 503 {
		t.Errorf("without a configuration: got %d, want 503\n%s", code, body)
	}
	if code, _, errs := popferry(t, "poll", "--config", cfg); code != exitAgain {
		t.Errorf("poll: got exit %d, want %d\n%s", code, exitAgain, errs)
	}
	src.Add("leo", pop3test.Message{UID: "later", Octets: []byte(testworld.OneMail)})
	if err := os.Remove(spool); err != nil {
		t.Fatal(err)
	}
	p.logged(t, 1, "configuration read again")
	if code, _, errs := popferry(t, "poll", "--config", cfg); code != exitOK {
		t.Errorf("poll, with a configuration again: got exit %d, want %d\n%s", code, exitOK, errs)
	}
	testworld.WaitFor(t, "message that came meanwhile", func() bool { return len(sink.Messages()) == 2 })
	if code, body := testworld.Request(t, health, nil, ""); code != 200 {
		t.Errorf("with a configuration again: got %d, want 200\n%s", code, body)
	}
}

// USR1 comes from a user: an account that backs off after a failure is polled,
// too.
func TestUSR1PollsInSpiteOfBackOff(t *testing.T) {
	t.Parallel()
	sink := testworld.SMTP(t, smtptest.Options{})
	var well atomic.Bool
	src := testworld.POP3(t, pop3test.Options{Handle: testworld.Refusing(&well)}, testworld.OneMail)
	cfg := testworld.Config(t, "state: popferry.db\nschedule: '@every 1h'\naccounts:\n  - {name: isp, %s, tls: none, username: leo, password: secret}\n"+
		"forward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org]}\n", testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	p := start(t, build(t), "run", "--config", cfg)
	p.logged(t, 1, "poll ended early")
	well.Store(true)
	testworld.WaitFor(t, "poll in spite of the back-off", func() bool { // a poll that is just ending is not repeated
		if err := p.Process.Signal(syscall.SIGUSR1); err != nil {
			t.Fatal(err)
		}
		return len(sink.Messages()) == 1
	})
}

// HUP and USR1 may come before anything was read. They do not end the process,
// and it acts on them when it has started.
func TestSignalsBeforeTheStartAreKept(t *testing.T) {
	t.Parallel()
	binary := build(t)
	for _, c := range []struct {
		name   string
		signal os.Signal
		answer string
	}{
		{"HUP", syscall.SIGHUP, "configuration read again"},
		{"USR1", syscall.SIGUSR1, "polling all accounts now"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			src, sink := testworld.POP3(t, pop3test.Options{}, testworld.OneMail), testworld.SMTP(t, smtptest.Options{})
			text := "state: popferry.db\naccounts:\n  - {name: isp, " + testworld.HostPort(t, src.Addr()) + ", tls: none, username: leo, password: secret}\n" +
				"forward:\n  - {" + testworld.HostPort(t, sink.Addr().String()) + ", tls: none, from: me@example.org, to: [me@example.org]}\n"
			// The first who opens a pipe waits for the other one, so that the
			// process is about to read its configuration, and has nothing of it.
			dir := t.TempDir()
			pipe, file := filepath.Join(dir, "popferry.yaml"), filepath.Join(dir, "file")
			if err := syscall.Mkfifo(pipe, 0o600); err != nil {
				t.Fatal(err)
			}
			p := start(t, binary, "run", "--config", pipe)
			w, err := os.OpenFile(pipe, os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			testworld.Write(t, file, text)
			if err := os.Rename(file, pipe); err != nil { // for a reload
				t.Fatal(err)
			}
			if _, err := w.WriteString(text); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			p.logged(t, 1, c.answer)
			p.terminate(t)
		})
	}
}
