package fetcher_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

var (
	faultRuns = flag.Int("faults", 150, "random runs of TestFaults")
	faultSeed = flag.Uint64("seed", 1, "the first of them; the others count on from it")
)

// TestFaults has everything around a poll fail at random for some polls: the
// mailbox, other clients of it, the destination, the ledger, the process. Then
// the faults stop. Whatever happened: nothing is lost, nothing is deleted that
// had not arrived, and nothing comes twice but what was in doubt. A run that
// fails is repeated by -seed N -faults 1.
func TestFaults(t *testing.T) {
	t.Parallel()
	for i := range *faultRuns {
		seed := *faultSeed + uint64(i)
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			s := newChaos(t, seed)
			for range 2 + s.rng.n(5) {
				s.between()
				s.pollAmidFaults()
				s.now.Add(time.Duration(s.rng.n(12*60)) * time.Minute)
			}
			s.calm()
			s.check()
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

// chaos is one run. Each part has rng of its own, so that a run can be
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
}

func newChaos(t *testing.T, seed uint64) *chaos {
	t.Helper()
	r := newRNG(seed, 0)
	s := &chaos{rng: r}
	s.pops = popFaults{chaos: s, rng: newRNG(seed, 1), in: oneOf(r, 5, 15, 40, 200), unsized: r.one(3), session: make(map[int]*popSession)}
	s.out = smtpFaults{chaos: s, rng: newRNG(seed, 2), in: oneOf(r, 3, 8, 20, 100)}
	s.led = ledgerFaults{open: make(map[delivery]bool), doubts: make(map[delivery]int), trace: make(map[int64]string)}
	s.mail = messages{rng: newRNG(seed, 3), plain: s.pops.unsized, alike: !s.pops.unsized && r.one(4), byUID: make(map[string][]*expected), byOctets: make(map[string]*expected), sizes: make(map[int]bool)}
	s.lmtp = r.one(3)
	o := smtptest.Options{LMTP: s.lmtp, UTF8: true, Fault: s.out.at}
	for _, ext := range []string{"PIPELINING", "CHUNKING"} {
		if r.one(3) {
			o.Hide = append(o.Hide, ext)
		}
	}
	s.fixture = newFixture(t, faults{pop: s.pops.handle, smtp: o})
	s.account.Policy = oneOf(r, identify.Policy{}, identify.Policy{Keep: true}, identify.Policy{Keep: true, KeepFor: time.Duration(1+r.n(3)) * 24 * time.Hour})
	if r.one(10) {
		s.account.Policy.MaxSize = 2000
	}
	if r.one(2) {
		s.account.Destination.Recipients = []string{"me@example.org", "you@example.org"}
	}
	s.account.Destination.Original = r.one(2)
	s.add(1 + r.n(12))
	return s
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
	c.person(r)
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
	c.account.Destination.Forwarder, c.account.Source.Timeout = destination{pool}, p.pop
	stop := make(chan struct{})
	halt := sync.OnceFunc(func() { close(stop) })
	c.halting.Store(&halt)
	poller := fetcher.New(fetcher.Options{
		Lease: func(ctx context.Context, id int64) (fetcher.Lease, error) {
			l, err := c.store.Lease(ctx, id)
			if err != nil {
				return nil, err
			}
			c.led.interrupted()
			return &shakyLease{Lease: l, faults: &c.led, fault: f, die: cancel}, nil
		},
		Destinations: c.store, Spool: c.spool, CopyDir: c.copyDir, Stopping: stop, Now: c.now.Now,
		Describe: func(err error) ledger.Cause { return ledger.Cause{Code: "test", Text: err.Error()} },
		Log:      slog.New(slog.NewTextHandler(testLog{c.t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	r := poller.Poll(ctx, c.account, asked)
	c.t.Logf("poll: %+v", r)
	return r
}

// person says what to do where popferry asks for it.
func (c *chaos) person(r fetcher.Result) {
	if !errors.Is(r.Err, fetcher.ErrRenumbered) {
		return
	}
	l, err := c.store.Lease(c.t.Context(), c.account.ID)
	must(c.t, err)
	a, err := l.Account(c.t.Context())
	must(c.t, err)
	a.UIDs = ledger.UIDsStable // resend
	must(c.t, l.PutAccount(c.t.Context(), a))
	must(c.t, l.Release())
}

// calm polls once a day until nothing is due any more.
func (c *chaos) calm() {
	const days = 40
	quiet := 0
	var r fetcher.Result
	for range days {
		c.now.Add(24 * time.Hour)
		r = c.pollWith(ledgerFault{kind: none}, timeouts{longTimeout, longTimeout}, false)
		c.person(r)
		if quiet++; r.Err != nil || r.TryAgain() {
			quiet = 0
		}
		if quiet > 4 { // longer than any message is kept
			return
		}
	}
	c.t.Errorf("after %d days without faults there is still something to do: %+v; %v", days, r, c.states())
}
