//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imaptest"
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

// TestOlderTables: commands that only look leave them as they are, and say what brings
// them up to date.
func TestOlderTables(t *testing.T) {
	t.Parallel()
	database := postgrestest.Start(t)
	url := database.New(t)
	config, _ := replicasOn(t, url, pop3test.Options{}, "one")
	doWith(t, config, exitOK, "run", "--once")
	name, _, _ := strings.Cut(path.Base(url), "?")
	database.Exec(t, name, "UPDATE popferry.ledger SET version = 0")
	for _, command := range []string{"status", "messages", "check"} {
		out := doWith(t, config, exitOther, command)
		for _, want := range []string{"tables of an older popferry", "If popferry runs as a service, restart that", "run --config " + config + " --once"} {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", command, want, out)
			}
		}
	}
}

// TestAsynchronousFailover: the standby that becomes the primary lacks the last commits.
// Nothing is lost. An inbox gets nothing twice; a server that only takes mail gets what
// was forwarded last twice, with the same trace, and that is counted.
func TestAsynchronousFailover(t *testing.T) {
	t.Parallel()
	primary := postgrestest.Start(t)
	standby := primary.Standby(t)
	database, _, _ := strings.Cut(path.Base(primary.New(t)), "?")
	pops := []*pop3test.Server{testworld.POP3(t, pop3test.Options{}), testworld.POP3(t, pop3test.Options{})}
	sink := testworld.SMTP(t, smtptest.Options{})
	inbox, err := imaptest.Start(imaptest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inbox.Close() })
	metrics := filepath.Join(t.TempDir(), "popferry.prom")
	config := testworld.Config(t, `
state: %s
spool: {dir: %s}
accounts:
  - {name: by-smtp, %s, tls: none, username: leo, password: secret}
  - {name: by-imap, %s, tls: none, username: leo, password: secret, forward: inbox}
forward:
  - {name: sink, %s, tls: none, from: me@example.org, to: [me@example.org]}
  - {name: inbox, protocol: imap, %s, tls: none, username: me, password: secret}
`, postgrestest.URLs(database, primary, standby), filepath.Join(t.TempDir(), "spool"), testworld.HostPort(t, pops[0].Addr()), testworld.HostPort(t, pops[1].Addr()),
		testworld.HostPort(t, sink.Addr().String()), testworld.HostPort(t, inbox.Addr().String()))
	mail := func(name string) {
		for _, p := range pops {
			p.Add("leo", pop3test.Message{UID: name, Octets: []byte("Message-ID: <" + name + "@example.org>\r\nReceived: from a by b; Sun, 22 Nov 2026 12:00:00 +0000\r\n\r\n" + name + "\r\n")})
		}
	}
	run := func() (log string) {
		t.Helper()
		code, out, errs := popferry(t, "run", "--once", "--now", "--verbose", "--metrics-file", metrics, "--config", config)
		if code != exitOK {
			t.Fatalf("run: exit %d\n%s%s", code, out, errs)
		}
		return errs
	}
	mail("early")
	if log := run(); !strings.Contains(log, "synchronous_standby_names is empty") {
		t.Errorf("no warning of an asynchronous standby:\n%s", log)
	}
	primary.Until(t, "the standby has it", "SELECT replay_lsn >= pg_current_wal_lsn() FROM pg_stat_replication")
	standby.Detach(t)
	mail("lost")
	run()
	primary.Stop(t)
	standby.Promote(t)
	mail("late")
	log := run()
	for _, want := range []string{"had a failover", "had arrived before the failover", "came twice"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log lacks %q:\n%s", want, log)
		}
	}
	if got := len(inbox.Messages("INBOX")); got != 3 {
		t.Errorf("the inbox has %d messages, want 3", got)
	}
	traces := make(map[string]int)
	for _, m := range sink.Messages() {
		_, after, _ := strings.Cut(string(m.Data), "X-Popferry-Trace: id=")
		id, _, _ := strings.Cut(after, ";")
		traces[id]++
	}
	if n := slices.Sorted(maps.Values(traces)); !slices.Equal(n, []int{1, 1, 2}) {
		t.Errorf("the sink got traces %v times, want two once and one twice", n)
	}
	numbers, err := os.ReadFile(metrics)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`popferry_ledger_failovers_total 1`, `popferry_messages_repeated_total{account="by-smtp"} 2`, `popferry_messages_repeated_total{account="by-imap"} 0`} {
		if !strings.Contains(string(numbers), want) {
			t.Errorf("the metrics lack %q", want)
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

// TestReplicaStopped: what is in flight when one process is told to stop is settled,
// and another one goes on with the mailbox within seconds.
func TestReplicaStopped(t *testing.T) {
	t.Parallel()
	const messages = 6
	sending, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	pop := testworld.POP3(t, pop3test.Options{Pipelining: pop3test.PipeliningHidden}, testworld.Mail(messages)...)
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == 2 {
			once.Do(func() {
				close(sending)
				<-release
			})
		}
		return smtptest.Fault{}
	}})
	config := testworld.Config(t, `
state: %s
spool: {dir: %s}
schedule: "@every 1h"
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret, leave_on_server: false}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org], in_flight: 1}
`, postgrestest.Start(t).New(t), filepath.Join(t.TempDir(), "spool"), testworld.HostPort(t, pop.Addr()), testworld.HostPort(t, sink.Addr().String()))
	first := start(t, build(t), "run", "--config", config)
	<-sending
	second := start(t, build(t), "run", "--config", config)
	second.logged(t, 1, "another popferry is polling it now")
	if err := first.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	first.logged(t, 1, "stopping")
	close(release)
	if err := first.Wait(); err != nil {
		t.Errorf("the first process: %v, want it to end well\n%s", err, first.out.String())
	}
	began, settled := time.Now(), len(sink.Messages())
	testworld.WaitFor(t, "rest of the mailbox", func() bool { return len(sink.Messages()) == messages && len(pop.Messages("leo")) == 0 })
	if took := time.Since(began); took > 25*time.Second || settled >= messages {
		t.Errorf("%d of %d messages were sent by the first process, the rest %v after it had ended; want the rest within seconds", settled, messages, took)
	}
	if n := len(sink.Messages()); n != messages {
		t.Errorf("%d messages arrived, want %d: none twice", n, messages)
	}
	second.terminate(t)
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

// TestToldToEndWhileTheLedgerIsOpened: a daemon ends then, too.
func TestToldToEndWhileTheLedgerIsOpened(t *testing.T) {
	t.Parallel()
	database := postgrestest.Start(t)
	config, sink := replicasOn(t, database.New(t), pop3test.Options{}, "one")
	database.Await(t, "nobody") // so that the tables are not there yet
	p := start(t, build(t), "run", "--config", config)
	database.Until(t, "popferry makes its tables", "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event = 'SyncRep')")
	if err := p.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	database.Await(t, "")
	if err := p.Wait(); err != nil {
		t.Errorf("it ended with %v\n%s", err, p.out.String())
	}
	if n := len(sink.Messages()); n != 0 {
		t.Errorf("%d messages arrived after it was told to end, want none", n)
	}
}

// TestStateCopy: a ledger goes from a file to a database and back, with its retained
// copies, quarantine and sign-ins. Nothing is sent twice, and the old place says where
// it went.
func TestStateCopy(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	pops := []*pop3test.Server{testworld.POP3(t, pop3test.Options{}, "one", "two"), testworld.POP3(t, pop3test.Options{Capabilities: []string{"TOP", "UIDL", "USER", "EXPIRE 0"}}, testworld.OneMail)}
	var later atomic.Bool
	later.Store(true)
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) (f smtptest.Fault) {
		if e.Stage == forwarder.StageDot {
			switch {
			case bytes.Contains(e.Data, []byte("two")):
				f = smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 3, 0}, Text: "no"}
			case bytes.Contains(e.Data, []byte("one@example.org")) && later.Load():
				f = smtptest.Fault{Code: 451, Enhanced: forwarder.EnhancedCode{4, 3, 0}, Text: "later"}
			}
		}
		return f
	}})
	dir := t.TempDir()
	key := filepath.Join(dir, "token.key")
	testworld.Write(t, key, strings.Repeat("a", 43)+"=\n")
	if err := os.Chmod(key, 0o600); err != nil {
		t.Fatal(err)
	}
	config := func(state, more, quarantine string) string {
		return testworld.Config(t, `
log: {level: error}
state: %s
%s
spool: {dir: %s}
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
  - {name: hides, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org], on_reject: quarantine%s}
`, state, more, filepath.Join(dir, "spool"), testworld.HostPort(t, pops[0].Addr()), testworld.HostPort(t, pops[1].Addr()), testworld.HostPort(t, sink.Addr().String()), quarantine)
	}
	refused := filepath.Join(dir, "refused")
	url := postgrestest.Start(t).New(t)
	file := config(filepath.Join(dir, "first.db"), "", ", quarantine_dir: "+refused)
	database := config(url, "token_key_file: "+key, "")
	back := config(filepath.Join(dir, "second.db"), "", ", quarantine_dir: "+filepath.Join(dir, "back"))

	doWith(t, file, exitAgain, "run", "--once")
	if got := len(sink.Messages()); got != 1 {
		t.Fatalf("%d messages arrived, want 1", got)
	}
	signIn(t, file)
	if out := doWith(t, file, exitOK, "state", "copy", "--to", database); !strings.Contains(out, "copied 2 accounts, 3 messages, 1 retained copies, 1 messages in quarantine and 1 sign-ins") {
		t.Errorf("copied: %s", out)
	}
	for _, command := range [][]string{{"run", "--once"}, {"status"}, {"retry", "isp", "--state", "held"}} {
		if out := doWith(t, file, exitConfig, command...); !strings.Contains(out, "has moved to postgres://") {
			t.Errorf("%v on the old place: %s", command, out)
		}
	}
	doWith(t, database, exitAgain, "run", "--once")
	if got := len(sink.Messages()); got != 1 {
		t.Errorf("%d messages arrived after the move, want still 1", got)
	}
	if out := doWith(t, database, exitOK, "quarantine"); !strings.Contains(out, "OCTETS") {
		t.Errorf("in quarantine: %s", out)
	}
	if out := doWith(t, database, exitUsage, "state", "copy", "--to", database); !strings.Contains(out, "name the same ledger") {
		t.Errorf("to itself: %s", out)
	}
	if out := doWith(t, database, exitOK, "state", "copy", "--to", back); !strings.Contains(out, "copied 2 accounts, 3 messages, 1 retained copies, 1 messages in quarantine and 1 sign-ins") {
		t.Errorf("copied back: %s", out)
	}
	if out := doWith(t, database, exitConfig, "run", "--once"); !strings.Contains(out, "has moved to "+filepath.Join(dir, "second.db")) {
		t.Errorf("the database after it has moved: %s", out)
	}
	later.Store(false)
	doWith(t, back, exitOK, "run", "--once", "--now")
	if got := len(sink.Messages()); got != 2 {
		t.Errorf("%d messages arrived in the end, want the one whose octets only the ledger had, too", got)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "back", "new", "*")); err != nil || len(files) != 1 {
		t.Errorf("in the Maildir for refused messages are %v, %v; want one", files, err)
	}
	wantSignIn(t, back)
	if out := doWith(t, back, exitConfig, "state", "copy", "--to", file); !strings.Contains(out, "has moved") {
		t.Errorf("to the first place: %s", out)
	}
	full := config(filepath.Join(dir, "full.db"), "", ", quarantine_dir: "+refused)
	doWith(t, full, exitOK, "run", "--once")
	if out := doWith(t, back, exitUsage, "state", "copy", "--to", full); !strings.Contains(out, "is not empty") {
		t.Errorf("to a place that has something: %s", out)
	}
	doWith(t, back, exitOK, "run", "--once") // it is not marked
}

var signInKey = ledger.TokenKey{Provider: "https://login.example.net/token", Client: "client", User: "leo@example.net"}

func signIn(t *testing.T, config string) {
	t.Helper()
	store := openLedgerOf(t, config)
	l, err := store.LeaseToken(t.Context(), signInKey)
	if err == nil {
		err = errors.Join(l.Put(t.Context(), ledger.Token{Access: "access", Refresh: "refresh"}, 0), l.Release())
	}
	if err := errors.Join(err, store.Close()); err != nil {
		t.Fatal(err)
	}
}

func wantSignIn(t *testing.T, config string) {
	t.Helper()
	store := openLedgerOf(t, config)
	token, err := store.Token(t.Context(), signInKey)
	if err != nil || token.Access != "access" || token.Refresh != "refresh" {
		t.Errorf("the sign-in came with %q and %q, %v", token.Access, token.Refresh, err)
	}
	if err := store.Close(); err != nil {
		t.Error(err)
	}
}

func openLedgerOf(t *testing.T, path string) ledger.Store {
	t.Helper()
	cfg, err := app.LoadReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	store, err := app.OpenLedger(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// refusing refuses each message behind its final dot.
func refusing(code int, class int) smtptest.Options {
	return smtptest.Options{Fault: func(e smtptest.Event) (f smtptest.Fault) {
		if e.Stage == forwarder.StageDot {
			f = smtptest.Fault{Code: code, Enhanced: forwarder.EnhancedCode{class, 3, 0}, Text: "no"}
		}
		return f
	}}
}

// doWith runs a command with a configuration, and returns what it printed.
func doWith(t *testing.T, config string, want int, args ...string) string {
	t.Helper()
	code, out, errs := popferry(t, append(args, "--config", config)...)
	if code != want {
		t.Fatalf("%v: exit %d, want %d\n%s%s", args, code, want, out, errs)
	}
	return out + errs
}

// TestQuarantineInTheDatabase: a refused message is kept there, and can be listed,
// printed, exported and deleted from anywhere.
func TestQuarantineInTheDatabase(t *testing.T) {
	t.Parallel()
	pop := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	sink := testworld.SMTP(t, refusing(550, 5))
	config := testworld.Config(t, `
log: {level: error}
state: %s
spool: {dir: %s}
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret, leave_on_server: false}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org], on_reject: quarantine}
`, postgrestest.Start(t).New(t), filepath.Join(t.TempDir(), "spool"), testworld.HostPort(t, pop.Addr()), testworld.HostPort(t, sink.Addr().String()))
	do := func(want int, args ...string) string {
		t.Helper()
		return doWith(t, config, want, args...)
	}
	if out := do(exitOK, "quarantine"); !strings.Contains(out, "no messages") {
		t.Errorf("an empty quarantine is listed as %q", out)
	}
	do(exitOK, "run", "--once")
	if left := pop.Messages("leo"); len(left) > 0 {
		t.Errorf("%d messages are left on the server, want none", len(left))
	}
	var list []struct {
		Name, Account string
		Size          int64
	}
	if err := json.Unmarshal([]byte(do(exitOK, "quarantine", "--json")), &list); err != nil || len(list) != 1 || list[0].Account != "isp" || list[0].Size == 0 {
		t.Fatalf("in quarantine are %+v, %v; want one message of isp", list, err)
	}
	name := list[0].Name
	if out := do(exitOK, "quarantine"); !strings.Contains(out, name) {
		t.Errorf("the list lacks %s:\n%s", name, out)
	}
	text := do(exitOK, "quarantine", "show", name)
	if !strings.Contains(text, "X-Popferry-Trace: id="+name) || int64(len(text)) != list[0].Size {
		t.Errorf("%d octets, want the %d of the message with the trace %s:\n%s", len(text), list[0].Size, name, text)
	}
	if out := do(exitOK, "messages", "--json"); !strings.Contains(out, "forwarded") {
		t.Errorf("the message is not forwarded:\n%s", out)
	}
	folder := filepath.Join(t.TempDir(), "refused")
	for range 2 {
		path := strings.TrimSpace(do(exitOK, "quarantine", "export", folder))
		if got, err := os.ReadFile(path); err != nil || string(got) != strings.ReplaceAll(text, "\r\n", "\n") && string(got) != text {
			t.Errorf("exported %q, %v", got, err)
		}
	}
	do(exitOK, "quarantine", "delete", name)
	if out := do(exitOther, "quarantine", "delete", name); !strings.Contains(out, "popferry quarantine lists them") && !strings.Contains(out, "quarantine") {
		t.Errorf("deleting it once more says %q", out)
	}
}

// TestForgetInTheDatabase: copies that only the database has are written to files before
// their rows go, and show prints one.
func TestForgetInTheDatabase(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir()) // where the files go
	pop := testworld.POP3(t, pop3test.Options{Capabilities: []string{"TOP", "UIDL", "USER", "EXPIRE 0"}}, testworld.OneMail)
	sink := testworld.SMTP(t, refusing(451, 4))
	config := testworld.Config(t, `
log: {level: error}
state: %s
spool: {dir: %s}
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, postgrestest.Start(t).New(t), filepath.Join(t.TempDir(), "spool"), testworld.HostPort(t, pop.Addr()), testworld.HostPort(t, sink.Addr().String()))
	do := func(want int, args ...string) string {
		t.Helper()
		return doWith(t, config, want, args...)
	}
	do(exitAgain, "run", "--once")
	if out := do(exitUsage, "forget", "isp", "--yes"); !strings.Contains(out, "their only copies are in the ledger's database") {
		t.Errorf("forget says %q", out)
	}
	out := do(exitOK, "forget", "isp", "--yes", "--drop-copies")
	_, folder, _ := strings.Cut(out, "are now in ")
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(folder), "*.eml"))
	if err != nil || len(files) != 1 {
		t.Fatalf("the copies are %v, %v; want one\n%s", files, err, out)
	}
	if text, err := os.ReadFile(files[0]); err != nil || len(text) == 0 {
		t.Errorf("a copy has %d octets, %v", len(text), err)
	}
}
