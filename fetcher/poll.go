package fetcher

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/spool"
)

// Options are what a Poller works with. All but Stopping, Next and Now are required.
type Options struct {
	// Lease takes an account's lease, or returns ledger.ErrLeased.
	Lease        func(ctx context.Context, account int64) (Lease, error)
	Destinations Destinations
	Spool        *spool.Spool
	// Kept is the folder for messages that their server gives only once. It is
	// made when it is needed.
	Kept string
	// Describe turns an error into what the ledger keeps of it.
	Describe func(error) ledger.Cause
	Log      *slog.Logger
	// Stopping, once closed, ends polls early: transactions in flight are
	// finished and written down, nothing new is begun.
	Stopping <-chan struct{}
	// Next, where set, is when an account is planned to be polled next.
	Next func(account string) time.Time
	Now  func() time.Time
}

// Poller polls accounts. It has no state of its own; its methods may be called
// from many goroutines.
type Poller struct {
	Options
}

// New returns a Poller. It does no I/O.
func New(o Options) *Poller {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Poller{o}
}

// writeLimit bounds the wait for a write that a shutdown must not lose. Disks
// were seen to take half a minute for one.
const writeLimit = time.Minute

// Poll takes what is new in one mailbox to its destination. With asked, a
// person wants it now: back-offs do not count. Cancelling ctx breaks
// everything off at once; what was begun is still written down. Whatever
// happens, a panic included, stays within the account.
func (p *Poller) Poll(ctx context.Context, a Account, asked bool) (res Result) {
	start := p.Now()
	res = Result{Account: a.Name, OnServer: -1}
	lease, err := p.Lease(ctx, a.ID)
	if errors.Is(err, ledger.ErrLeased) {
		res.Rest = Leased
		return res
	}
	if err != nil {
		res.Err = err
		return res
	}
	r := &run{Poller: p, a: a, lease: lease, asked: asked, log: p.Log.With("account", a.Name), res: res}
	r.poll(ctx)
	r.res.Err = errors.Join(r.res.Err, lease.Release())
	r.res.Duration = p.Now().Sub(start)
	return r.res
}

// PanicError is a panic in a poll: a bug of ours that must not reach other
// accounts.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("a bug in popferry: %v", e.Value) }

// run is one poll of one account under its lease.
type run struct {
	*Poller
	a     Account
	lease Lease
	asked bool
	log   *slog.Logger

	row   ledger.Account
	dest  ledger.Destination
	s     *session
	known func() ([]ledger.Known, error) // waits for what is known of the messages
	gens  map[string]int                 // the next generation of each UID that has rows; nil: see generation

	view identify.View
	// lastLogin is when the session before this poll began.
	lastLogin time.Time
	refusals  int // of RETR, in a row
	// repeated tells that a session is repeated because pipelining may have
	// broken it; before is what was known of its server until then.
	repeated bool
	before   ledger.ServerFacts
	// owes tells that a session could not be ended and its deletions were not
	// made; sweeping that this one is for them alone.
	owes, sweeping bool
	// claimed are the rows that a message of this session turned out to be: no
	// other message is the same.
	claimed map[int64]bool

	mu      sync.Mutex // guards what follows: transactions run side by side
	res     Result
	done    []identify.Match // forwarded in this session
	unsent  []int            // numbers of those that were given out and not sent
	halt    error            // nothing new is begun
	ours    bool             // halt is our own fault: nothing is deleted either
	breaker *outcome.Breaker
}

// poll is the whole story; record, at its end, is what the ledger keeps of it.
func (r *run) poll(ctx context.Context) {
	var err error
	if r.row, err = r.lease.Account(ctx); err != nil {
		r.res.Err = err
		return
	}
	if r.dest, err = r.Destinations.Destination(ctx, r.a.Destination.Name); err != nil {
		r.res.Err = err
		return
	}
	if r.resting() {
		return
	}
	r.breaker = outcome.NewBreaker(r.dest.LastSuccess)
	r.lastLogin = r.row.Server.LastLogin
	for more := true; more && !r.stopped(ctx); {
		var err error
		if more, err = r.guarded(ctx); err != nil {
			second := r.repeated
			if more = r.repeat(err); !more {
				if second {
					err = r.notPipelining(err)
				}
				r.stop(err, false)
			}
		}
	}
	r.sweep(ctx)
	r.record(ctx)
}

// now is the time as it stands in trace lines: to the second.
func (r *run) now() time.Time { return r.Now().Truncate(time.Second) }

// guarded is a session whose panic stays within it.
func (r *run) guarded(ctx context.Context) (more bool, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = r.ourFault(&PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	return r.session(ctx)
}

// session is one POP3 session: RETR*, then DELE*, then QUIT; more tells that
// another one is to follow. A stop cuts the POP3 side off after a grace;
// transactions with the destination end as they will.
func (r *run) session(hard context.Context) (more bool, err error) {
	ctx, end := r.graceful(hard)
	defer end()
	r.done, r.unsent, r.refusals, r.claimed = nil, nil, 0, make(map[int64]bool)
	r.known = r.readKnown(ctx) // while the server is busy with the login
	defer func() { _, _ = r.known() }()
	if err := r.open(ctx); err != nil {
		return false, err
	}
	defer func() { r.s.hangUp(context.WithoutCancel(ctx)) }()
	failpoint("listed")
	p, err := r.plan(ctx)
	if err != nil {
		return false, err
	}
	if r.sweeping {
		return false, r.remove(ctx, p.Expired)
	}
	if p, err = r.prepare(ctx, p); err != nil {
		return false, err
	}
	r.a.Progress.expect(p.Due)
	now, rest := r.portion(p.Due)
	if err := r.forward(hard, ctx, now); err != nil {
		return false, err
	}
	if len(rest) == 0 && !r.stopped(hard) {
		if p, err = r.decide(ctx, p); err != nil {
			return false, err
		}
		r.a.Progress.expect(p.Due)
		if err := r.forward(hard, ctx, p.Due); err != nil {
			return false, err
		}
	}
	more = len(r.done) > 0 && (len(rest) > 0 || r.hides()) && r.gap() == 0
	r.asked = false // once is enough
	return more, r.remove(ctx, p.Expired)
}

// open begins the session, and says what is odd about its server.
func (r *run) open(ctx context.Context) (err error) {
	before := r.row.Server.ExpireDays
	v := visit{Source: r.a.Source, Policy: r.a.Policy, Learnt: r.row.Server, Lockstep: r.repeated, Now: r.Now()}
	if r.s, r.row.Server, err = v.open(ctx); err != nil {
		return r.doubt(err)
	}
	if n := r.s.Listing.Malformed; n > 0 {
		r.log.Warn("the listing has lines that make no sense; the others are used", "lines", n)
	}
	if days := r.s.Learnt.ExpireDays; days > 0 && days != before && r.a.Policy.KeepsLonger(days) {
		r.log.Warn("the server deletes messages by itself, sooner than leave_on_server says (EXPIRE)", "days", days)
	}
	return nil
}

// prepare writes down what needs no transaction. What a person wants to count
// as seen is decided all at once, so that nothing that comes later is adopted
// too.
func (r *run) prepare(ctx context.Context, p identify.Plan) (identify.Plan, error) {
	if err := r.note(ctx, p); err != nil {
		return p, err
	}
	if r.row.UIDs != ledger.UIDsAdopting {
		return p, nil
	}
	due := p.Due
	p, err := r.decide(ctx, p)
	if err != nil {
		return p, err
	}
	p.Due = append(due, p.Due...)
	return p, r.noteAdopted(ctx)
}

// portionSize is how many messages one session fetches where they are deleted
// at its end, so that a cut late in a large mailbox costs little.
const portionSize = 4000

// portion is what this session fetches of what is due. A server that wants a
// pause between logins has all at once.
func (r *run) portion(due []identify.Candidate) (now, rest []identify.Candidate) {
	if r.a.Policy.Keep || r.gap() > 0 || len(due) <= portionSize {
		return due, nil
	}
	return due[:portionSize], due[portionSize:]
}

// gap is the least time between two logins.
func (r *run) gap() time.Duration { return max(r.a.Policy.MinInterval, r.row.Server.LoginDelay) }
