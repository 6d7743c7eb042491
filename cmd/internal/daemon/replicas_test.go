//go:build linux

package daemon

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// share has the accounts kept in a database, which several daemons can use, and lets
// all together have two connections with the destination.
func (c *manyAccounts) share(tb testing.TB) {
	tb.Helper()
	text, err := os.ReadFile(c.config)
	if err != nil {
		tb.Fatal(err)
	}
	url := postgrestest.Start(tb).New(tb)
	lines := bytes.Split(text, []byte("\n"))
	for i, line := range lines {
		switch {
		case bytes.HasPrefix(line, []byte("state:")):
			lines[i] = []byte("state: " + url + "\nspool: {dir: " + tb.TempDir() + "}")
		case bytes.HasPrefix(line, []byte("forward:")):
			lines[i] = bytes.Replace(line, []byte("tls: none"), []byte("tls: none, connections: 2"), 1)
		case bytes.HasPrefix(line, []byte("defaults:")):
			lines[i] = []byte("defaults: {tls: none, password: secret}")
		}
	}
	if err := os.WriteFile(c.config, bytes.Join(lines, []byte("\n")), 0o600); err != nil {
		tb.Fatal(err)
	}
}

// TestReplicasNotifyOnce: whichever daemon looks, a notice comes once.
func TestReplicasNotifyOnce(t *testing.T) {
	t.Parallel()
	src, sink := testworld.POP3(t, pop3test.Options{Handle: testworld.Refusing(new(atomic.Bool))}), testworld.SMTP(t, smtptest.Options{})
	path := testworld.Config(t, `
state: %s
spool: {dir: %s}
notify: {to: admin@example.org, after: 0s}
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, postgrestest.Start(t).New(t), t.TempDir(), testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	var log testworld.Output
	var looking sync.WaitGroup
	for i := range 3 {
		d, cfg := fixture(t, path, &log, slog.LevelWarn)
		g, err := d.newGeneration(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.stop)
		if i == 0 {
			g.app.PollAll(t.Context(), false)
		}
		looking.Go(func() {
			for range 5 {
				g.app.Notify(t.Context(), d.Store, d.Log.Logger)
			}
		})
	}
	looking.Wait()
	if n := len(sink.Messages()); n != 1 {
		t.Errorf("%d notices, want 1\n%s", n, log.String())
	}
}

// TestReplicasPollOnce: of accounts that are due for two daemons each is polled by one
// of them, once. A third one that starts then has nothing to do.
func TestReplicasPollOnce(t *testing.T) {
	t.Parallel()
	const accounts = 60
	c := newManyAccounts(t, accounts, 4)
	c.share(t)
	var daemons []*daemon
	for range 2 {
		d, cfg := fixture(t, c.config, io.Discard, slog.LevelWarn)
		d.begin(t, cfg)
		daemons = append(daemons, d)
	}
	idle := func(d *daemon) bool { // it knows of no account that is due before tomorrow
		for _, name := range d.running().app.Names() {
			if time.Until(d.running().sched.Next(name)) < 23*time.Hour {
				return false
			}
		}
		return len(d.running().busy()) == 0
	}
	testworld.WaitFor(t, "the end of all polls", func() bool { return idle(daemons[0]) && idle(daemons[1]) })
	c.check(t)
	third, cfg := fixture(t, c.config, io.Discard, slog.LevelWarn)
	third.begin(t, cfg)
	testworld.WaitFor(t, "the third daemon's plan", func() bool { return idle(third) })
	for _, d := range append(daemons, third) {
		d.running().stop()
	}
	c.check(t)
	if c.sent.most > 2 {
		t.Errorf("%d transactions at once with a destination that may have 2 connections", c.sent.most)
	}
}
