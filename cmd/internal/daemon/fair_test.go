//go:build linux

package daemon

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

var fairFor = flag.Duration("fair", 30*time.Second, "how long BenchmarkFairShares goes on for each case")

const (
	fairAccounts = 200
	fairInterval = 5 * time.Second
)

// crowd is 200 accounts with one destination, most of them healthy. A healthy
// mailbox gets its next message when the last one has arrived.
type crowd struct {
	sources []*pop3test.Server
	sink    *smtptest.Server
	config  string

	mu      sync.Mutex
	to      map[int]string       // by connection: the recipient of the message that it is at
	posted  map[string]time.Time // by healthy user; zero: at the start
	count   map[string]int
	arrived int
	longest time.Duration
	whose   string
}

// newCrowd makes so many accounts of each kind that is not healthy, and has them
// take turns on the hosts.
func newCrowd(tb testing.TB, hosts int, sick map[string]int) *crowd {
	tb.Helper()
	c := &crowd{to: make(map[int]string), posted: make(map[string]time.Time), count: make(map[string]int)}
	c.sink = testworld.SMTP(tb, smtptest.Options{HashOnly: true, Fault: c.atDestination})
	var text strings.Builder
	fmt.Fprintf(&text, "state: popferry.db\nschedule: '@every %s'\nforward: [{%s, tls: none, from: me@example.org, to: [me@example.org]}]\n"+
		"defaults: {tls: none, password: secret, leave_on_server: false}\naccounts:\n", fairInterval, at(c.sink.Addr().String()))
	var users []string
	for kind, n := range sick {
		for i := range n {
			users = append(users, fmt.Sprint(kind, i))
		}
	}
	for i := len(users); i < fairAccounts; i++ {
		users = append(users, fmt.Sprint("healthy", i))
	}
	passwords := make(map[string]string)
	for _, u := range users {
		passwords[u] = "secret"
		if strings.HasPrefix(u, "password") {
			passwords[u] = "another"
		}
	}
	for i := range hosts {
		s := pop3test.NewServer(pop3test.Options{Users: passwords, Handle: atSource})
		if err := s.Listen(fmt.Sprintf("127.0.0.%d:0", i+2)); err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = s.Close() })
		c.sources = append(c.sources, s)
	}
	for i, u := range users {
		s := c.sources[i%hosts]
		fmt.Fprintf(&text, "  - {name: %s, username: %[1]s, to: [%[1]s@example.org], %s}\n", u, at(s.Addr()))
		for range map[string]int{"spam": 500, "large": 10_000}[strings.TrimRight(u, "0123456789")] {
			c.post(u, s)
		}
		c.post(u, s)
	}
	c.config = testworld.Config(tb, "%s", text.String())
	return c
}

// post puts the next message into a mailbox. The caller holds mu, if anyone else
// knows of c.
func (c *crowd) post(user string, s *pop3test.Server) {
	c.count[user]++
	n := c.count[user]
	s.Add(user, pop3test.Message{UID: fmt.Sprint(n), Octets: fmt.Appendf(nil, "Subject: %d\r\nMessage-ID: <%[1]d.%s@example.org>\r\n\r\nhello\r\n", n, user)})
}

// atSource is what the servers do with sick mailboxes.
func atSource(s *pop3test.Session, verb, _ string) bool {
	switch user := s.User(); {
	case verb == "RETR" && strings.HasPrefix(user, "stall"):
		s.Hang()
	case verb == "RETR" && strings.HasPrefix(user, "trickle"):
		for s.OK(""); s.Flush() == nil; time.Sleep(time.Second) {
			s.Write(strings.Repeat("x", 108) + "\r\n") // a little more than is asked for
		}
		s.Close()
	default:
		return false
	}
	return true
}

// atDestination refuses what is for sick mailboxes, and notes what arrives for
// healthy ones.
func (c *crowd) atDestination(e smtptest.Event) smtptest.Fault {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.Stage == forwarder.StageRcpt {
		c.to[e.Connection] = e.Address
		if strings.HasPrefix(e.Address, "full") {
			return smtptest.Fault{Code: 452, Enhanced: forwarder.EnhancedCode{4, 2, 2}, Text: "Mailbox full"}
		}
	}
	if e.Stage != forwarder.StageDot {
		return smtptest.Fault{}
	}
	user, _, _ := strings.Cut(c.to[e.Connection], "@")
	switch {
	case strings.HasPrefix(user, "spam"):
		return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "This looks like spam"}
	case strings.HasPrefix(user, "healthy"):
		c.note(user)
		c.arrived++
		c.posted[user] = time.Now()
		var n int
		_, _ = fmt.Sscanf(user, "healthy%d", &n)
		c.post(user, c.sources[n%len(c.sources)])
	}
	return smtptest.Fault{}
}

// note takes down how long a message has waited. The caller holds mu.
func (c *crowd) note(user string) {
	if posted := c.posted[user]; !posted.IsZero() && time.Since(posted) > c.longest {
		c.longest, c.whose = time.Since(posted), user
	}
}

// live runs the daemon for a time and returns the longest delay of a message to a
// healthy mailbox: how long it lay there, with those that lie there at the end.
func (c *crowd) live(tb testing.TB, d time.Duration) time.Duration {
	tb.Helper()
	daemon, cfg := fixture(tb, c.config, io.Discard, slog.LevelError)
	g := daemon.begin(tb, cfg)
	ctx, cancel := context.WithTimeout(tb.Context(), d)
	defer cancel()
	<-ctx.Done()
	c.mu.Lock()
	for user := range c.posted {
		c.note(user)
	}
	longest := c.longest
	c.mu.Unlock()
	g.stop()
	return longest
}

// BenchmarkFairShares measures how long messages to healthy mailboxes take, in
// intervals, while others are full, refused, stalled, slow or large. It should be
// less than two.
//
//	go test ./cmd/internal/daemon -run xxx -bench FairShares -benchtime 1x -fair 2m
func BenchmarkFairShares(b *testing.B) {
	sick := map[string]int{"full": 20, "password": 5, "stall": 2, "spam": 1}
	for _, test := range []struct {
		name  string
		hosts int
		sick  map[string]int
	}{
		{"healthy", 20, nil},
		{"one host", 1, sick},
		{"20 hosts", 20, sick},
		{"20 hosts, 20 stall, 1 is large", 20, map[string]int{"stall": 20, "large": 1}},
		{"20 hosts, 20 trickle", 20, map[string]int{"trickle": 20}},
		{"one host, 8 trickle", 1, map[string]int{"trickle": 8}},
	} {
		b.Run(test.name, func(b *testing.B) {
			var longest time.Duration
			for b.Loop() {
				c := newCrowd(b, test.hosts, test.sick)
				longest = max(longest, c.live(b, *fairFor))
				if healthy := len(c.posted); healthy < fairAccounts-40 {
					b.Errorf("messages to %d healthy mailboxes arrived, want all", healthy)
				}
				b.Logf("%d messages to %d healthy mailboxes, the longest delay %s (%s)", c.arrived, len(c.posted), c.longest.Round(time.Millisecond), c.whose)
			}
			b.ReportMetric(longest.Seconds()/fairInterval.Seconds(), "intervals-longest")
		})
	}
}
