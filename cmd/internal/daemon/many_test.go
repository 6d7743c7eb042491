//go:build linux

package daemon

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// manyAccounts is many mailboxes, each with one message, on a few POP3 servers that
// have addresses of their own, as only Linux gives them to the loopback device.
type manyAccounts struct {
	accounts int
	config   string
	sink     *smtptest.Server

	mu      sync.Mutex
	all     gauge
	hosts   []gauge
	sent    gauge          // transactions with the destination
	polls   map[string]int // by user
	last    time.Time      // when a session began
	started time.Time
}

// gauge counts the sessions that are open.
type gauge struct{ now, most int }

func (g *gauge) add(n int) {
	g.now += n
	g.most = max(g.most, g.now)
}

const (
	manyConcurrency = 16
	manyPerHost     = 3
)

func newManyAccounts(tb testing.TB, accounts, hosts int) *manyAccounts {
	tb.Helper()
	c := &manyAccounts{accounts: accounts, hosts: make([]gauge, hosts), polls: make(map[string]int)}
	users := make(map[string]string, accounts)
	for i := range accounts {
		users[fmt.Sprint("user", i)] = "secret"
	}
	var err error
	if c.sink, err = smtptest.Start(smtptest.Options{HashOnly: true, Fault: c.deliver}); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = c.sink.Close() })
	var text strings.Builder
	fmt.Fprintf(&text, "log: {level: error}\nstate: %s/popferry.db\nconcurrency: %d\nper_host: %d\nschedule: '@every 24h'\n"+
		"forward: [{%s, tls: none, from: me@example.org, to: [me@example.org]}]\n"+
		// Every account comes twice: as all are asked for, and in its turn after the start.
		"defaults: {tls: none, password: secret, min_interval: 1h}\naccounts:\n",
		tb.TempDir(), manyConcurrency, manyPerHost, at(c.sink.Addr().String()))
	servers := make([]*pop3test.Server, hosts)
	for i := range servers {
		servers[i] = pop3test.NewServer(pop3test.Options{Users: users, Handle: c.watch(i)})
		if err := servers[i].Listen(fmt.Sprintf("127.0.0.%d:0", i+2)); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = servers[i].Close() })
	}
	for i := range accounts {
		user, s := fmt.Sprint("user", i), servers[i%hosts]
		s.Add(user, pop3test.Message{UID: "1", Octets: fmt.Appendf(nil, "Subject: for %s\r\nMessage-ID: <%s@example.org>\r\n\r\nhello\r\n", user, user)})
		fmt.Fprintf(&text, "  - {name: %s, username: %[1]s, %s}\n", user, at(s.Addr()))
	}
	c.config = filepath.Join(tb.TempDir(), "popferry.yaml")
	if err := os.WriteFile(c.config, []byte(text.String()), 0o600); err != nil {
		tb.Fatal(err)
	}
	return c
}

// at writes an address as the configuration has it.
func at(addr string) string { return "host: " + strings.Replace(addr, ":", ", port: ", 1) }

// watch counts the sessions of one server.
func (c *manyAccounts) watch(host int) func(*pop3test.Session, string, string) bool {
	return func(s *pop3test.Session, verb, _ string) bool {
		var n int
		switch verb {
		case "":
			n = 1
		case "QUIT":
			n = -1
		default:
			return false
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all.add(n)
		c.hosts[host].add(n)
		if verb == "QUIT" {
			c.polls[s.User()]++
		} else {
			c.last = time.Now()
		}
		return false
	}
}

// deliver counts the transactions.
func (c *manyAccounts) deliver(e smtptest.Event) smtptest.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Stage {
	case forwarder.StageMail:
		c.sent.add(1)
	case forwarder.StageDot:
		c.sent.add(-1)
	}
	return smtptest.Fault{}
}

// poll has all accounts due at once, as after a start without any spread, and
// waits until they were polled. It returns how long that took, the ledger and
// the start of the service not counted.
func (c *manyAccounts) poll(tb testing.TB) time.Duration {
	tb.Helper()
	var problems bytes.Buffer
	d, cfg := fixture(tb, c.config, &problems, slog.LevelWarn)
	g := d.begin(tb, cfg)
	c.started = time.Now()
	g.sched.Queue()
	err := c.sink.Wait(tb.Context(), c.accounts)
	g.stop() // waits for the polls that are under way
	took := time.Since(c.started)
	if err != nil || problems.Len() > 0 {
		tb.Errorf("%v\n%s", err, problems.String())
	}
	return took
}

// check holds the limits, and that every account had its turn, once.
func (c *manyAccounts) check(tb testing.TB) {
	tb.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all.most > manyConcurrency {
		tb.Errorf("%d sessions at once", c.all.most)
	}
	for i, g := range c.hosts {
		if g.most > manyPerHost {
			tb.Errorf("%d sessions at once to host %d", g.most, i)
		}
	}
	if len(c.polls) != c.accounts {
		tb.Errorf("%d of %d accounts were polled", len(c.polls), c.accounts)
	}
	for user, n := range c.polls {
		if n != 1 {
			tb.Errorf("%s was polled %d times", user, n)
		}
	}
}

// All accounts are due at once. No more than the limits allow are polled at once,
// and each is polled.
func TestManyAccounts(t *testing.T) {
	t.Parallel()
	c := newManyAccounts(t, 500, 4)
	c.poll(t)
	c.check(t)
}

// BenchmarkManyAccounts is 5,000 accounts on 20 servers that are due at once.
// The peak of memory is that of the whole process, all servers included.
func BenchmarkManyAccounts(b *testing.B) {
	const accounts = 5000
	var took, longest time.Duration
	for range b.N {
		b.StopTimer()
		c := newManyAccounts(b, accounts, 20)
		b.StartTimer()
		took += c.poll(b)
		longest = max(longest, c.last.Sub(c.started))
		b.StopTimer()
		c.check(b)
	}
	b.ReportMetric(float64(b.N*accounts)/took.Seconds(), "accounts/s")
	b.ReportMetric(longest.Seconds(), "s-longest-wait")
	b.ReportMetric(peakMemory(b), "MB-peak")
}

// peakMemory is the most memory that this process has had, in MB.
func peakMemory(tb testing.TB) float64 {
	tb.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		tb.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kB float64
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		tb.Fatal(err)
	}
	return kB / 1000
}
