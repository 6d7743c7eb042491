package fetcher

import (
	"context"
	"errors"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
)

// finish records how the poll went, for the account and for its destination,
// also while the program is being stopped.
func (p *poll) finish(ctx context.Context) {
	cutOff := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	counts, accepted, halt := p.tally.result()
	p.res.Counts, p.res.Err = counts, halt
	now := p.Now()
	p.row.LastPoll = now
	var fault *outcome.DestinationError
	switch {
	case halt == nil:
		p.row.LastSuccess, p.row.Failures, p.row.NotBefore, p.row.Cause = now, 0, time.Time{}, ledger.Cause{}
		if p.res.Notice != nil {
			p.row.Cause = p.Describe(p.res.Notice)
		}
	case errors.As(halt, &fault):
		// The mailbox is well; it waits with its destination.
		p.row.Cause = p.Describe(halt)
	case cutOff, errors.Is(halt, ErrStopped), errors.Is(halt, context.Canceled):
		// It was stopped: nothing failed.
	default:
		p.row.Failures++
		p.row.Cause = p.Describe(halt)
		p.row.NotBefore = now.Add(p.backoff(halt))
	}
	if p.Next != nil {
		p.row.NextPoll = p.Next(p.Name)
	}
	err := errors.Join(p.lease.PutAccount(ctx, p.row), p.finishDestination(ctx, fault, accepted, now))
	p.res.Err = errors.Join(p.res.Err, err)
}

// finishDestination records a destination's failure, or its end.
func (p *poll) finishDestination(ctx context.Context, fault *outcome.DestinationError, accepted int, now time.Time) error {
	switch {
	case fault != nil:
		if accepted > 0 {
			p.dest.Failures, p.dest.LastSuccess = 0, now // it works, if not for all
		}
		p.dest.Failures++
		p.dest.NotBefore = now.Add(outcome.PollBackoff(p.dest.Failures))
		p.dest.Cause = p.Describe(fault)
	case accepted > 0:
		p.dest.Failures, p.dest.NotBefore, p.dest.Cause, p.dest.LastSuccess = 0, time.Time{}, ledger.Cause{}, now
	default:
		return nil
	}
	return p.Destinations.PutDestination(ctx, p.dest)
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

// maxPipelineCuts is how many pipelined sessions in a row may be cut before that
// counts as the pipelining's doing.
const maxPipelineCuts = 2

// fallback is the repetition of a session without pipelining, once in a poll.
type fallback struct {
	taken  bool
	before ledger.ServerFacts // what was known of the server until then
}

// fallBack reports whether a session that ended with this error is to be repeated
// without pipelining: if that may have been why, once in a poll, and unless the
// server wants a pause between logins. It returns the error that counts.
func (p *poll) fallBack(err error) (again bool, cause error) {
	facts := &p.row.Server
	var broken *mailbox.PipelineError
	switch {
	case p.fallback.taken:
		if failsAnyway(err) {
			facts.NoPipeliningSince, facts.PipelineCuts = p.fallback.before.NoPipeliningSince, p.fallback.before.PipelineCuts
		}
		return false, err
	case !errors.As(err, &broken):
		return false, err
	}
	p.fallback = fallback{taken: true, before: *facts}
	facts.PipelineCuts++
	if broken.Proves() || facts.PipelineCuts >= maxPipelineCuts {
		facts.NoPipeliningSince, facts.PipelineCuts = p.Now(), 0
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
