//go:build linux

package main

import (
	"bufio"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// popferry poll --wait prints the results of the polls that it requested, in the
// words and with the exit code of run --once.
func TestPollWaitPrintsResults(t *testing.T) {
	t.Parallel()
	reached, release := make(chan struct{}), make(chan struct{})
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == 3 {
			close(reached)
			<-release
		}
		return smtptest.Fault{}
	}})
	t.Cleanup(sync.OnceFunc(func() { close(release) }))
	var well atomic.Bool
	src, other := testworld.POP3(t, pop3test.Options{Handle: testworld.Refusing(&well)}, testworld.OneMail), testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	cfg := testworld.Config(t, "state: popferry.db\nschedule: '@every 1h'\naccounts:\n  - {name: isp, %s, tls: none, username: leo, password: secret}\n"+
		"  - {name: work, %s, tls: none, username: zoe, password: secret}\n"+
		"forward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org]}\n",
		testworld.HostPort(t, src.Addr()), testworld.HostPort(t, other.Addr()), testworld.HostPort(t, sink.Addr().String()))
	p := start(t, build(t), "run", "--config", cfg)
	p.logged(t, 1, "poll ended early")
	p.logged(t, 1, "msg=polled account=work")
	poll := func(wantCode int, wantOut []string, wantErrs string, args ...string) {
		t.Helper()
		code, out, errs := popferry(t, append([]string{"poll", "--wait", "--config", cfg}, args...)...)
		if code != wantCode || strings.Count(out, "\n") != len(wantOut) || !strings.Contains(errs, wantErrs) {
			t.Errorf("got exit %d, want %d with %d lines and %q\n%s%s", code, wantCode, len(wantOut), wantErrs, out, errs)
		}
		for _, want := range wantOut {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
	}
	poll(exitAgain, []string{"isp: FAILED: "}, "popferry: isp: ", "isp")
	poll(exitOK, []string{"work: 0 forwarded, 0 held, 0 deferred, 0 skipped, 1 on server, "}, "", "work")
	poll(exitUsage, nil, `there is no account "nobody" in `, "work", "nobody")
	poll(exitUsage, nil, `did you mean "work"?`, "works")
	well.Store(true)
	poll(exitOK, []string{"isp: 1 forwarded, ", "work: 0 forwarded, "}, "")

	src.Add("leo", pop3test.Message{UID: "stalled", Octets: []byte(testworld.OneMail)})
	go func() {
		<-reached
		_ = p.Process.Kill() // that it has ended is seen below
	}()
	poll(exitAgain, nil, "stopped before the end of the poll", "isp")
	_ = p.Wait() // killed
}

// An account that was renamed while it was to be polled: who named it has to use
// another name, who asked for all has not.
func TestPollOfAnAccountThatIsNoMore(t *testing.T) {
	t.Parallel()
	cfg := testworld.Config(t, "state: popferry.db\naccounts:\n  - {name: isp, host: localhost, tls: none, username: leo, password: secret}\n"+
		"forward:\n  - {host: localhost, port: 1, tls: none, to: [me@example.org]}\n")
	l, err := net.Listen("unix", filepath.Join(filepath.Dir(cfg), "popferry.db.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(conn).ReadString('\n')
			_, _ = io.WriteString(conn, `{"polls":1}`+"\n"+`{"summary":"","complaint":"isp: not polled: renamed","not_polled":true}`+"\n")
			_ = conn.Close()
		}
	}()
	for _, test := range []struct {
		args []string
		code int
		errs string
	}{{[]string{"isp"}, exitUsage, "popferry: isp: not polled: renamed\n"}, {nil, exitOK, "popferry: isp: not polled: renamed\n"}} {
		code, out, errs := popferry(t, append([]string{"poll", "--wait", "--config", cfg}, test.args...)...)
		if code != test.code || out != "" || errs != test.errs {
			t.Errorf("poll %v: exit %d, %q, %q; want %d, nothing, %q", test.args, code, out, errs, test.code, test.errs)
		}
	}
}
