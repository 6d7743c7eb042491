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
			s := newStorm(t, seed)
			for range 2 + s.dice.n(5) {
				s.between()
				s.pollAmidFaults()
				s.now.Add(time.Duration(s.dice.n(12*60)) * time.Minute)
			}
			s.calm()
			s.check()
		})
	}
}

// dice are random numbers for several goroutines.
type dice struct {
	mu sync.Mutex
	r  *rand.Rand
}

func newDice(seed, stream uint64) *dice { return &dice{r: rand.New(rand.NewPCG(seed, stream))} }

// n is at least 0 and less than most.
func (d *dice) n(most int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.r.IntN(most)
}

// one is true once in so many times.
func (d *dice) one(in int) bool { return d.n(in) == 0 }

func oneOf[T any](d *dice, list ...T) T { return list[d.n(len(list))] }

// storm is one run. Each part has dice of its own, so that a run can be
// repeated though its parts are not always met in the same order.
type storm struct {
	*world
	dice    *dice // what happens between polls
	pops    popFaults
	out     smtpFaults
	mail    letters
	led     ledgerFaults
	on      atomic.Bool // faults happen
	halting atomic.Pointer[func()]
	lmtp    bool
}

func newStorm(t *testing.T, seed uint64) *storm {
	t.Helper()
	d := newDice(seed, 0)
	s := &storm{dice: d}
	s.pops = popFaults{storm: s, dice: newDice(seed, 1), in: oneOf(d, 5, 15, 40, 200), unsized: d.one(3), session: make(map[int]*popSession)}
	s.out = smtpFaults{storm: s, dice: newDice(seed, 2), in: oneOf(d, 3, 8, 20, 100)}
	s.led = ledgerFaults{open: make(map[delivery]bool), doubts: make(map[delivery]int), trace: make(map[int64]string)}
	s.mail = letters{dice: newDice(seed, 3), plain: s.pops.unsized, alike: !s.pops.unsized && d.one(4), byUID: make(map[string][]*fate), byOctets: make(map[string]*fate), sizes: make(map[int]bool)}
	s.lmtp = d.one(3)
	o := smtptest.Options{LMTP: s.lmtp, UTF8: true, Fault: s.out.at}
	for _, ext := range []string{"PIPELINING", "CHUNKING"} {
		if d.one(3) {
			o.Hide = append(o.Hide, ext)
		}
	}
	s.world = newWorld(t, bend{pop: s.pops.handle, smtp: o})
	s.account.Policy = oneOf(d, identify.Policy{}, identify.Policy{Keep: true}, identify.Policy{Keep: true, KeepFor: time.Duration(1+d.n(3)) * 24 * time.Hour})
	if d.one(10) {
		s.account.Policy.MaxSize = 2000
	}
	if d.one(2) {
		s.account.Destination.Recipients = []string{"me@example.org", "you@example.org"}
	}
	s.account.Destination.Original = d.one(2)
	s.add(1 + d.n(12))
	return s
}

// halt stops the poll as a signal does.
func (s *storm) halt() { (*s.halting.Load())() }

// patience is how long both sides wait for each other.
type patience struct{ pop, smtp time.Duration }

// pollAmidFaults is a poll in which everything may go wrong.
func (s *storm) pollAmidFaults() {
	s.on.Store(true)
	defer s.on.Store(false)
	f := ledgerFault{kind: none}
	if s.dice.one(2) {
		f = ledgerFault{kind: oneOf(s.dice, failsBefore, failsAfter, diesBefore, diesAfter), at: s.dice.n(20)}
	}
	r := s.pollWith(f, patience{60 * time.Millisecond, 150 * time.Millisecond}, s.dice.one(3))
	s.person(r)
}

// pollWith polls once; each time as a process of its own would.
func (s *storm) pollWith(f ledgerFault, p patience, asked bool) fetcher.Result {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	defer cancel()
	pool := smtp.New(smtp.Options{
		Dial: s.smtp.Dial, LMTP: s.lmtp, Connections: 1 + s.dice.n(4), InFlight: 1 + s.dice.n(4), Timeout: p.smtp, DotTimeout: p.smtp, Now: s.now.Now,
	})
	defer pool.Close()
	s.account.Destination.Forwarder, s.account.Source.Timeout = destination{pool}, p.pop
	stop := make(chan struct{})
	halt := sync.OnceFunc(func() { close(stop) })
	s.halting.Store(&halt)
	poller := fetcher.New(fetcher.Options{
		Lease: func(ctx context.Context, id int64) (fetcher.Lease, error) {
			l, err := s.store.Lease(ctx, id)
			if err != nil {
				return nil, err
			}
			s.led.interrupted()
			return &shakyLease{Lease: l, faults: &s.led, fault: f, die: cancel}, nil
		},
		Destinations: s.store, Spool: s.spool, CopyDir: s.keptDir, Stopping: stop, Now: s.now.Now,
		Describe: func(err error) ledger.Cause { return ledger.Cause{Code: "test", Text: err.Error()} },
		Log:      slog.New(slog.NewTextHandler(testLog{s.t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	r := poller.Poll(ctx, s.account, asked)
	s.t.Logf("poll: %+v", r)
	return r
}

// person says what to do where popferry asks for it.
func (s *storm) person(r fetcher.Result) {
	if !errors.Is(r.Err, fetcher.ErrRenumbered) {
		return
	}
	l, err := s.store.Lease(s.t.Context(), s.account.ID)
	must(s.t, err)
	a, err := l.Account(s.t.Context())
	must(s.t, err)
	a.UIDs = ledger.UIDsStable // resend
	must(s.t, l.PutAccount(s.t.Context(), a))
	must(s.t, l.Release())
}

// calm polls once a day until nothing is due any more.
func (s *storm) calm() {
	const days = 40
	quiet := 0
	var r fetcher.Result
	for range days {
		s.now.Add(24 * time.Hour)
		r = s.pollWith(ledgerFault{kind: none}, patience{ample, ample}, false)
		s.person(r)
		if quiet++; r.Err != nil || r.TryAgain() {
			quiet = 0
		}
		if quiet > 4 { // longer than any message is kept
			return
		}
	}
	s.t.Errorf("after %d days without faults there is still something to do: %+v; %v", days, r, s.states())
}
