//go:build linux

package main

import (
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// replicas is a configuration whose ledger is in PostgreSQL.
func replicas(t *testing.T, o pop3test.Options, mail ...string) (config string, sink *smtptest.Server) {
	t.Helper()
	return replicasOn(t, postgrestest.Start(t).New(t), o, mail...)
}

// replicasOn is replicas on that database.
func replicasOn(t *testing.T, url string, o pop3test.Options, mail ...string) (config string, sink *smtptest.Server) {
	t.Helper()
	pop := testworld.POP3(t, o, mail...)
	sink = testworld.SMTP(t, smtptest.Options{})
	config = testworld.Config(t, `
log: {level: error}
state: %s
spool: {dir: %s}
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, url, filepath.Join(t.TempDir(), "spool"), testworld.HostPort(t, pop.Addr()), testworld.HostPort(t, sink.Addr().String()))
	return config, sink
}

// TestDatabase: the commands work on a ledger in a database as on a file.
func TestDatabase(t *testing.T) {
	config, sink := replicas(t, pop3test.Options{}, "one", "two")
	for range 2 {
		if code, out, errs := popferry(t, "run", "--once", "--config", config); code != exitOK {
			t.Fatalf("run: exit %d\n%s%s", code, out, errs)
		}
	}
	if got := len(sink.Messages()); got != 2 {
		t.Errorf("%d messages arrived, want 2", got)
	}
	for _, command := range []string{"messages", "status"} {
		if code, out, errs := popferry(t, command, "--config", config); code != exitOK || !strings.Contains(out, "isp") {
			t.Errorf("%s: exit %d\n%s%s", command, code, out, errs)
		}
	}
}

// TestReplicaKilled: two processes are never in one mailbox at once, and the mailbox
// of one that is killed is the other one's.
func TestReplicaKilled(t *testing.T) {
	t.Parallel()
	fetching, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	config, sink := replicas(t, pop3test.Options{Handle: func(_ *pop3test.Session, verb, _ string) bool {
		if verb == "RETR" {
			once.Do(func() {
				close(fetching)
				<-release // the first process waits in the mailbox
			})
		}
		return false
	}}, "one", "two")
	p := start(t, build(t), "run", "--once", "--config", config)
	<-fetching
	code, out, errs := popferry(t, "run", "--once", "--verbose", "--config", config)
	if code != exitOK || !strings.Contains(errs, "another popferry is polling it now") {
		t.Errorf("a second process: exit %d, want %d and a line that says why\n%s%s", code, exitOK, out, errs)
	}
	if err := p.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = p.Wait() // killed
	close(release)
	if code, out, errs = popferry(t, "run", "--once", "--now", "--config", config); code != exitOK {
		t.Errorf("after it was killed: exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
	if got := len(sink.Messages()); got != 2 {
		t.Errorf("%d messages arrived, want 2", got)
	}
}

// TestDatabaseIsAwayAtTheStart: a daemon waits for it, and ends meanwhile if it is told
// to.
func TestDatabaseIsAwayAtTheStart(t *testing.T) {
	t.Parallel()
	database := postgrestest.Start(t)
	config, sink := replicasOn(t, database.New(t), pop3test.Options{}, "one")
	database.Stop(t)
	waits := func(p *process) func() bool {
		return func() bool { return strings.Contains(p.out.String(), "waiting for the database") }
	}
	p := start(t, build(t), "run", "--config", config)
	testworld.WaitFor(t, "word about the database", waits(p))
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("told to end, it ended with %v\n%s", err, p.out.String())
	}
	p = start(t, build(t), "run", "--config", config)
	testworld.WaitFor(t, "word about the database", waits(p))
	database.Go(t)
	testworld.WaitFor(t, "delivery", func() bool { return len(sink.Messages()) == 1 })
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, p.out.String())
	}
}
