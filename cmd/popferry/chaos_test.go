//go:build linux

package main

import (
	"encoding/json"
	"flag"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

var (
	chaosFor  = flag.Duration("chaos", 25*time.Second, "how long TestReplicasInChaos goes on")
	chaosSeed = flag.Uint64("chaos-seed", 0, "what happens in TestReplicasInChaos, and when; 0: something new")
)

const (
	chaosAccounts = 200
	chaosReplicas = 4
	majority      = chaosReplicas/2 + 1
)

// TestReplicasInChaos: four popferrys share a database, and they are killed, stopped,
// told to end and cut off from it, and it goes away itself. In a minute or more it also
// fails over to a synchronous standby. All mail arrives, nothing
// comes more often than it was tried, no popferry deletes in a mailbox that is another
// one's, and all mailboxes are polled while the database and most of the four are well.
// For ten minutes:
//
//	go test ./cmd/popferry -run TestReplicasInChaos -chaos 10m -timeout 20m -v
func TestReplicasInChaos(t *testing.T) {
	t.Parallel()
	c := startChaos(t)
	c.live(*chaosFor)
	c.repair()
	c.arrives()
	c.end()
}

// misfortune is what may happen to a replica or to all.
type misfortune struct {
	name string
	do   func(c *chaos) (mend func(), lasts time.Duration)
}

// misfortunes are all of them. Each lasts for a part of the test, and for some time
// that a machine would really need.
func misfortunes() []misfortune {
	list := []misfortune{
		{"killed", func(c *chaos) (func(), time.Duration) {
			r := c.any()
			r.kill()
			return func() { r.begin(c.T) }, c.between(time.Second, 5*time.Second)
		}},
		{"stopped", func(c *chaos) (func(), time.Duration) {
			r := c.any()
			r.signal(c.T, syscall.SIGSTOP)
			return func() { r.signal(c.T, syscall.SIGCONT) }, c.between(5*time.Second, time.Minute)
		}},
		{"cut off", func(c *chaos) (func(), time.Duration) {
			r := c.any()
			r.line.cut()
			return func() { r.line.mend(c.T) }, c.between(100*time.Millisecond, 10*time.Second)
		}},
		{"stalled", func(c *chaos) (func(), time.Duration) {
			r := c.any()
			r.line.stall(c.T)
			return func() { r.line.flow(c.T) }, c.between(5*time.Second, 40*time.Second)
		}},
		{"told to end", func(c *chaos) (func(), time.Duration) {
			r := c.any()
			r.signal(c.T, syscall.SIGTERM)
			return func() { r.ended(c.T); r.begin(c.T) }, c.between(time.Second, 3*time.Second)
		}},
		{"without a database", func(c *chaos) (func(), time.Duration) {
			c.database.Stop(c.T)
			return func() { c.database.Go(c.T) }, c.between(500*time.Millisecond, 10*time.Second)
		}},
	}
	if failsOver() {
		list = append(list, misfortune{"failed over", func(c *chaos) (func(), time.Duration) {
			c.database.Stop(c.T)
			return c.failOver, c.between(500*time.Millisecond, 10*time.Second)
		}})
	}
	return list
}

// chaos is the whole of it.
type chaos struct {
	*chaosWorld
	random *rand.Rand
	mend   []repair // of what is broken
	taken  map[*chaosReplica]bool
	well   chaosClock
	told   map[string]int // how often what happened
}

// repair ends a misfortune.
type repair struct {
	at      time.Time
	do      func()
	replica *chaosReplica // nil: all
}

func startChaos(t *testing.T) *chaos {
	t.Helper()
	seed := *chaosSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-chaos-seed %d", seed)
	c := &chaos{chaosWorld: newChaosWorld(t), random: rand.New(rand.NewPCG(seed, 0)), taken: make(map[*chaosReplica]bool), told: make(map[string]int)} //nolint:gosec // to be repeated
	for _, r := range c.replicas {
		r.begin(t)
	}
	return c
}

// between is a time of that order, or a quarter of the test where that is short.
func (c *chaos) between(least, most time.Duration) time.Duration {
	return min(least+time.Duration(c.random.Int64N(int64(most-least))), *chaosFor/4)
}

// any is a replica to which nothing has happened yet.
func (c *chaos) any() *chaosReplica {
	for {
		if r := c.replicas[c.random.IntN(len(c.replicas))]; !c.taken[r] {
			c.taken[r] = true
			return r
		}
	}
}

// live has things happen to up to three replicas at a time.
func (c *chaos) live(length time.Duration) {
	end := time.Now().Add(length)
	post, gap := time.NewTicker(max(50*time.Millisecond, length/6000)), max(time.Second, length/120)
	defer post.Stop()
	for next := time.Now().Add(gap); time.Now().Before(end); {
		now := <-post.C
		c.post()
		c.repairUntil(now)
		c.well.note(now, len(c.taken) <= chaosReplicas-majority && !c.down)
		if now.After(next) && len(c.taken) < chaosReplicas-1 && !c.down {
			c.befall(now)
			next = now.Add(gap)
		}
	}
}

// befall has one more thing happen.
func (c *chaos) befall(now time.Time) {
	all := misfortunes()
	m := all[c.random.IntN(len(all))]
	before := make(map[*chaosReplica]bool, len(c.taken))
	for r := range c.taken {
		before[r] = true
	}
	mend, lasts := m.do(c)
	r := repair{at: now.Add(lasts), do: mend}
	for one := range c.taken {
		if !before[one] {
			r.replica = one
		}
	}
	c.down = r.replica == nil
	c.told[m.name]++
	c.mend = append(c.mend, r)
}

// repairUntil mends what has lasted long enough.
func (c *chaos) repairUntil(now time.Time) {
	rest := c.mend[:0]
	for _, r := range c.mend {
		if r.at.After(now) {
			rest = append(rest, r)
			continue
		}
		r.do()
		if delete(c.taken, r.replica); r.replica == nil {
			c.down = false
		}
	}
	c.mend = rest
}

func (c *chaos) repair() { c.repairUntil(time.Now().Add(time.Hour)) }

// arrives waits until all mail has arrived, what was in doubt has come once more, and
// what is to be deleted was.
func (c *chaos) arrives() {
	c.until("arrival of all mail", func() bool { return c.arrived() >= len(c.letters) })
	c.until("end of all doubts", func() bool { c.retryHeld(); rows := c.rows(); return len(rows) == len(c.letters) && forwarded(rows) })
	c.until("deletion of what has arrived", func() bool {
		for i := range chaosAccounts {
			if !keeps(i) && len(c.source.Messages(soakUser(i))) > 0 {
				return false
			}
		}
		return true
	})
}

// until waits until something holds, three minutes at most.
func (c *chaos) until(what string, holds func() bool) {
	c.Helper()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	limit := time.After(3 * time.Minute)
	for !holds() {
		select {
		case <-tick.C:
		case <-limit:
			_, rows, _ := popferry(c.T, "messages", "--config", c.replicas[0].config)
			c.Fatalf("no %s within three minutes: %d of %d letters are there\n%s\n%s", what, c.arrived(), len(c.letters), without(rows, ledger.Forwarded.String()), c.replicas[0].tail())
		}
	}
}

// chaosRow is what the ledger has of a message.
type chaosRow struct {
	Account, UID, State string
	MessageID           string `json:"message_id"`
	Attempts            int
}

func (c *chaos) rows() (rows []chaosRow) {
	c.Helper()
	_, out, errs := popferry(c.T, "messages", "--json", "--config", c.replicas[0].config)
	if err := json.Unmarshal([]byte(out), &rows); err != nil {
		c.Fatalf("%v in %q\n%s", err, out, errs)
	}
	return rows
}

func forwarded(rows []chaosRow) bool {
	for _, r := range rows {
		if r.State != ledger.Forwarded.String() {
			return false
		}
	}
	return true
}

// retryHeld does what a user does about messages that were in doubt three times.
func (c *chaos) retryHeld() {
	c.Helper()
	for _, r := range c.rows() {
		if r.State == ledger.Held.String() {
			c.Logf("held: %s of %s", r.UID, r.Account)
			if code, _, errs := popferry(c.T, "retry", r.Account, r.UID, "--config", c.replicas[0].config); code != exitOK {
				c.Logf("popferry retry: exit %d\n%s", code, errs) // it is being polled
			}
		}
	}
}

// end stops the replicas and compares what was sent, what arrived, and what the ledger
// has of it.
func (c *chaos) end() {
	c.Helper()
	for _, r := range c.replicas {
		r.signal(c.T, syscall.SIGTERM)
	}
	for _, r := range c.replicas {
		r.ended(c.T)
	}
	tried := make(map[string]int)
	for _, r := range c.rows() {
		tried[r.MessageID] = r.Attempts
	}
	twice := c.check(tried)
	c.checkMailboxes()
	longest, who := c.longest(&c.well)
	c.Logf("%d letters, 0 of them lost; %d came once more; it happened: %v; longest time without a poll while most were well: %s (%s), interval %s",
		len(c.letters), twice, c.told, longest.Round(100*time.Millisecond), who, c.interval())
	// A replica that is stopped keeps its mailboxes until the database ends its session, after
	// 30 s, and another one looks for them up to 30 s later.
	if limit := max(2*c.interval(), 2*time.Minute); longest > limit {
		c.Errorf("%s was not polled for %s, want at most %s", who, longest, limit)
	}
}

// interval is that of the schedule.
func (w *chaosWorld) interval() time.Duration {
	return min(time.Minute, max(2*time.Second, *chaosFor/10))
}

// chaosClock knows when most replicas and the database were well.
type chaosClock struct {
	last time.Time
	ill  []span
}

type span struct{ from, to time.Time }

// note says how things are now, and were since it was last told.
func (w *chaosClock) note(now time.Time, well bool) {
	if !well && !w.last.IsZero() {
		if n := len(w.ill); n > 0 && w.ill[n-1].to.Equal(w.last) {
			w.ill[n-1].to = now
		} else {
			w.ill = append(w.ill, span{w.last, now})
		}
	}
	w.last = now
}

// between is how much of the time between two instants was well.
func (w *chaosClock) between(from, to time.Time) time.Duration {
	d := to.Sub(from)
	for _, s := range w.ill {
		first, last := s.from, s.to
		if first.Before(from) {
			first = from
		}
		if last.After(to) {
			last = to
		}
		if last.After(first) {
			d -= last.Sub(first)
		}
	}
	return d
}
