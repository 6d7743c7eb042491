//go:build linux

package daemon

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
)

// share has the accounts kept in a database, which several daemons can use.
func (c *manyAccounts) share(tb testing.TB, more ...string) {
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
			lines[i] = []byte("state: " + url + "\nspool: {dir: " + tb.TempDir() + "}\n" + strings.Join(more, "\n"))
		case bytes.HasPrefix(line, []byte("defaults:")):
			lines[i] = []byte("defaults: {tls: none, password: secret}")
		}
	}
	if err := os.WriteFile(c.config, bytes.Join(lines, []byte("\n")), 0o600); err != nil {
		tb.Fatal(err)
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
}
