package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
)

// list reads what is in the mailbox.
func (s *session) list(ctx context.Context, keep bool) (err error) {
	s.Listing, err = s.Client.Listing(ctx)
	switch {
	case errors.Is(err, pop3.ErrNoUIDL) && s.Learnt.HasUIDL:
		return fmt.Errorf("%w, though it did before", err) // out of order, or all would be new
	case errors.Is(err, pop3.ErrNoUIDL) && s.Err() == nil:
		s.noUIDL = true
		return s.listByHeader(ctx, keep, err)
	case err == nil && s.Listing.Malformed > 0 && len(s.Listing.Entries) == 0:
		return &pop3.ProtocolError{Command: "UIDL", Text: "no line of the listing makes sense"}
	}
	s.Learnt.HasUIDL = s.Learnt.HasUIDL || err == nil && len(s.Listing.Entries) > 0
	return err
}

// listByHeader makes up for a server without UIDL: a message is told by its
// header. Where the server does not show headers (TOP), each message has to be
// fetched for it. That is borne where messages are deleted once forwarded,
// but not at every poll of a mailbox that is kept: noUIDL is the error then.
func (s *session) listByHeader(ctx context.Context, keep bool, noUIDL error) error {
	entries, err := s.List(ctx)
	if err != nil {
		return err
	}
	numbers := numbersOf(entries)
	for i, e := range entries {
		if err := s.tops(ctx, numbers, i); err != nil {
			return err
		}
		h, shown, err := s.header(ctx, s.Top0, e)
		if err == nil && !shown && !keep {
			h, shown, err = s.header(ctx, s.Retr, e)
		}
		switch {
		case err != nil:
			return err
		case !shown && keep:
			return noUIDL
		case shown:
			entries[i].UID = "header " + h.Fingerprint()
		default:
			entries[i].UID = fmt.Sprintf("size %d", e.Size) // RETR fails too, and will say why
		}
	}
	s.Listing = pop3.Listing{Entries: entries}
	return nil
}

// confirm makes sure that nothing came behind the body that was read last. A
// server that lists only the whole mailbox is asked by NOOP, whose reply tells
// less.
func (s *session) confirm(ctx context.Context, e pop3.Entry) error {
	err := s.Confirm(ctx, s.mark(e))
	var refused *pop3.Error
	if errors.As(err, &refused) {
		return s.alive(ctx)
	}
	return err
}

// alive is NOOP, with nothing outstanding. If something was, it is read away,
// and no more is asked for ahead: or it would be again at each NOOP.
func (s *session) alive(ctx context.Context) error {
	s.pipe.lockstep = s.pipe.lockstep || s.Outstanding() > 0
	if err := s.drop(ctx); err != nil {
		return err
	}
	return s.Noop(ctx)
}

// numbersOf are the numbers of the entries.
func numbersOf(entries []pop3.Entry) []int {
	out := make([]int, len(entries))
	for i, e := range entries {
		out[i] = e.Number
	}
	return out
}

// mark is what tells a message's marker from others.
func (s *session) mark(e pop3.Entry) pop3.Entry {
	if s.noUIDL {
		e.UID = ""
	}
	return e
}

// asking is RETR, or TOP for the header alone.
type asking func(ctx context.Context, number int) (*pop3.Body, error)

// Top0 asks for the header of a message (RFC 1939 7, TOP), or for all of it
// where TOP broke the connection before: the network may have been to blame, so
// it is tried again after a time.
func (s *session) Top0(ctx context.Context, number int) (*pop3.Body, error) {
	if s.noTOP {
		return s.Retr(ctx, number)
	}
	return s.Top(ctx, number, 0)
}

// Retr asks for a message (RFC 1939 5) with nothing else outstanding.
func (s *session) Retr(ctx context.Context, number int) (*pop3.Body, error) {
	if err := s.drop(ctx); err != nil {
		return nil, err
	}
	return s.retr(ctx, number)
}

// retr asks for a message or claims it, and notes that a hiding server has
// given it out.
func (s *session) retr(ctx context.Context, number int) (*pop3.Body, error) {
	s.asked = true
	body, err := s.Client.Retr(ctx, number)
	if err == nil && hides(s.Learnt, s.Source) {
		s.loose++ // a refusal gives nothing out
	}
	return body, err
}

// header reads a message's header; not shown if the server refuses. Its error
// is that of a broken session, as is one in which a message has no end.
func (s *session) header(ctx context.Context, ask asking, e pop3.Entry) (h message.Header, shown bool, err error) {
	body, err := ask(ctx, e.Number)
	if err == nil {
		n := message.NewNormalizer(io.Discard)
		if _, err = (&bounded{body: body, left: waste(s.Policy, e.Size)}).WriteTo(n); err == nil {
			return n.Header(), true, nil
		}
		_ = body.Close()
	}
	broken := s.Err()
	if errors.Is(err, errEndless) {
		broken = err
	}
	if broken != nil && s.Outstanding() > 0 {
		return message.Header{}, false, s.broken(s.Source.error(StepTop, broken))
	} else if broken != nil {
		// Whatever it was, RETR is the way that has to work; but we cut it off ourselves where ctx is done.
		if ctx.Err() == nil && !s.noTOP {
			s.Learnt.TopFailedAt = s.Learnt.LastLogin
		}
		return message.Header{}, false, s.Source.error(StepTop, broken)
	}
	return message.Header{}, false, nil
}

// print is a message's fingerprint, "" if the server won't show the header.
func (s *session) print(ctx context.Context, ask asking, e pop3.Entry) (string, error) {
	h, _, err := s.header(ctx, ask, e)
	return h.Fingerprint(), err
}
