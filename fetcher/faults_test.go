package fetcher_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/retained"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

var (
	faultRuns = flag.Int("faults", 150, "random runs of TestFaults")
	faultSeed = flag.Uint64("seed", 1, "the first of them; the others count on from it")
)

// TestFaults has everything around a poll fail at random for some polls: the
// mailbox, other clients of it, the destination, the ledger, the process. In most
// runs the server, its owner, the machine or the account is odd besides (see years),
// and months pass between the polls. Then the faults stop. Whatever happened: nothing
// is lost, nothing is deleted that had not arrived, and nothing comes twice except
// what was in doubt. A run that fails is repeated by -seed N -faults 1.
func TestFaults(t *testing.T) {
	t.Parallel()
	for i := range *faultRuns {
		seed := *faultSeed + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			c := newChaos(t, seed)
			for range c.polls {
				c.between()
				c.pollAmidFaults()
				c.passTime()
			}
			c.endYears()
			c.strict()
			c.calm()
			c.check()
		})
	}
}

// rng are random numbers for several goroutines.
type rng struct {
	mu   sync.Mutex
	rand *rand.Rand
}

func newRNG(seed, stream uint64) *rng { return &rng{rand: rand.New(rand.NewPCG(seed, stream))} }

// n is at least 0 and less than most.
func (r *rng) n(most int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rand.IntN(most)
}

// one is true once in so many times.
func (r *rng) one(in int) bool { return r.n(in) == 0 }

func oneOf[T any](r *rng, list ...T) T { return list[r.n(len(list))] }

// chaos is one run. Each part has random numbers of its own, so that a run can be
// repeated though its parts are not always met in the same order.
type chaos struct {
	*fixture
	rng     *rng // what happens between polls
	pops    popFaults
	out     smtpFaults
	mail    messages
	led     ledgerFaults
	on      atomic.Bool // faults happen
	halting atomic.Pointer[func()]
	lmtp    bool
	polls   int // amid faults
	years
}

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	r := newRNG(seed, 0)
	c := &chaos{rng: r}
	c.pops = popFaults{chaos: c, rng: newRNG(seed, 1), in: oneOf(r, 5, 15, 40, 200), unsized: r.one(3), session: make(map[int]*popSession)}
	c.out = smtpFaults{chaos: c, rng: newRNG(seed, 2), in: oneOf(r, 3, 8, 20, 100)}
	c.out.strict = newStrictness(newRNG(seed, 4))
	c.led = ledgerFaults{open: make(map[delivery]bool), doubts: make(map[delivery]int), trace: make(map[int64]string)}
	c.mail = messages{rng: newRNG(seed, 3), plain: c.pops.unsized, alike: !c.pops.unsized && r.one(4), dots: r.one(4), byUID: make(map[string][]*expected), byOctets: make(map[string]*expected), sizes: make(map[int]bool)}
	c.lmtp = r.one(3)
	o := smtptest.Options{LMTP: c.lmtp, UTF8: true, Fault: c.out.at}
	for _, ext := range []string{"PIPELINING", "CHUNKING"} {
		if r.one(3) {
			o.Hide = append(o.Hide, ext)
		}
	}
	c.fixture = newFixture(t, faults{pop: c.pops.handle, smtp: o})
	c.account.Policy = drawKeeping(r)
	if r.one(10) {
		c.account.Policy.MaxSize = 2000
	}
	if r.one(3) {
		c.account.Policy.MinInterval = time.Minute // one session a poll
	}
	if r.one(2) {
		c.account.Destination.Recipients = []string{"me@example.org", "you@example.org"}
	}
	c.account.Destination.Original = r.one(2)
	c.polls = 2 + r.n(5)
	c.drawYears(newRNG(seed, 5))
	c.add(1 + r.n(12))
	c.beginYears()
	return c
}

// halt stops the poll as a signal does.
func (c *chaos) halt() { (*c.halting.Load())() }

// timeouts is how long both sides wait for each other.
type timeouts struct{ pop, smtp time.Duration }

// pollAmidFaults is a poll in which everything may go wrong.
func (c *chaos) pollAmidFaults() {
	c.on.Store(true)
	defer c.on.Store(false)
	f := ledgerFault{kind: none}
	if c.rng.one(2) {
		f = ledgerFault{kind: oneOf(c.rng, failsBefore, failsAfter, diesBefore, diesAfter), at: c.rng.n(20)}
	}
	r := c.pollWith(f, timeouts{60 * time.Millisecond, 150 * time.Millisecond}, c.rng.one(3))
	c.answer(r)
}

// pollWith polls once; each time as a process of its own would.
func (c *chaos) pollWith(f ledgerFault, p timeouts, asked bool) fetcher.Result {
	c.t.Helper()
	ctx, cancel := context.WithCancel(c.t.Context())
	defer cancel()
	pool := smtp.New(smtp.Options{
		Dial: c.smtp.Dial, LMTP: c.lmtp, Connections: 1 + c.rng.n(4), InFlight: 1 + c.rng.n(4), Timeout: p.smtp, DotTimeout: p.smtp, Now: c.now.Now,
	})
	defer pool.Close()
	c.account.Destination.Forwarder, c.account.Source.Timeout = c.forwarder(pool), p.pop
	stop := make(chan struct{})
	c.stop = stop
	halt := sync.OnceFunc(func() { close(stop) })
	c.halting.Store(&halt)
	c.lease = func(l fetcher.Lease) fetcher.Lease {
		c.led.interrupted()
		return &shakyLease{Lease: l, faults: &c.led, fault: f, die: cancel, timeline: c.timeline}
	}
	c.beforePoll()
	r := c.fixture.pollWith(ctx, asked)
	c.t.Logf("poll: %+v", r)
	c.afterPoll(r)
	return r
}

// answer is the user's where popferry asks whether to send all again.
func (c *chaos) answer(r fetcher.Result) {
	var copyErr *retained.Error
	switch {
	case errors.Is(r.Err, fetcher.ErrRenumbered):
		c.setUIDs(ledger.UIDsStable) // popferry resend
	case errors.As(r.Err, &copyErr): // a ledger that was set back waits for copies that were forwarded
		c.skipWithoutCopy()
	}
}

// strict polls a destination that refuses large messages or a recipient, as one
// that works does. Whatever happened before, the other messages do not wait for
// these: after some polls that the user asks for, each of them has arrived.
func (c *chaos) strict() {
	s := c.out.strict
	s.on.Store(true)
	defer s.on.Store(false)
	const polls = 8
	for range polls {
		c.now.Add(time.Minute)
		c.answer(c.pollWith(ledgerFault{kind: none}, timeouts{longTimeout, longTimeout}, true))
	}
	held := make(map[string]bool) // what is for the user to decide
	for _, r := range c.rows() {
		if r.State != ledger.Forwarded && (r.State == ledger.Held || r.State == ledger.Skipped || r.Cause.Code == ledger.CauseIncomplete) {
			held[r.UID] = true // as it was listed last
		}
	}
	c.mail.mu.Lock()
	defer c.mail.mu.Unlock()
	for _, m := range c.pop.Messages("leo") {
		e := c.mail.byOctets[string(m.Octets)]
		if e.undoubled {
			continue // it never comes whole
		}
		for a, traces := range c.traces(e) {
			if size := int64(len(m.Octets) + 600); len(traces) == 0 && !held[c.uidOf(m)] && !s.refuses(size, a) && !(c.mail.alike && e.reused) {
				c.t.Errorf("%s, which the destination accepts, has not arrived at %s after %d polls: it waited for others", e.name, a, polls)
			}
		}
	}
}

// calm polls once a day until nothing is due any more.
func (c *chaos) calm() {
	const days = 40
	quiet := 0
	var r fetcher.Result
	for range days {
		c.now.Add(24 * time.Hour)
		r = c.pollWith(ledgerFault{kind: none}, timeouts{longTimeout, longTimeout}, false)
		c.answer(r)
		if quiet++; r.Err != nil || r.TryAgain() {
			quiet = 0
		}
		if quiet > 4 { // longer than any message is kept
			return
		}
	}
	c.t.Errorf("after %d days without faults the poll came to\n%s\nwant nothing left to do; states: %v", days, inWords(r), c.states())
}
