package fetcher

import (
	"context"
	"errors"
	"slices"

	"github.com/popferry/popferry/fetcher/identify"
)

// Turn bounds a poll in time while other accounts wait. The zero value has no
// bounds.
type Turn struct {
	// Yield, once closed, ends the poll in an orderly way after the messages that
	// were asked for, at least one of them. A server that wants a pause between
	// logins would make the rest wait for too long, so it does not count there.
	Yield <-chan struct{}
	// Cut, once closed, closes the POP3 session at once, whatever it is at.
	// Deliveries are finished.
	Cut <-chan struct{}
}

// ErrYielded: the poll ended early because other accounts were waiting. Nothing
// failed; it goes on in another poll.
var ErrYielded = errors.New("other accounts were waiting; the rest of the mailbox follows")

// yields reports whether the poll has to end because others wait. One that has
// fetched nothing yet goes on, or it might never fetch anything.
func (p *poll) yields() bool {
	select {
	case <-p.Turn.Cut:
		return true
	case <-p.Turn.Yield:
		return p.tried.Load() && p.loginGap() == 0
	default:
		return false
	}
}

// remaining are the messages that are still to be fetched: none after a stop, and
// after a yield those that were asked for already.
func (s *session) remaining(ctx context.Context, left []identify.Candidate) []identify.Candidate {
	switch {
	case !s.stopped(ctx):
		return left
	case !s.tally.yielded():
		return nil
	}
	asked := s.box.ExpectNoMore()
	return slices.DeleteFunc(left, func(c identify.Candidate) bool { return !asked[c.Number] })
}
