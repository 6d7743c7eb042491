//go:build linux

package daemon

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
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

// twoReplicas are two daemons that share the accounts of one configuration.
func twoReplicas(t *testing.T, accounts int) (*manyAccounts, []*daemon) {
	t.Helper()
	c := newManyAccounts(t, accounts, 4)
	c.share(t)
	var daemons []*daemon
	for range 2 {
		d, cfg := fixture(t, c.config, io.Discard, slog.LevelWarn)
		d.begin(t, cfg)
		daemons = append(daemons, d)
	}
	return c, daemons
}

// TestReplicasAnswerRequests: any daemon may be asked, and one of them polls, once,
// and a request that only the ledger has is seen by all.
func TestReplicasAnswerRequests(t *testing.T) {
	t.Parallel()
	const accounts = 8
	c, daemons := twoReplicas(t, accounts)
	for _, d := range daemons {
		t.Cleanup(d.goBackground(d.beats))
	}
	polls := func(user string) int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.polls[user]
	}
	testworld.WaitFor(t, "the first polls", func() bool { return c.sink.Wait(t.Context(), accounts) == nil && polls("user0") == 1 })
	results, n, err := daemons[0].requestPolls("user0")
	if err != nil || n != 1 {
		t.Fatalf("got %d results, %v; want 1", n, err)
	}
	if res := <-results; res.Err != nil || res.Skip != fetcher.NotSkipped && res.Skip != fetcher.NotDue && res.Skip != fetcher.Leased {
		t.Errorf("got skip %d, error %v; want a poll by one of them", res.Skip, res.Err)
	}
	testworld.WaitFor(t, "the poll that was asked for", func() bool { return polls("user0") == 2 })
	var lines []string
	err = requestByLedger(t.Context(), daemons[0].Config, []string{"user1", "user2"}, func(p PollResult) error {
		lines = append(lines, p.Summary+p.Problem)
		return nil
	})
	slices.Sort(lines)
	if want := "user1: polled, 1 on server; "; err != nil || len(lines) != 2 || !strings.HasPrefix(lines[0], want) {
		t.Errorf("asked by the ledger: got %v, %q; want two lines, the first with %q", err, lines, want)
	}
	if open, err := daemons[0].shared.Beat(t.Context(), ledger.Replica{Name: "one who looks"}); err != nil || len(open.Requests) != 0 {
		t.Errorf("requests that are left: %v, %v; want none", open.Requests, err)
	}
	for _, d := range daemons {
		d.running().stop()
	}
	for user, want := range map[string]int{"user0": 2, "user1": 2, "user2": 2, "user3": 1} {
		if got := polls(user); got != want {
			t.Errorf("%s was polled %d times, want %d", user, got, want)
		}
	}
}

// TestSickReplica: a daemon that cannot connect to anything harms no account, and
// leaves all to the other one until it can.
func TestSickReplica(t *testing.T) {
	t.Parallel()
	const accounts, hosts = 14, 7
	c := newManyAccounts(t, accounts, hosts)
	c.share(t)
	good, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	well, wellConfig := fixture(t, c.config, io.Discard, slog.LevelWarn)
	well.beat(t.Context(), newReplica()) // so that the other one is not alone
	broken := filepath.Join(t.TempDir(), "popferry.yaml")
	// Nobody has this address (RFC 5737 section 3).
	if err := os.WriteFile(broken, bytes.Replace(good, []byte("defaults: {"), []byte("defaults: {bind: 192.0.2.1, "), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	sick, sickConfig := fixture(t, broken, io.Discard, slog.LevelWarn)
	sick.begin(t, sickConfig)
	testworld.WaitFor(t, "replica that is sick", func() bool { return sick.view.Ready(t.Context()) != nil })
	sick.beat(t.Context(), newReplica())
	sick.running().stop()
	rows, err := well.Store.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range rows {
		if a.Failures > 0 || a.Cause.Code != "" || !a.NotBefore.IsZero() || !a.Began.IsZero() {
			t.Errorf("%s: %d failures, %q; want nothing held against it, and that it is still due", a.Name, a.Failures, a.Cause.Text)
		}
	}
	replicas, err := well.shared.Replicas(t.Context())
	if err != nil || !slices.ContainsFunc(replicas, func(r ledger.Replica) bool { return strings.Contains(r.Sick, "servers in a row") }) {
		t.Errorf("got %+v, %v; want one that is sick", replicas, err)
	}
	well.begin(t, wellConfig)
	if err := c.sink.Wait(t.Context(), accounts); err != nil {
		t.Fatal(err)
	}
	well.running().stop()
	c.check(t)
	sick.begin(t, wellConfig) // its network is mended
	sick.beat(t.Context(), newReplica())
	if err := sick.view.Ready(t.Context()); err != nil {
		t.Errorf("after it could connect: %v", err)
	}
}

// TestServerThatIsDownForAll: a server that two daemons could not reach is at fault.
func TestServerThatIsDownForAll(t *testing.T) {
	t.Parallel()
	c := newManyAccounts(t, 1, 1)
	c.share(t)
	text, err := os.ReadFile(c.config)
	if err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = closed.Close()
	text = regexp.MustCompile(`username: user0, host: [0-9.]+, port: [0-9]+`).ReplaceAll(text, fmt.Appendf(nil, "username: user0, %s", at(closed.Addr().String())))
	if err := os.WriteFile(c.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var daemons []*generation
	var stores []ledger.Store
	for range 2 {
		d, cfg := fixture(t, c.config, io.Discard, slog.LevelError+1)
		d.beat(t.Context(), newReplica())
		g, err := d.newGeneration(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(g.stop)
		daemons, stores = append(daemons, g), append(stores, d.Store)
	}
	for i, want := range []int{0, 1} {
		res, _ := daemons[i].app.Poll(t.Context(), "user0", false, schedule.Turn{})
		rows, err := stores[i].Accounts(t.Context())
		if err != nil || res.Err == nil || rows[0].Failures != want {
			t.Errorf("seen by %d: got %v, %d failures, %v; want an error, %d failures", i+1, res.Err, rows[0].Failures, err, want)
		}
	}
}

// TestDatabaseAway: while the ledger's database is away nothing is sent and nothing
// deleted, and the daemon is not ready. All goes on by itself.
func TestDatabaseAway(t *testing.T) {
	t.Parallel()
	src, sink := testworld.POP3(t, pop3test.Options{}, testworld.OneMail), testworld.SMTP(t, smtptest.Options{})
	database := postgrestest.Start(t)
	path := testworld.Config(t, `
state: %s
spool: {dir: %s}
schedule: "@every 5s"
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret, leave_on_server: false}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, database.New(t), t.TempDir(), testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	var log testworld.Output
	d, cfg := fixture(t, path, &log, slog.LevelInfo)
	g := d.begin(t, cfg)
	t.Cleanup(d.goBackground(d.beats))
	testworld.WaitFor(t, "first message", func() bool { return len(sink.Messages()) == 1 && len(src.Messages("leo")) == 0 })
	testworld.WaitFor(t, "end of the poll", func() bool { return len(g.busy()) == 0 })
	database.Stop(t)
	src.Add("leo", pop3test.Message{UID: "later", Octets: []byte(testworld.Mail(2)[1])})
	ready := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return d.view.Ready(ctx)
	}
	testworld.WaitFor(t, "poll that fails", func() bool { return strings.Contains(log.String(), "poll ended early") })
	if err := ready(); err == nil {
		t.Error("it is ready without its ledger")
	}
	if _, _, err := d.requestPolls("isp"); err == nil {
		t.Error("a request is taken that cannot be noted: want an error")
	}
	if sent, left := len(sink.Messages()), len(src.Messages("leo")); sent != 1 || left != 1 {
		t.Errorf("without the ledger: %d sent, %d on the server; want 1, 1", sent, left)
	}
	database.Go(t)
	testworld.WaitFor(t, "second message", func() bool { return len(sink.Messages()) == 2 && len(src.Messages("leo")) == 0 })
	if err := ready(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	if n := len(sink.Messages()); n != 2 {
		t.Errorf("%d messages arrived, want 2", n)
	}
}

// TestReplicasPollOnce: of accounts that are due for two daemons each is polled by one
// of them, once. A third one that starts then has nothing to do.
func TestReplicasPollOnce(t *testing.T) {
	t.Parallel()
	const accounts = 60
	c, daemons := twoReplicas(t, accounts)
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
	var tell []bool
	for _, d := range append(daemons, third) {
		tell = append(tell, d.view.TellsAll(t.Context()))
	}
	if want := []bool{true, false, false}; !slices.Equal(tell, want) {
		t.Errorf("who tells of all accounts: got %v, want %v", tell, want)
	}
	for _, d := range append(daemons, third) {
		d.running().stop()
	}
	c.check(t)
	if c.sent.most > 2 {
		t.Errorf("%d transactions at once with a destination that may have 2 connections", c.sent.most)
	}
}
