//go:build linux

package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger/postgres/postgrestest"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// chaosWorld is four popferrys, their database, two hundred mailboxes and an inbox.
type chaosWorld struct {
	*testing.T
	database *postgrestest.Server
	standby  *postgrestest.Server // has all that the database has confirmed; nil: there is none
	down     bool                 // the database
	source   *pop3test.Server
	sink     *smtptest.Server
	replicas []*chaosReplica

	letters map[[sha256.Size]byte]bool // that were put into mailboxes
	count   [chaosAccounts]int         // of them, by account
	seen    int                        // of the sink's messages
	first   map[[sha256.Size]byte]int  // how often each has come

	mu    sync.Mutex
	polls map[string][]time.Time // by user
}

func newChaosWorld(t *testing.T) *chaosWorld {
	t.Helper()
	w := &chaosWorld{T: t, letters: make(map[[sha256.Size]byte]bool), first: make(map[[sha256.Size]byte]int), polls: make(map[string][]time.Time)}
	w.database = postgrestest.Start(t)
	w.sink = testworld.SMTP(t, smtptest.Options{})
	users := make(map[string]string)
	for i := range chaosAccounts {
		users[soakUser(i)] = "secret"
	}
	w.source = pop3test.NewServer(pop3test.Options{Users: users, Handle: w.watch})
	if err := w.source.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.source.Close() })
	ledger := w.database.New(t)
	if failsOver() {
		w.follow()
	}
	proxies := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(prometheus.NewRegistry()), zerolog.Nop())
	for range chaosReplicas {
		w.replicas = append(w.replicas, w.newReplica(newLine(t, proxies, ledger)))
	}
	return w
}

// failsOver reports whether the test has time for a standby: after the database has
// been away, commits wait until a standby is there again.
func failsOver() bool { return *chaosFor >= time.Minute }

// follow gives the database a standby that it waits for at each commit.
func (w *chaosWorld) follow() {
	w.Helper()
	w.standby = w.database.Standby(w.T)
	w.database.Await(w.T, "standby")
}

// failOver makes the standby the database, and gives it a standby.
func (w *chaosWorld) failOver() {
	w.Helper()
	w.database = w.standby
	w.database.Promote(w.T)
	w.database.Await(w.T, "") // before its standby is made, nobody could answer
	for _, r := range w.replicas {
		r.line.lead(w.T, fmt.Sprintf("%s:%d", w.database.Host, w.database.Port))
	}
	w.follow()
}

// watch notes when each mailbox is polled.
func (w *chaosWorld) watch(s *pop3test.Session, verb, arg string) bool {
	if verb == "UIDL" && arg == "" {
		w.mu.Lock()
		w.polls[s.User()] = append(w.polls[s.User()], time.Now())
		w.mu.Unlock()
	}
	return false
}

// longest is the longest time of clock without a poll, and of which mailbox.
func (w *chaosWorld) longest(clock *chaosClock) (longest time.Duration, who string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range chaosAccounts {
		times := w.polls[soakUser(i)]
		for n := 1; n < len(times) && times[n].Before(clock.last); n++ {
			if d := clock.between(times[n-1], times[n]); d > longest {
				longest, who = d, soakUser(i)
			}
		}
	}
	return longest, who
}

// post puts a letter into the next mailbox.
func (w *chaosWorld) post() {
	n := len(w.letters)
	i := n % chaosAccounts
	text := letter(soakUser(i), w.count[i], 1000+n*n%20_000)
	w.letters[expected(text)] = true
	w.count[i]++
	w.source.Add(soakUser(i), pop3test.Message{UID: fmt.Sprintf("u%d", w.count[i]), Octets: text})
}

// arrived is how many different letters have come.
func (w *chaosWorld) arrived() int {
	all := w.sink.Messages()
	for _, m := range all[w.seen:] {
		w.first[below(m.Data)]++
	}
	w.seen = len(all)
	return len(w.first)
}

// below is the sum of what stands below the trace lines.
func below(octets []byte) [sha256.Size]byte {
	_, rest, _ := bytes.Cut(octets, []byte("\r\nX-Popferry-Trace: "))
	_, rest, _ = bytes.Cut(rest, []byte("\r\n"))
	return sha256.Sum256(rest)
}

// check: all letters have come, nothing else, and none more often than it was tried. It
// returns how many came once more.
func (w *chaosWorld) check(tried map[string]int) (twice int) {
	w.Helper()
	w.arrived()
	for l := range w.letters {
		if w.first[l] == 0 {
			w.Error("a message is lost")
		}
	}
	reported := make(map[[sha256.Size]byte]bool)
	for _, m := range w.sink.Messages() {
		l := below(m.Data)
		_, id, _ := bytes.Cut(m.Data, []byte("\r\nMessage-ID: "))
		id, _, _ = bytes.Cut(id, []byte("\r\n"))
		switch n := w.first[l]; {
		case !w.letters[l]:
			w.Errorf("%s was never sent, or its octets have changed", id)
		case n > tried[string(id)]:
			w.Errorf("%s came %d times, and was tried %d times", id, n, tried[string(id)])
		case n > 1 && !reported[l]:
			twice += n - 1
		}
		reported[l] = true
	}
	return twice
}

// checkMailboxes: what is to stay is there, and no session has deleted a message after
// another one had begun in the same mailbox.
func (w *chaosWorld) checkMailboxes() {
	w.Helper()
	for i := range chaosAccounts {
		if n := len(w.source.Messages(soakUser(i))); keeps(i) && n != w.count[i] {
			w.Errorf("%s: %d messages are left on the server, want all %d", soakUser(i), n, w.count[i])
		}
	}
	late, newest := 0, make(map[string]int)
	for _, c := range w.source.Log() {
		if c.User == "" {
			continue
		}
		if c.Session < newest[c.User] {
			late++
			if c.Verb() == "DELE" {
				w.Errorf("%s: session %d deletes, and session %d has the mailbox", c.User, c.Session, newest[c.User])
			}
		}
		newest[c.User] = max(newest[c.User], c.Session)
	}
	w.Logf("%d commands of sessions that another one had followed", late)
}

// chaosReplica is one popferry.
type chaosReplica struct {
	*process
	binary, config, log string
	line                *line
}

func (w *chaosWorld) newReplica(l *line) *chaosReplica {
	w.Helper()
	dir := w.TempDir()
	r := &chaosReplica{binary: build(w.T), config: filepath.Join(dir, "popferry.yaml"), log: filepath.Join(dir, "log"), line: l}
	var b strings.Builder
	fmt.Fprintf(&b, "log: {format: json}\nstate: %s\nschedule: \"@every %s\"\nconcurrency: 16\nper_host: 64\nspool: {dir: %s}\n", l.url, w.interval(), filepath.Join(dir, "spool"))
	fmt.Fprintf(&b, "forward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org]}\n", testworld.HostPort(w.T, w.sink.Addr().String()))
	fmt.Fprintf(&b, "defaults: {%s, tls: none, password: secret}\naccounts:\n", testworld.HostPort(w.T, w.source.Addr()))
	for i := range chaosAccounts {
		fmt.Fprintf(&b, "  - {name: %s, username: %[1]s, leave_on_server: %t}\n", soakUser(i), keeps(i))
	}
	testworld.Write(w.T, r.config, b.String())
	return r
}

// begin starts it, for the first time or again. It writes on in its log.
func (r *chaosReplica) begin(t *testing.T) {
	t.Helper()
	file, err := os.OpenFile(r.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r.process = command(t, r.binary, "run", "--config", r.config)
	r.Stdout, r.Stderr = file, file
	r.process.begin(t)
}

func (r *chaosReplica) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := r.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (r *chaosReplica) kill() {
	_ = r.Process.Kill()
	_ = r.Wait() // killed
}

// ended waits for the end that it was told to come to. Shortly after its start it may
// not have heard that.
func (r *chaosReplica) ended(t *testing.T) {
	t.Helper()
	if err := r.Wait(); err != nil && err.Error() != "signal: terminated" {
		t.Errorf("it ended with %v\n%s", err, r.tail())
	}
}

// tail is the end of its log.
func (r *chaosReplica) tail() string {
	text, _ := os.ReadFile(r.log)
	return string(text[max(0, len(text)-4000):])
}

// line is a replica's way to the database.
type line struct {
	url     string
	address string // where it leads to
	proxy   *toxiproxy.Proxy
	isCut   bool
	stalled bool
}

func newLine(t *testing.T, proxies *toxiproxy.ApiServer, database string) *line {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l := &line{address: u.Host, proxy: toxiproxy.NewProxy(proxies, t.Name(), "127.0.0.1:0", u.Host)}
	if err := l.proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.proxy.Stop)
	u.Host = l.proxy.Listen
	l.url = u.String()
	return l
}

// cut ends all connections, and takes no new ones.
func (l *line) cut() {
	l.isCut = true
	l.proxy.Stop()
}

func (l *line) mend(t *testing.T) {
	t.Helper()
	l.isCut = false
	l.proxy.Upstream = l.address
	if err := l.proxy.Start(); err != nil {
		t.Fatal(err)
	}
}

// lead has it lead to another server. One that is cut or stalled does once it works
// again.
func (l *line) lead(t *testing.T, address string) {
	t.Helper()
	l.address = address
	if !l.isCut && !l.stalled {
		l.cut()
		l.mend(t)
	}
}

// stall holds what is sent in both directions, for as long as no misfortune lasts.
func (l *line) stall(t *testing.T) {
	t.Helper()
	l.stalled = true
	for _, stream := range []string{"upstream", "downstream"} {
		toxic := fmt.Sprintf(`{"name": %q, "type": "latency", "stream": %[1]q, "attributes": {"latency": 3600000}}`, stream)
		if _, err := l.proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			t.Fatal(err)
		}
	}
}

// flow lets it go on.
func (l *line) flow(t *testing.T) {
	t.Helper()
	for _, stream := range []string{"upstream", "downstream"} {
		if err := l.proxy.Toxics.RemoveToxic(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
	}
	if l.stalled = false; l.proxy.Upstream != l.address {
		l.lead(t, l.address)
	}
}
