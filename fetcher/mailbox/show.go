package mailbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
)

var (
	// ErrNotListed: the message is not on its server.
	ErrNotListed = errors.New("the message is no longer on its server")
	// ErrAnother: what has the message's UID on the server now is not the
	// message that the ledger means.
	ErrAnother = errors.New("its UID now belongs to another message")
	// ErrLookHides: the server would hide or delete the message for being
	// looked at.
	ErrLookHides = errors.New("the server hides or deletes a message once it is retrieved, and there is no other copy yet")
	// ErrPart: what was shown may be only a part of the message.
	ErrPart = errors.New("the message broke off")
)

// Wanted is a message that the user wants to see.
type Wanted struct {
	ledger.Known                    // its row
	Rows         []ledger.Known     // all rows under its UID, its own among them
	Server       ledger.ServerFacts // what is known of the server
}

// Show writes a message to w as its server has it, octet by octet, in a session
// of its own. The caller holds the account's lease; the ledger is neither read
// nor written. Errors are ErrNotListed, ErrAnother, ErrLookHides, *Error, ErrPart
// with the *Error behind it, and those of w.
func Show(ctx context.Context, src Source, p identify.Policy, m Wanted, w io.Writer) error {
	facts := m.Server
	s, err := Open(ctx, Config{Source: src, Facts: &facts, MaxSize: p.MaxSize, UIDsNeeded: p.Keep, NoPipelining: true, Now: time.Now()})
	if err != nil {
		return err
	}
	defer s.Close(ctx)
	if err := s.askCapa(ctx); err != nil {
		return err
	}
	if s.Hides() {
		return ErrLookHides
	}
	e, err := s.find(ctx, m)
	if err != nil {
		return err
	}
	return s.copy(ctx, e, w)
}

// find returns the entry of the listing that is meant, as identify would match
// it: by UID and size where these are unambiguous, else by the header.
func (s *Session) find(ctx context.Context, m Wanted) (pop3.Entry, error) {
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
		same := false
		err := s.Headers(ctx, []pop3.Entry{e}, func(_ int, h message.Header, shown bool) (bool, error) {
			same = shown && identify.Matches(m.Known, identify.Print{Fingerprint: h.Fingerprint(), Weak: h.Weak()}, e.Size)
			return same, nil
		})
		if err != nil || same {
			return e, err
		}
	}
	return pop3.Entry{}, ErrAnother
}

// copy writes a message's octets to w and makes sure that these were all.
func (s *Session) copy(ctx context.Context, e pop3.Entry, w io.Writer) error {
	body, _, err := s.alone(ctx, e)
	if err != nil {
		return s.conf.Source.Error(StepRetr, err)
	}
	if _, err = body.WriteTo(w); err != nil && s.conn.Err() == nil {
		return err // of w
	}
	if err == nil {
		err = s.confirm(ctx, e)
	}
	if err != nil {
		return fmt.Errorf("%w after %d octets: %w", ErrPart, body.Octets(), s.conf.Source.Error(StepRetr, err))
	}
	return nil
}
