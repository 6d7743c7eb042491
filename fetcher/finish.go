package fetcher

import (
	"context"
	"errors"
	"runtime/debug"
	"sync"
	"time"

	place "github.com/popferry/popferry/fetcher/failpoint"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/forwarder"
)

// finish records how the poll went, for the account and for its destination,
// also while the program is being stopped.
func (p *poll) finish(ctx context.Context) {
	cutOff, why := ctx.Err() != nil, context.Cause(ctx)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	_, _ = p.reconsider(ctx) // if no session has; an error halts the poll
	counts, breaker, halt := p.tally.result()
	switch {
	case halt == nil:
		halt = p.leftOut.fault
	case cutOff && errors.Is(halt, context.Canceled): // what was being done then says less
		halt = why
	}
	p.res.Counts, p.res.Err = counts, halt
	overRate := p.tally.takePostponed()
	p.res.Postponed += overRate
	if p.res.OnServer >= 0 && p.res.Postponed == 0 || p.allotment.oldest && overRate == 0 {
		p.row.Server.PassedSince = time.Time{} // all were sent, or the oldest was
	}
	now := p.Now()
	changed := p.row.Refusals != breaker.Refusals()
	p.row.Refusals = breaker.Refusals()
	if p.res.Skip != NotSkipped { // only copies were sent, if there were any
		if changed {
			halt = errors.Join(halt, p.lease.PutAccount(ctx, p.row))
		}
		p.res.Err = errors.Join(halt, p.finishRoutes(ctx, now))
		return
	}
	p.row.LastPoll, p.row.Postponed = now, p.res.Postponed
	p.failover.end(p, halt == nil)
	began, own := p.began, halt != nil && p.Own != nil && p.Own(ctx, halt)
	var (
		fault   *outcome.DestinationError
		refused *outcome.RouteError
		paused  *outcome.PausedError
	)
	switch {
	case own:
		began = time.Time{}
	case halt == nil:
		p.row.Failures, p.row.NotBefore, p.row.Cause = 0, time.Time{}, ledger.Cause{}
		switch r := p.row.Refusals; {
		case r.Everything(): // the mailbox is well, but this was no success
			p.res.Err = &outcome.RefusesEverythingError{Name: p.Destination.Name, Count: r.Count, Since: r.Since}
			p.row.Cause = p.Describe(p.res.Err)
		case p.res.Notice != nil:
			p.row.LastSuccess, p.row.Cause = now, p.Describe(p.res.Notice)
		default:
			p.row.LastSuccess = now
		}
	case errors.As(halt, &paused):
		p.row.Cause, p.row.NotBefore = p.Describe(halt), now.Add(outcome.Pause)
	case errors.As(halt, &fault), errors.As(halt, &refused):
		// The mailbox is well; it waits with its destination.
		p.row.Cause = p.Describe(halt)
	case errors.Is(halt, ErrYielded) && counts.Forwarded > 0:
		// All went well so far.
		began = time.Time{}
		p.row.LastSuccess, p.row.Failures, p.row.NotBefore, p.row.Cause = now, 0, time.Time{}, ledger.Cause{}
	case cutOff, errors.Is(halt, ErrStopped), errors.Is(halt, ErrYielded), errors.Is(halt, forwarder.ErrCrowded), errors.Is(halt, context.Canceled):
		began = time.Time{} // It was stopped: nothing failed.
	case counts.Forwarded > 0 || brokeAtQuit(halt):
		// It made progress: the next poll comes at its usual time.
		p.row.Failures, p.row.NotBefore, p.row.Cause = 0, time.Time{}, p.Describe(halt)
	default:
		p.row.Failures++
		p.row.Cause = p.Describe(halt)
		p.row.NotBefore = now.Add(p.backoff(halt))
		p.row.Server.Tried = ledger.Tried{Settings: p.Settings, Secret: p.login.mark(), Changes: p.row.Server.Tried.Changes}
	}
	if p.row.NotBefore.IsZero() {
		p.row.Server.Tried = ledger.Tried{}
	}
	if !began.IsZero() { // else the account is still due
		p.row.Began, p.row.Settings = began, p.Settings
		if p.Due.After != nil {
			p.row.NextPoll = p.Due.After(began)
		}
	}
	if errors.Is(halt, forwarder.ErrCrowded) {
		p.res.Skip, p.res.Err = Crowded, nil
	}
	err := p.lease.PutAccount(ctx, p.row)
	if err == nil {
		p.res.Began = began
		if p.wanted && !began.IsZero() {
			err = p.Due.Request.Answered(ctx)
		}
	}
	if !own {
		err = errors.Join(err, p.finishRoutes(ctx, now))
	}
	p.res.Err = errors.Join(p.res.Err, err)
}

// finishRoutes records how the poll went for its destination and for the
// recipients there.
func (p *poll) finishRoutes(ctx context.Context, now time.Time) error {
	_, breaker, halt := p.tally.result()
	var fault *outcome.DestinationError
	var refused *outcome.RouteError
	var whole, own *ledger.Tried // with which they failed
	if errors.As(halt, &fault) {
		whole = &ledger.Tried{Settings: p.Destination.Settings, Changes: p.dest.Tried.Changes}
		if fault.Outcome.Stage == forwarder.StageAuth {
			whole.Secret = p.markDestination(ctx)
		}
	}
	if errors.As(halt, &refused) {
		own = &ledger.Tried{Settings: p.Destination.routeSettings(), Changes: p.route.Tried.Changes}
	}
	return errors.Join(
		p.finishRoute(ctx, p.dest, whole, halt, breaker.Accepted(), now),
		p.finishRoute(ctx, p.route, own, halt, breaker.Accepted(), now))
}

// markDestination marks the destination's password. It is asked for again: the
// sessions that used it may be another poll's.
func (p *poll) markDestination(ctx context.Context) ledger.Mark {
	if p.Destination.Secret == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, writeLimit/2) // the ledger needs the rest
	defer cancel()
	secret, err := p.Destination.Secret(ctx)
	if err != nil {
		return ledger.Unreadable
	}
	return ledger.MarkSecret(secret)
}

// brokeAtQuit reports whether a session broke when all its work was done. What it
// deleted the next listing shows.
func brokeAtQuit(err error) bool {
	var at *mailbox.Error
	return errors.As(err, &at) && at.Step == mailbox.StepQuit
}

// finishRoute records that a route failed with these settings, and why, or that it
// works. was is the route when the poll began.
func (p *poll) finishRoute(ctx context.Context, was ledger.Route, failed *ledger.Tried, why error, accepted int, now time.Time) error {
	is := was
	if accepted > 0 { // it works, if not for all
		is.Failures, is.NotBefore, is.Tried, is.Cause, is.LastSuccess = 0, time.Time{}, ledger.Tried{}, ledger.Cause{}, now
	}
	switch {
	case failed != nil:
		is.Failures++
		o, _, _ := outcome.AnswerIn(why)
		is.NotBefore = now.Add(outcome.RouteBackoff(is.Failures, o.RetryAfter))
		is.Cause, is.Tried = p.Describe(why), *failed
	case accepted == 0:
		return nil
	}
	return p.Routes.PutRoute(ctx, was, is)
}

// backoff is how long the account waits after this failure. Of refused
// credentials those in a row count: an outage says nothing about them.
func (p *poll) backoff(halt error) time.Duration {
	var refused *pop3.Error
	var unconfirmed *UnconfirmedAuthError
	if errors.As(halt, &refused) && refused.Kind() == pop3.KindCredentials && !errors.As(halt, &unconfirmed) {
		return outcome.LoginBackoff(p.row.Server.BadLogins)
	}
	return outcome.PollBackoff(p.row.Failures)
}

const (
	// maxSessions is how many sessions a poll may have whose connections break.
	maxSessions = 8
	// maxBarren is how many of them in a row may forward nothing, and only find a
	// message that is left out from then on: the others are behind it.
	maxBarren = 3
)

// another reports whether another session is to follow one that ended with this
// error: without pipelining, if that may have been why, or because it broke only
// after it had made progress, or at a message that the next one leaves out. It
// returns the error that counts: none if a message is at fault that is known to end
// sessions, and that is not to be sent.
func (p *poll) another(err error, sessions int) (again bool, cause error) {
	if again, err := p.fallBack(err); again {
		return true, err
	}
	var refused *pop3.Error
	var at *mailbox.Error
	broke := errors.As(err, &at) && (at.Step == mailbox.StepRetr || at.Step == mailbox.StepTop) && !errors.As(err, &refused)
	out := &p.leftOut
	known := out.known
	out.known = false
	switch {
	case known && p.loginGap() > 0: // the next poll does what is to be done for the others
		return false, nil
	case len(p.tally.forwarded()) > 0:
		out.barren = 0
	case len(out.uids) > out.before && out.barren < maxBarren:
		out.barren++
	default:
		return false, err
	}
	out.before = len(out.uids)
	return broke && sessions < maxSessions && p.loginGap() == 0, err
}

// fallback is the repetition of a session without pipelining, once in a poll.
type fallback struct {
	taken  bool
	before ledger.Fact[bool] // that the server cannot do it, as it was known until then
}

// fallBack reports whether a session that ended with this error is to be repeated
// without pipelining, once in a poll, or without an optional command: if that may
// have been why, and unless the server wants a pause between logins. It returns the
// error that counts.
func (p *poll) fallBack(err error) (again bool, cause error) {
	facts := &p.row.Server
	var broken *mailbox.PipelineError
	var leftOut *mailbox.LeftOutError
	switch {
	case errors.As(err, &leftOut):
		p.log.Warn("the session ended at an optional command; it is repeated without", "command", leftOut.Command, "error", err)
		return p.loginGap() == 0, err
	case p.fallback.taken:
		if failsAnyway(err) {
			facts.NoPipelining = p.fallback.before
		}
		return false, err
	case !errors.As(err, &broken):
		return false, err
	}
	p.fallback = fallback{taken: true, before: facts.NoPipelining}
	if broken.Proves() {
		facts.NoPipelining.Prove(true, p.Now())
	} else {
		facts.NoPipelining.See(true, p.Now())
	}
	p.log.Warn("the session broke while several commands were outstanding; it is repeated with one at a time", "error", err)
	return p.loginGap() == 0, err
}

// failsAnyway reports whether an error without pipelining shows that the one with
// it had another reason. A failure up to the login, or a refusal, does not.
func failsAnyway(err error) bool {
	var refused *pop3.Error
	var at *mailbox.Error
	if errors.As(err, &refused) {
		return false
	}
	if !errors.As(err, &at) {
		return true
	}
	switch at.Step {
	case pop3.StepConnect, pop3.StepGreeting, pop3.StepSTLS, pop3.StepLogin:
		return false
	default:
		return true
	}
}

// failpoint is where a test may have the process die.
func failpoint(name string) { place.Hit(name) }

// gracePeriod is how long a POP3 session may go on after a stop: enough for its
// deletions, not for a long download.
const gracePeriod = 2 * time.Second

// withGrace returns a context that ends a while after Stopping, and with Turn.Cut. If
// the lease is lost it ends at once, for another process may be in the mailbox, and
// nothing new is begun.
// The function it returns has to be called.
func (p *poll) withGrace(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case <-p.Stopping:
		case <-p.Turn.Cut:
			cancel(ErrYielded)
			return
		case <-p.lease.Lost():
			cancel(p.tally.abort(p.lease.Alive()))
			return
		case <-done:
			return
		}
		t := time.NewTimer(gracePeriod)
		defer t.Stop()
		select {
		case <-t.C:
			cancel(ErrStopped)
		case <-p.Turn.Cut:
			cancel(ErrYielded)
		case <-p.lease.Lost():
			cancel(p.tally.abort(p.lease.Alive()))
		case <-done:
		}
	})
	return ctx, func() {
		close(done)
		wg.Wait()
		cancel(nil)
	}
}

// stopping reports whether the program is being stopped.
func (p *Poller) stopping(ctx context.Context) bool {
	select {
	case <-p.Stopping:
		return true
	default:
		return ctx.Err() != nil
	}
}

// stopped reports whether nothing new is to be fetched.
func (p *poll) stopped(ctx context.Context) bool {
	p.heed(ctx)
	return p.tally.stopped()
}

// closed reports whether what was fetched is not to be sent either: popferry is
// stopping, has a fault of its own, or the destination takes no more. A session
// that ends, however it does, is no reason: what was fetched is delivered.
func (p *poll) closed(ctx context.Context) bool {
	p.heed(ctx)
	return p.tally.closedForSending()
}

// heed stops the poll if the program is being stopped, and ends its fetching if
// others wait.
func (p *poll) heed(ctx context.Context) {
	select {
	case <-p.Stopping:
		p.tally.stop(ErrStopped)
	case <-ctx.Done():
		p.tally.stop(context.Cause(ctx))
	default:
		if p.yields() {
			p.tally.endFetching(ErrYielded)
		}
	}
}

// orPanic is err or, where panicked is the value of a panic, that, which stops the poll.
func (p *poll) orPanic(err error, panicked any) error {
	if panicked == nil {
		return err
	}
	return p.tally.abort(&PanicError{Value: panicked, Stack: debug.Stack()})
}
