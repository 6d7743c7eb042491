package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

var (
	// ErrNotListed: the message is not on its server.
	ErrNotListed = errors.New("the message is not on its server any more")
	// ErrAnother: what has the message's UID on the server now is not the
	// message that the ledger means.
	ErrAnother = errors.New("its UID now belongs to another message")
	// ErrLookHides: the server would hide or delete the message for being
	// looked at.
	ErrLookHides = errors.New("the server hides or deletes what was once retrieved, and there is no other copy yet")
	// ErrPart: what was shown may be only a part of the message.
	ErrPart = errors.New("the message broke off")
)

// Wanted is a message that a person wants to see.
type Wanted struct {
	ledger.Known                    // its row
	Rows         []ledger.Known     // all rows under its UID, its own among them
	Server       ledger.ServerFacts // what was learnt of the server
}

// Show writes a message to w as its server has it, octet by octet, in a
// session of its own. The caller holds the account's lease; the ledger is
// neither read nor written. Errors are ErrNotListed, ErrAnother, ErrLookHides,
// *SourceError, ErrPart with the *SourceError behind it, and those of w.
func Show(ctx context.Context, a Account, m Wanted, w io.Writer) error {
	s, _, err := visit{Source: a.Source, Policy: a.Policy, Learnt: m.Server, Lockstep: true, Now: time.Now()}.open(ctx)
	if err != nil {
		return err
	}
	defer s.hangUp(ctx)
	if hides(s.Learnt, a.Source) {
		return ErrLookHides
	}
	e, err := s.find(ctx, m)
	if err != nil {
		return err
	}
	return s.copy(ctx, e, w)
}

// find tells which message of the listing is meant, as identify does: by UID
// and size where these leave no doubt, else by the header.
func (s *session) find(ctx context.Context, m Wanted) (pop3.Entry, error) {
	var under []pop3.Entry
	for _, e := range s.Listing.Entries {
		if e.UID == m.UID {
			under = append(under, e)
		}
	}
	if len(under) == 0 {
		return pop3.Entry{}, ErrNotListed
	}
	if len(under) == 1 && len(m.Rows) == 1 && identify.NotDeleted(m.Known) && identify.SameSize(under[0], m.Known) {
		return under[0], nil
	}
	for _, e := range under {
		if same, err := s.same(ctx, e, m.Known); err != nil || same {
			return e, err
		}
	}
	return pop3.Entry{}, ErrAnother
}

// same compares a message with a row by its header; where the server does not
// show that by TOP, by RETR.
func (s *session) same(ctx context.Context, e pop3.Entry, k ledger.Known) (bool, error) {
	for _, ask := range []asking{s.Top0, s.Retr} {
		h, shown, err := s.header(ctx, ask, e)
		if err != nil || shown && identify.Matches(k, h.Fingerprint(), e.Size) {
			return err == nil, err
		}
	}
	return false, nil
}

// copy writes a message's octets to w, and makes sure that these were all.
func (s *session) copy(ctx context.Context, e pop3.Entry, w io.Writer) error {
	body, err := s.Retr(ctx, e.Number)
	if err != nil {
		return s.Source.error(StepRetr, err)
	}
	if _, err = body.WriteTo(w); err != nil && s.Err() == nil {
		return err // of w
	}
	if err == nil {
		err = s.confirm(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("%w after %d octets: %w", ErrPart, body.Octets(), s.Source.error(StepRetr, err))
	}
	return nil
}
