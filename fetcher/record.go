package fetcher

import (
	"context"
	"errors"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
)

// record writes down what came of the poll, for the account and for its
// destination, also while the program is being stopped.
func (r *run) record(ctx context.Context) {
	cutOff := ctx.Err() != nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	r.res.Err = r.halt
	now := r.Now()
	r.row.LastPoll = now
	if r.s != nil {
		r.row.Server = r.s.Learnt // RETR may have taught more
	}
	var blocked *outcome.DestinationError
	switch {
	case r.halt == nil:
		r.row.LastSuccess, r.row.Failures, r.row.NotBefore, r.row.Cause = now, 0, time.Time{}, ledger.Cause{}
		if r.res.Notice != nil {
			r.row.Cause = r.Describe(r.res.Notice)
		}
	case errors.As(r.halt, &blocked):
		// The mailbox is well; it waits with its destination.
		r.row.Cause = r.Describe(r.halt)
	case cutOff, errors.Is(r.halt, ErrStopped), errors.Is(r.halt, context.Canceled):
		// A person stopped it: nothing failed.
	default:
		r.row.Failures++
		r.row.Cause = r.Describe(r.halt)
		r.row.NotBefore = now.Add(r.pollWait())
	}
	if r.Next != nil {
		r.row.NextPoll = r.Next(r.a.Name)
	}
	err := errors.Join(r.lease.PutAccount(ctx, r.row), r.recordDestination(ctx, blocked, now))
	r.res.Err = errors.Join(r.res.Err, err)
}

// recordDestination writes down a destination's failure, or its end.
func (r *run) recordDestination(ctx context.Context, blocked *outcome.DestinationError, now time.Time) error {
	switch {
	case blocked != nil:
		if r.breaker.Accepted() > 0 {
			r.dest.Failures, r.dest.LastSuccess = 0, now // it works, if not for all
		}
		r.dest.Failures++
		r.dest.NotBefore = now.Add(outcome.PollBackoff(r.dest.Failures))
		r.dest.Cause = r.Describe(blocked)
	case r.breaker.Accepted() > 0:
		r.dest.Failures, r.dest.NotBefore, r.dest.Cause, r.dest.LastSuccess = 0, time.Time{}, ledger.Cause{}, now
	default:
		return nil
	}
	return r.Destinations.PutDestination(ctx, r.dest)
}

// pollWait is how long the account waits after this failure. What counts for
// refused credentials are those in a row: an outage says nothing about them.
func (r *run) pollWait() time.Duration {
	var refused *pop3.Error
	var doubted *DoubtedLoginError
	if errors.As(r.halt, &refused) && refused.Kind() == pop3.KindCredentials && !errors.As(r.halt, &doubted) {
		return outcome.LoginBackoff(r.row.Server.BadLogins)
	}
	return outcome.PollBackoff(r.row.Failures)
}
