//go:build linux

package main

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

var (
	manyAccounts = flag.Int("many", 100, "how many accounts TestManyAccountsOnReplicas has")
	manyInterval = flag.Duration("many-every", 4*time.Second, "the interval at which it polls them")
)

const (
	manyReplicas    = 3
	manyConcurrency = 16
	// manySpread is the greatest part of an interval by which a poll is put off, so that
	// not all come at once.
	manySpread = 0.1
	// manyDelay is how late a poll may be besides, and within how long the mailboxes of
	// a process that was killed are another one's.
	manyDelay = time.Minute
)

// TestManyAccountsOnReplicas: three popferrys share accounts on one PostgreSQL. Each
// is polled once an interval and none twice, and what one of them was polling when it
// is killed another one polls within a minute. It logs what that takes. At the size
// that the manual tells of:
//
//	go test ./cmd/popferry -run TestManyAccountsOnReplicas -many 10000 -many-every 10m -timeout 1h -v
func TestManyAccountsOnReplicas(t *testing.T) {
	t.Parallel()
	w := newManyWorld(t)
	w.until(*manyInterval+manyDelay, "first poll of all accounts", w.polled(1))
	t.Logf("all %d accounts polled for the first time after %s", *manyAccounts, time.Since(w.began).Round(time.Millisecond))
	w.measure()
	w.kill()
	for _, p := range w.replicas[1:] {
		p.terminate(t)
	}
	if n := len(w.sink.Messages()); n != *manyAccounts {
		t.Errorf("%d messages arrived, want one for each of %d accounts", n, *manyAccounts)
	}
}

// manyWorld is three popferrys, their database and many mailboxes with a message each.
type manyWorld struct {
	*testing.T
	database *postgrestest.Server
	name     string // of the database
	counts   bool   // statements
	source   *pop3test.Server
	sink     *smtptest.Server
	replicas []*process
	began    time.Time

	mu    sync.Mutex
	polls map[string][]time.Time // by user
	hold  chan struct{}          // polls wait until it is closed; nil: they do not
	held  map[string]bool        // users whose polls wait
}

func newManyWorld(t *testing.T) *manyWorld {
	t.Helper()
	settings := []string{"autovacuum = on"} // as everywhere but in tests
	library, err := filepath.Glob("/usr/lib/postgresql/*/lib/pg_stat_statements.so")
	if err != nil {
		t.Fatal(err)
	}
	if len(library) > 0 {
		settings = append(settings, "shared_preload_libraries = 'pg_stat_statements'")
	}
	w := &manyWorld{T: t, database: postgrestest.Start(t, settings...), counts: len(library) > 0, sink: testworld.SMTP(t, smtptest.Options{HashOnly: true}), polls: make(map[string][]time.Time), held: make(map[string]bool)}
	users := make(map[string]string)
	for i := range *manyAccounts {
		users[soakUser(i)] = "secret"
	}
	w.source = pop3test.NewServer(pop3test.Options{Users: users, Handle: w.watch})
	if err := w.source.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.source.Close() })
	for user := range users {
		w.source.Add(user, pop3test.Message{UID: "1", Octets: letter(user, 1, 2000)})
	}
	url := w.database.New(t)
	w.name, _, _ = strings.Cut(path.Base(url), "?")
	if w.counts {
		w.database.Exec(t, w.name, "CREATE EXTENSION pg_stat_statements SCHEMA public")
	}
	binary := build(t)
	w.began = time.Now()
	for range manyReplicas {
		w.replicas = append(w.replicas, start(t, binary, "run", "--config", w.config(url)))
	}
	return w
}

func (w *manyWorld) config(url string) string {
	w.Helper()
	var b strings.Builder
	dir := w.TempDir()
	fmt.Fprintf(&b, "log: {level: warn}\nstate: %s\nschedule: \"@every %s\"\nconcurrency: %d\nper_host: %d\nspool: {dir: %s}\n", url, *manyInterval, manyConcurrency, manyReplicas*manyConcurrency, filepath.Join(dir, "spool"))
	fmt.Fprintf(&b, "forward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org]}\n", testworld.HostPort(w.T, w.sink.Addr().String()))
	fmt.Fprintf(&b, "defaults: {%s, tls: none, password: secret}\naccounts:\n", testworld.HostPort(w.T, w.source.Addr()))
	for i := range *manyAccounts {
		fmt.Fprintf(&b, "  - {name: %s, username: %[1]s}\n", soakUser(i))
	}
	file := filepath.Join(dir, "popferry.yaml")
	testworld.Write(w.T, file, b.String())
	return file
}

// watch notes when each mailbox is polled, and has polls wait.
func (w *manyWorld) watch(s *pop3test.Session, verb, arg string) bool {
	w.mu.Lock()
	hold := w.hold
	switch {
	case verb == "QUIT":
		delete(w.held, s.User())
		hold = nil
	case verb != "UIDL" || arg != "":
		hold = nil
	case hold != nil:
		w.held[s.User()] = true
	default:
		w.polls[s.User()] = append(w.polls[s.User()], time.Now())
	}
	w.mu.Unlock()
	if hold != nil {
		<-hold
	}
	return false
}

// waiting is how many polls wait, or have to be made again since they did.
func (w *manyWorld) waiting() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.held)
}

// waitAt has polls wait at this channel; nil: they do not.
func (w *manyWorld) waitAt(hold chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.hold = hold
}

// polled reports whether all accounts were polled so often since the start.
func (w *manyWorld) polled(n int) func() bool {
	return func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, times := range w.polls {
			if len(times) < n {
				return false
			}
		}
		return len(w.polls) == *manyAccounts
	}
}

// measure follows one interval, and checks the times between polls.
func (w *manyWorld) measure() {
	w.Helper()
	from, before := time.Now(), w.usage()
	t0, s0 := w.asked()
	w.until(time.Duration(float64(*manyInterval)*(1+manySpread))+2*manyDelay, "second poll of all accounts", w.polled(2))
	took, after := time.Since(from), w.usage()
	polls, shortest, longest := w.gaps(from)
	w.Logf("%d polls in %s, %.1f a second; between two of an account %s to %s at an interval of %s", polls, took.Round(time.Second), float64(polls)/took.Seconds(), shortest.Round(time.Millisecond), longest.Round(time.Millisecond), *manyInterval)
	t1, s1 := w.asked()
	w.Logf("a poll: %.2f transactions and %.2f statements", float64(t1-t0)/float64(polls), float64(s1-s0)/float64(polls))
	for _, who := range slices.Sorted(maps.Keys(after)) {
		w.Logf("%s: %.1f %% of a processor, %d MB of memory, at most %d", who, 100*(after[who].cpu-before[who].cpu).Seconds()/took.Seconds(), after[who].now>>10, after[who].peak>>10)
	}
	// Not the time between two: a poll may be late, and the next one is not. The first one
	// comes at once, and the second at the account's own time within the interval.
	if most, n := 2+int(time.Since(w.began) / *manyInterval), w.mostPolls(); n > most {
		w.Errorf("an account was polled %d times in %s, want %d at most, once every %s", n, time.Since(w.began), most, *manyInterval)
	}
	if limit := time.Duration(float64(*manyInterval)*(1+manySpread)) + manyDelay; longest > limit {
		w.Errorf("an account was not polled for %s, want at most %s", longest, limit)
	}
}

// mostPolls is how often that account was polled that was polled most.
func (w *manyWorld) mostPolls() (most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, times := range w.polls {
		most = max(most, len(times))
	}
	return most
}

// gaps returns how many polls there were since a time, and the shortest and the
// longest time between two of an account, of which the second was since then.
func (w *manyWorld) gaps(since time.Time) (polls int, shortest, longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	shortest = time.Since(w.began)
	for _, times := range w.polls {
		for i, at := range times {
			if at.Before(since) {
				continue
			}
			if polls++; i > 0 {
				shortest, longest = min(shortest, at.Sub(times[i-1])), max(longest, at.Sub(times[i-1]))
			}
		}
	}
	return polls, shortest, longest
}

// kill kills a process that is in the midst of polls: more wait than the others can
// have.
func (w *manyWorld) kill() {
	w.Helper()
	hold := make(chan struct{})
	w.waitAt(hold)
	w.until(time.Duration(float64(*manyInterval)*(1+manySpread))+manyDelay, "polls by all processes", func() bool { return w.waiting() > (manyReplicas-1)*manyConcurrency })
	if err := w.replicas[0].Process.Kill(); err != nil {
		w.Fatal(err)
	}
	_ = w.replicas[0].Wait() // killed
	killed, n := time.Now(), w.waiting()
	w.waitAt(nil)
	close(hold)
	w.until(manyDelay, "poll of what was being polled by a process that was killed", func() bool { return w.waiting() == 0 })
	w.Logf("one was killed while %d accounts were being polled: all were polled %s later", n, time.Since(killed).Round(10*time.Millisecond))
}

// until waits until something holds, at most so long.
func (w *manyWorld) until(limit time.Duration, what string, holds func() bool) {
	w.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); !holds(); <-tick.C {
		if time.Now().After(end) {
			w.Fatalf("no %s within %s\n%s", what, limit, w.replicas[1].out.String())
		}
	}
}

// spent is what a process has used, or several together.
type spent struct {
	cpu       time.Duration
	now, peak int // of memory, in kB: the largest of several processes
}

// usage is that of each popferry and of PostgreSQL.
func (w *manyWorld) usage() map[string]spent {
	w.Helper()
	all := make(map[string]spent)
	for i, p := range w.replicas {
		all[fmt.Sprint("popferry ", i+1)] = usageOf(w.T, p.Process.Pid)
	}
	var main int
	w.database.Query(w.T, w.name, "SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::int", &main)
	sum := usageOf(w.T, main)
	children, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", main))
	if err != nil {
		w.Fatal(err)
	}
	for pid := range strings.FieldsSeq(string(children)) {
		n, _ := strconv.Atoi(pid)               // it is a number
		if u, err := readUsage(n); err == nil { // it has not ended
			sum.cpu += u.cpu
			sum.now, sum.peak = max(sum.now, u.now), max(sum.peak, u.peak)
		}
	}
	all["PostgreSQL"] = sum
	return all
}

func usageOf(t *testing.T, pid int) spent {
	t.Helper()
	u, err := readUsage(pid)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// readUsage reads that of a process and of its children that have ended (proc(5)).
func readUsage(pid int) (u spent, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return u, err
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	for _, ticks := range strings.Fields(after)[11:15] {
		n, err := strconv.Atoi(ticks)
		if err != nil {
			return u, err
		}
		u.cpu += time.Duration(n) * time.Second / 100
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return u, err
	}
	for line := range strings.Lines(string(status)) { // that of a process that is ending has no sizes
		switch name, kb, _ := strings.Cut(strings.TrimSuffix(line, " kB\n"), ":"); name {
		case "VmHWM":
			u.peak, err = strconv.Atoi(strings.TrimSpace(kb))
		case "VmRSS":
			u.now, err = strconv.Atoi(strings.TrimSpace(kb))
		}
		if err != nil {
			return u, err
		}
	}
	return u, nil
}

// asked is how many transactions were committed in the ledger's database, and how many
// statements were run there; 0: that is not counted.
func (w *manyWorld) asked() (transactions, statements int) {
	w.Helper()
	w.database.Query(w.T, w.name, "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()", &transactions)
	if w.counts {
		w.database.Query(w.T, w.name, "SELECT sum(calls)::int FROM pg_stat_statements", &statements)
	}
	return transactions, statements
}
