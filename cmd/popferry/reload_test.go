//go:build linux

package main

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// A destination that does not answer delays a new configuration for seconds only.
// What is in flight with it goes on, its limits hold for both configurations
// together, and nothing is lost or sent twice.
func TestReloadDoesNotWaitForAStalledDestination(t *testing.T) {
	t.Parallel()
	binary := build(t)
	t.Run("it answers in the end", func(t *testing.T) {
		t.Parallel()
		s := newStall(t)
		p := s.reload(t, binary)
		s.release()
		testworld.WaitFor(t, "end of both polls", func() bool {
			return strings.Contains(p.out.String(), "msg=polled account=isp") && strings.Contains(p.out.String(), "msg=polled account=work")
		})
		p.terminate(t)
		if n := len(s.stalled.Messages()); n != 3 || len(s.other.Messages()) != 1 {
			t.Errorf("%d and %d messages arrived, want 3 and 1\n%s", n, len(s.other.Messages()), p.out.String())
		}
	})
	t.Run("it never answers", func(t *testing.T) {
		t.Parallel()
		s := newStall(t)
		p := s.reload(t, binary)
		began := time.Now()
		p.terminate(t)
		if took := time.Since(began); took >= 10*time.Second {
			t.Errorf("it took %s, want less than 10s", took)
		}
		_, out, _ := popferry(t, "messages", "--json", "--account", "isp", "--config", s.config)
		if !strings.Contains(out, `"state":"unknown"`) {
			t.Errorf("got %s, want a message that is unknown\n%s", out, p.out.String())
		}
	})
}

// stall is two destinations, one of which takes a message and does not answer.
type stall struct {
	src            *pop3test.Server
	stalled, other *smtptest.Server
	reached        chan struct{}
	release        func()
	config         string
}

func newStall(t *testing.T) *stall {
	t.Helper()
	s := &stall{src: testworld.POP3(t, pop3test.Options{}, testworld.OneMail), other: testworld.SMTP(t, smtptest.Options{}), reached: make(chan struct{})}
	held := make(chan struct{})
	arrived := sync.OnceFunc(func() { close(s.reached) })
	s.stalled = testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot {
			arrived()
			<-held
		}
		return smtptest.Fault{}
	}})
	s.release = sync.OnceFunc(func() { close(held) })
	t.Cleanup(s.release)
	s.config = testworld.Config(t, "%s", s.text(t, ""))
	return s
}

// text is the configuration, with more accounts.
func (s *stall) text(t *testing.T, more string) string {
	t.Helper()
	return `state: popferry.db
schedule: "@every 1h"
forward:
  - {name: stalled, ` + testworld.HostPort(t, s.stalled.Addr().String()) + `, tls: none, connections: 1, in_flight: 1, from: me@example.org, to: [me@example.org]}
  - {name: other, ` + testworld.HostPort(t, s.other.Addr().String()) + `, tls: none, from: me@example.org, to: [me@example.org]}
accounts:
  - {name: isp, ` + testworld.HostPort(t, s.src.Addr()) + ", tls: none, username: leo, password: secret}\n" + more
}

// reload starts the program, and has it go over to a configuration with more
// accounts while the destination does not answer.
func (s *stall) reload(t *testing.T, binary string) *process {
	t.Helper()
	p := start(t, binary, "run", "--config", s.config)
	<-s.reached
	s.src.Add("leo", pop3test.Message{UID: "uid-2", Octets: []byte(strings.ReplaceAll(testworld.OneMail, "one", "two"))})
	late := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	testworld.Write(t, s.config, s.text(t, "  - {name: work, "+testworld.HostPort(t, s.src.Addr())+", tls: none, username: zoe, password: secret}\n"+
		"  - {name: club, "+testworld.HostPort(t, late.Addr())+", tls: none, username: leo, password: secret, forward: other}\n"))
	testworld.WaitFor(t, "mail by the new configuration", func() bool { return len(s.other.Messages()) == 1 })
	p.logged(t, 1, `they go on in the background" accounts=[isp]`)
	if n := s.stalled.Connections(); n != 1 {
		t.Errorf("%d connections with a destination that takes one at a time, want 1", n)
	}
	return p
}

// terminate sends TERM and waits for the end.
func (p *process) terminate(t *testing.T) {
	t.Helper()
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("got %v, want exit 0\n%s", err, p.out.String())
	}
}

// A reload applies the log's level, and the log names what needs a restart.
func TestReloadAppliesSettings(t *testing.T) {
	t.Parallel()
	src, sink := testworld.POP3(t, pop3test.Options{}, testworld.OneMail), testworld.SMTP(t, smtptest.Options{})
	rest := "schedule: '@every 1h'\naccounts:\n  - {name: isp, " + testworld.HostPort(t, src.Addr()) + ", tls: none, username: leo, password: secret}\n" +
		"forward:\n  - {" + testworld.HostPort(t, sink.Addr().String()) + ", tls: none, from: me@example.org, to: [me@example.org]}\n"
	cfg := testworld.Config(t, "%s", "state: popferry.db\n"+rest)
	p := start(t, build(t), "run", "--trace", "isp", "--config", cfg)
	p.logged(t, 1, "msg=polled")
	reload := func(settings string) {
		t.Helper()
		testworld.Write(t, cfg, settings+rest)
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
		t.Errorf("at level warn it logs polls, want none:\n%s", quiet)
	}
	p.terminate(t)
}

// A running popferry says so, too, when an account with the only copies of mail is
// disabled.
func TestReloadNamesCopiesOfAnAccountThatIsDisabled(t *testing.T) {
	t.Parallel()
	f := newCopies(t, 1)
	f.edit("log: {level: error}", "log: {level: info}", "accounts:", "accounts:\n  - {name: other, "+testworld.HostPort(t, f.pop.Addr())+", tls: none, username: zoe, password: secret}")
	f.keepsMail()
	p := start(t, build(t), "run", "--config", f.config)
	p.logged(t, 1, "msg=started")
	f.edit("{name: isp", "{name: isp, enabled: false")
	if err := p.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	p.logged(t, 1, "mail that only popferry has is not sent")
	p.logged(t, 1, "1 message, and the account is disabled")
	p.terminate(t)
	f.hasCopies(f.kept(), "1-uid-1.eml")
}
