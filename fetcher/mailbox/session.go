package mailbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/spool"
)

// Config says how a session begins.
type Config struct {
	Source Source
	// Facts is what is known of the server. The session adds what it learns, also
	// when Open fails.
	Facts *ledger.ServerFacts
	// MaxSize is the largest message that is retrieved, in octets; 0: no limit.
	MaxSize int64
	// UIDsNeeded reports whether messages stay on the server: without UIDL, the
	// headers of all of them would have to be read at every poll.
	UIDsNeeded bool
	// NoPipelining forbids commands ahead of the answers.
	NoPipelining bool
	Now          time.Time
	// Spool holds what is retrieved.
	Spool *spool.Spool
	// Digests reports whether the digests of messages will be asked for.
	Digests bool
	// Count, where set, is called with the octets of messages as they come.
	Count func(octets int)
}

// Session is one POP3 session after its login. Its methods, except Abandon and
// Cut, are called from one goroutine at a time.
type Session struct {
	// Listing is what is in the mailbox.
	Listing  pop3.Listing
	conf     Config
	conn     *pop3.Client
	custody  *custody
	window   window
	madeUp   bool // the UIDs of the listing are popferry's own
	skipTop  bool // headers are read by RETR
	topWorks bool // TOP has shown a header in this session
	unasked  bool // the server is known to have no CAPA, and was not asked for it in this session
	// headerEnded: the header that was read last was followed by an empty line.
	headerEnded bool
	again       again
	quit        bool   // it was ended by QUIT, which was answered
	leftOut     string // the optional command that ended the session
}

// Open connects, logs in and reads the listing. Errors are *Error, and
// *PipelineError around it where the pipelining may be why.
func Open(ctx context.Context, c Config) (*Session, error) {
	facts := c.Facts
	s := &Session{
		conf: c, custody: newCustody(), skipTop: facts.NoTOP.Sure(c.Now),
		window: window{closed: c.NoPipelining || facts.NoPipelining.Sure(c.Now), sentinels: facts.WrongSizes.Get(c.Now)},
	}
	given := openFacts(facts, c.Now)
	conn, learnt, err := pop3.Open(ctx, pop3.Config{
		Dial: c.Source.Dial, StartTLS: c.Source.StartTLS, Credentials: c.Source.Credentials,
		Options:   pop3.Options{Timeout: c.Source.Timeout, MaxListing: c.Source.MaxListing, Trace: c.Source.Trace},
		Facts:     given,
		ListAhead: !s.window.closed && !c.Source.RetrHides(facts, c.Now),
	}, nil)
	noteFacts(facts, given, learnt, c.Now)
	var failed *pop3.OpenError
	if errors.As(err, &failed) {
		err := c.Source.Error(failed.Step, failed.Err)
		if failed.Pipelined && !pop3.OverBudget(failed) {
			err = &PipelineError{err}
		}
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	s.conn = conn
	s.unasked = learnt.Offers == pop3.OffersNothing && learnt.Answered == 0 && learnt.Skip == 0
	s.window.pipelined = conn.Outstanding() > 1
	facts.LastLogin, facts.BadLogins = c.Now, 0
	if err := s.list(ctx); err != nil {
		s.Close(ctx)
		return nil, s.broken(c.Source.Error(StepListing, err))
	}
	return s, nil
}

// list reads what is in the mailbox.
func (s *Session) list(ctx context.Context) (err error) {
	s.Listing, err = s.conn.Listing(ctx)
	switch facts := s.conf.Facts; {
	case errors.Is(err, pop3.ErrNoUIDL) && facts.HasUIDL.Get(s.conf.Now):
		return fmt.Errorf("%w, though it did before", err) // a fault of the server; else all messages would be new
	case errors.Is(err, pop3.ErrNoUIDL) && s.conn.Err() == nil:
		s.madeUp = true
		return s.listByHeader(ctx, err)
	case err == nil && s.Listing.Malformed > 0 && len(s.Listing.Entries) == 0:
		return &pop3.ProtocolError{Command: "UIDL", Text: "every line of the listing is malformed"}
	default:
		if err == nil && len(s.Listing.Entries) > 0 {
			facts.HasUIDL.See(true, s.conf.Now)
		}
		return err
	}
}

// listByHeader replaces the UIDs of a server without UIDL by the fingerprints of
// the messages. Where the server has no TOP either, each message has to be
// retrieved for it. That is acceptable where messages are deleted once forwarded,
// but not at every poll of a mailbox that is kept: noUIDL is the error then, unless
// it is a few messages only whose headers are refused.
func (s *Session) listByHeader(ctx context.Context, noUIDL error) error {
	entries, err := s.conn.List(ctx)
	if err != nil {
		return err
	}
	shownAny := false
	err = s.Headers(ctx, entries, func(i int, h message.Header, shown bool) (enough bool, err error) {
		shownAny = shownAny || shown
		switch {
		case shown:
			entries[i].UID = "header " + h.Fingerprint()
		default: // if RETR fails too, it will say why
			entries[i].UID = fmt.Sprintf("size %d", entries[i].Size)
		}
		return shown || s.conf.UIDsNeeded, nil
	})
	if err == nil && !shownAny && s.conf.UIDsNeeded && len(entries) > 0 {
		return noUIDL
	}
	s.Listing = pop3.Listing{Entries: entries}
	return err
}

// askCapa asks a server that is known to have no CAPA whether it has it by now, once in a
// session, and before it gives out a message: it may say EXPIRE 0. A session without mail
// does without that round trip.
func (s *Session) askCapa(ctx context.Context) error {
	if !s.unasked {
		return nil
	}
	s.unasked = false
	given := openFacts(s.conf.Facts, s.conf.Now)
	learnt, err := s.conn.Recheck(ctx, given)
	noteFacts(s.conf.Facts, given, learnt, s.conf.Now)
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx) // cut off by us
	case learnt.Skip != given.Skip:
		s.leftOut = "CAPA"
		return s.Failure()
	}
	return s.conf.Source.Error(pop3.StepCapa, err)
}

// CanTop reports whether the header of a message can be had without the message,
// as far as is known.
func (s *Session) CanTop() bool { return !s.skipTop }

// Hides reports whether the server will not give a message a second time.
func (s *Session) Hides() bool { return s.conf.Source.RetrHides(s.conf.Facts, s.conf.Now) }

// Err is why the session is over; nil while it stands.
func (s *Session) Err() error { return s.conn.Err() }

// Idle is how long nothing was sent or received.
func (s *Session) Idle() time.Duration { return s.conn.Idle() }

// Failure is Err as an error of the source.
func (s *Session) Failure() error {
	err := s.conn.Err()
	switch {
	case err == nil:
		return nil
	case s.leftOut != "":
		return &LeftOutError{s.leftOut, s.conf.Source.Error(StepRetr, err)}
	}
	return s.conf.Source.Error(StepRetr, err)
}

// KeepAlive sends NOOP with nothing else outstanding, so that the server does not
// log the session out (RFC 1939 3); STAT where NOOP was met with silence. If
// something was outstanding it is read and discarded, and no more is pipelined:
// else that would happen at each NOOP.
func (s *Session) KeepAlive(ctx context.Context) error {
	s.window.closed = s.window.closed || s.conn.Outstanding() > 0
	if err := s.drain(ctx); err != nil {
		return err
	}
	if s.conf.Facts.NoNOOP.Sure(s.conf.Now) {
		return s.conn.Stat(ctx)
	}
	err := s.conn.Noop(ctx)
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() == nil {
		s.conf.Facts.NoNOOP.See(true, s.conf.Now)
		s.leftOut = "NOOP"
	}
	return err
}

// Close ends a session that is of no more use: by QUIT if that is safe and it
// still stands, else by closing the connection.
func (s *Session) Close(ctx context.Context) {
	if s.conn.Err() == nil && !s.custody.deleting && s.custody.quitSafe() && s.conn.Outstanding() == 0 {
		_ = s.conn.Quit(ctx)
	}
	_ = s.conn.Close()
}

// Cut closes the connection at once. It may be called from any goroutine.
func (s *Session) Cut() { _ = s.conn.Close() }

// Quit reports whether the session was ended by QUIT, and the server said that this was
// done.
func (s *Session) Quit() bool { return s.quit }

// Pipelined reports whether more than one command was outstanding at a time.
func (s *Session) Pipelined() bool { return s.window.pipelined }
