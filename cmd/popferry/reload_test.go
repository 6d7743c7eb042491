//go:build linux

package main

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestReloadWithStalledDestination: a destination that does not answer holds up
// a new configuration for seconds only. What is in flight with it goes on, its
// limits hold for both configurations, and nothing is lost or sent twice.
func TestReloadWithStalledDestination(t *testing.T) {
	t.Parallel()
	binary := build(t)
	t.Run("it answers in the end", func(t *testing.T) {
		t.Parallel()
		s := newStall(t)
		p := s.reload(t, binary)
		s.release()
		waitFor(t, "end of both polls", func() bool {
			return strings.Contains(p.out.String(), "msg=polled account=isp") && strings.Contains(p.out.String(), "msg=polled account=work")
		})
		p.terminate(t)
		if n := len(s.stalled.Messages()); n != 3 || len(s.other.Messages()) != 1 {
			t.Errorf("%d messages arrived, want 3\n%s", n, p.out.String())
		}
	})
	t.Run("it never answers", func(t *testing.T) {
		t.Parallel()
		s := newStall(t)
		p := s.reload(t, binary)
		began := time.Now()
		p.terminate(t)
		if took := time.Since(began); took >= 10*time.Second {
			t.Errorf("it took %s", took)
		}
		_, out, _ := popferry(t, "messages", "--json", "--account", "isp", "--config", s.config)
		if !strings.Contains(out, `"state":"unknown"`) {
			t.Errorf("the ledger has %s\n%s", out, p.out.String())
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
	s := &stall{src: startPOP3(t, pop3test.Options{}, oneMail), other: startSMTP(t, smtptest.Options{}), reached: make(chan struct{})}
	held := make(chan struct{})
	arrived := sync.OnceFunc(func() { close(s.reached) })
	s.stalled = startSMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot {
			arrived()
			<-held
		}
		return smtptest.Fault{}
	}})
	s.release = sync.OnceFunc(func() { close(held) })
	t.Cleanup(s.release)
	s.config = writeConfig(t, "%s", s.text(t, ""))
	return s
}

// text is the configuration, with more accounts.
func (s *stall) text(t *testing.T, more string) string {
	t.Helper()
	return `state: popferry.db
schedule: "@every 1h"
forward:
  - {name: stalled, ` + hostPort(t, s.stalled.Addr().String()) + `, tls: none, connections: 1, in_flight: 1, from: me@example.org, to: [me@example.org]}
  - {name: other, ` + hostPort(t, s.other.Addr().String()) + `, tls: none, from: me@example.org, to: [me@example.org]}
accounts:
  - {name: isp, ` + hostPort(t, s.src.Addr()) + ", tls: none, username: leo, password: secret}\n" + more
}

// reload starts the program, and has it go over to a configuration with more
// accounts while the destination does not answer.
func (s *stall) reload(t *testing.T, binary string) *process {
	t.Helper()
	p := start(t, binary, "run", "--config", s.config)
	<-s.reached
	s.src.Add("leo", pop3test.Message{UID: "uid-2", Octets: []byte(strings.ReplaceAll(oneMail, "one", "two"))})
	late := startPOP3(t, pop3test.Options{}, oneMail)
	rewrite(t, s.config, s.text(t, "  - {name: work, "+hostPort(t, s.src.Addr())+", tls: none, username: zoe, password: secret}\n"+
		"  - {name: club, "+hostPort(t, late.Addr())+", tls: none, username: leo, password: secret, forward: other}\n"))
	waitFor(t, "mail by the new configuration", func() bool { return len(s.other.Messages()) == 1 })
	p.logged(t, 1, `they go on in the background" accounts=[isp]`)
	if n := s.stalled.Connections(); n != 1 {
		t.Errorf("%d connections with a destination that is asked for one at a time", n)
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
		t.Errorf("%v\n%s", err, p.out.String())
	}
}
