//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestReloadOfSettings: a reload takes over the log's level, and the log names
// what takes a restart.
func TestReloadOfSettings(t *testing.T) {
	t.Parallel()
	src, sink := startPOP3(t, pop3test.Options{}, oneMail), startSMTP(t, smtptest.Options{})
	rest := "schedule: '@every 1h'\naccounts:\n  - {name: isp, " + hostPort(t, src.Addr()) + ", tls: none, username: leo, password: secret}\n" +
		"forward:\n  - {" + hostPort(t, sink.Addr().String()) + ", tls: none, from: me@example.org, to: [me@example.org]}\n"
	cfg := writeConfig(t, "%s", "state: popferry.db\n"+rest)
	p := start(t, build(t), "run", "--trace", "isp", "--config", cfg)
	p.logged(t, 1, "msg=polled")
	reload := func(settings string) {
		t.Helper()
		rewrite(t, cfg, settings+rest)
		if err := p.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	reload("state: popferry.db\nlog: {level: info, format: json}\n")
	p.logged(t, 1, `msg="log.format changed; restart to apply" format=json`)
	p.logged(t, 1, `msg="configuration read again"`)

	reload("state: popferry.db\nstate_create: false\nlog: {level: warn}\n")
	p.logged(t, 1, `msg="state_create changed; restart to apply" state_create=false`)
	before := len(p.out.String())
	reload("state: other.db\nlog: {level: warn}\n")
	p.logged(t, 1, "state has changed from ")
	reload("state: popferry.db\nstate_create: false\nlog: {level: info}\n")
	p.logged(t, 2, `msg="configuration read again"`)
	quiet := p.out.String()[before:]
	quiet = quiet[:strings.Index(quiet, `msg="configuration read again"`)]
	if strings.Contains(quiet, "msg=polled") {
		t.Errorf("at level warn it logs polls:\n%s", quiet)
	}
	p.terminate(t)
}

// TestSignalAtStart: HUP and USR1 may come before anything was read. They do not
// end the process, and are answered once it has started.
func TestSignalAtStart(t *testing.T) {
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
			src, sink := startPOP3(t, pop3test.Options{}, oneMail), startSMTP(t, smtptest.Options{})
			text := "state: popferry.db\naccounts:\n  - {name: isp, " + hostPort(t, src.Addr()) + ", tls: none, username: leo, password: secret}\n" +
				"forward:\n  - {" + hostPort(t, sink.Addr().String()) + ", tls: none, from: me@example.org, to: [me@example.org]}\n"
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
			rewrite(t, file, text)
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
