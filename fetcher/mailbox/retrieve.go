package mailbox

import (
	"context"
	"errors"
	"io"

	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/spool"
)

// integrity is what the length of a body says about whether it is whole. Many
// servers list wrong sizes.
type integrity uint8

const (
	// exact: as long as listed.
	exact integrity = iota + 1
	// longer than listed, or no size is listed. Whole if nothing came behind it.
	longer
	// shorter than listed. Whole if it has the same length when it is asked for
	// again, with nothing else outstanding, and nothing came behind it.
	shorter
	// empty, or an empty line, though more is listed: never whole.
	empty
)

// unreadable is how many octets Dovecot gives of a message that it cannot read, because
// its file is damaged or has another size than its name says. It says OK all the same,
// and the next time it is no different.
const unreadable = int64(len("\r\n"))

func integrityOf(octets, listed int64) integrity {
	switch {
	case listed > 0 && octets == listed:
		return exact
	case octets >= listed:
		return longer
	case octets <= unreadable:
		return empty
	default:
		return shorter
	}
}

// Retrieve fetches a message and makes sure that it is whole. The caller
// releases the body. Where that means to ask for it again, and the server may not
// give it a second time, keep is called before: it puts what has come on disk.
// Errors are
//
//   - that of keep,
//   - *spool.Error: the disk failed,
//   - the cause of ctx, if that ended it,
//   - *PipelineError: the session broke, and pipelining may be why,
//   - *LeftOutError, *Error: the session broke before the message's turn,
//   - *IncompleteError: the message did not arrive whole; the session may have
//     ended (Err),
//   - *pop3.Error: the server refused it.
func (s *Session) Retrieve(ctx context.Context, e pop3.Entry, keep func(*message.Body) error) (*message.Body, error) {
	if err := s.Failure(); err != nil && ctx.Err() == nil {
		return nil, s.broken(err) // not the message's fault
	}
	if err := s.askCapa(ctx); err != nil {
		return nil, err
	}
	b, err := s.retrieve(ctx, e, keep)
	if err == nil && integrityOf(b.Octets, e.Size) == exact {
		s.conf.Facts.RightSizes.See(true, s.conf.Now)
	}
	var disk *spool.Error
	var refused *pop3.Error
	switch {
	case err == nil || errors.As(err, &disk):
		return b, err
	case ctx.Err() != nil:
		return nil, context.Cause(ctx) // cut off by us: not the message's fault
	case s.conn.Err() != nil && s.window.pipelined && !errors.Is(err, errEndless):
		return nil, &PipelineError{s.Failure()} // nor its alone
	case errors.As(err, &refused) && refused.Code == "UTF8" && s.conn.Capabilities().Has("UTF8"):
		s.conf.Facts.WantsUTF8.See(true, s.conf.Now)
	}
	return nil, err
}

func (s *Session) retrieve(ctx context.Context, e pop3.Entry, keep func(*message.Body) error) (*message.Body, error) {
	b, sentinel, err := s.read(ctx, e, s.next)
	switch {
	case err != nil && sentinel:
		return nil, errors.Join(err, s.confirm(ctx, e)) // its answer has to be read, too
	case err != nil:
		return nil, err
	case sentinel:
		if err := s.inSync(ctx, e, b); err != nil || integrityOf(b.Octets, e.Size) == exact {
			return b, err
		}
	case integrityOf(b.Octets, e.Size) == exact:
		return b, nil
	case s.conn.Outstanding() > 0: // the message behind it may be its rest
		s.conf.Facts.WrongSizes.See(true, s.conf.Now)
		s.window.sentinels = true
		if err := s.drain(ctx); err != nil {
			b.Release()
			return nil, &IncompleteError{Got: b.Octets, Listed: e.Size, Err: err}
		}
	}
	switch integrityOf(b.Octets, e.Size) {
	case exact, longer:
		if sentinel {
			return b, nil
		}
		return b, s.prove(ctx, e, b, keep)
	case empty: // its own first octet may have been a dot that was taken for the end
		if err := s.inSync(ctx, e, b); err != nil {
			return nil, err
		}
		b.Release()
		return nil, &IncompleteError{Got: b.Octets, Listed: e.Size}
	case shorter:
	}
	if !sentinel {
		if err := s.prove(ctx, e, b, keep); err != nil {
			return nil, err
		}
	}
	return s.compare(ctx, e, b, keep)
}

// compare asks once more for a message that was shorter than listed, with nothing
// behind it. With the same length it is whole, and so is one that is no longer
// shorter: only what came first was a part then.
func (s *Session) compare(ctx context.Context, e pop3.Entry, first *message.Body, keep func(*message.Body) error) (*message.Body, error) {
	s.window.closed = true // else all that is pipelined would be read twice each time
	if facts := s.conf.Facts; (facts.RetrTwice.Get(s.conf.Now) || facts.RetrKeeps.Get(s.conf.Now)) && !s.Hides() {
		keep = nil
	}
	if keep != nil {
		if err := keep(first); err != nil {
			first.Release()
			return nil, err
		}
	}
	first.Release()
	again, _, err := s.read(ctx, e, s.alone)
	if err != nil {
		return nil, err
	}
	if err = s.inSync(ctx, e, again); err == nil && again.Octets != first.Octets && integrityOf(again.Octets, e.Size) > longer {
		again.Release()
		err = &IncompleteError{Got: again.Octets, Listed: e.Size}
	}
	if err == nil && !s.Hides() {
		s.conf.Facts.RetrTwice.See(true, s.conf.Now) // it may hide it at QUIT nevertheless
	}
	return again, err
}

// prove is inSync, for a body that nobody else may have: where the server hides what
// it gave, it is kept if the session ends at the proof.
func (s *Session) prove(ctx context.Context, e pop3.Entry, b *message.Body, keep func(*message.Body) error) error {
	err := s.confirm(ctx, e)
	if err == nil {
		return nil
	}
	defer b.Release()
	if keep != nil && s.Hides() && b.Octets > 0 {
		if err := keep(b); err != nil {
			return err
		}
	}
	return &IncompleteError{Got: b.Octets, Listed: e.Size, Err: err}
}

// asker asks for a message, or claims it if it was asked for before. sentinel
// reports whether a sentinel follows.
type asker func(ctx context.Context, e pop3.Entry) (body *pop3.Body, sentinel bool, err error)

// digestFrom is the size from which a message's digest is taken while it comes. A smaller
// one stays in memory, where it is read again at no cost.
const digestFrom = 1 << 20

// read is one RETR into the spool.
func (s *Session) read(ctx context.Context, e pop3.Entry, ask asker) (b *message.Body, sentinel bool, err error) {
	body, sentinel, err := ask(ctx, e)
	var refused *pop3.Error
	switch {
	case errors.As(err, &refused):
		return nil, sentinel, err
	case err != nil: // some servers always hang up at some message
		return nil, sentinel, &IncompleteError{Listed: e.Size, Err: err}
	}
	most := s.maxBody(e.Size)
	whole := &bounded{body: body, left: most, count: s.conf.Count}
	store := message.Store
	if s.conf.Digests && e.Size >= digestFrom {
		store = message.StoreDigested
	}
	if b, err = store(s.conf.Spool.NewItem(), whole); err == nil {
		return b, sentinel, nil
	}
	var disk *spool.Error
	if errors.As(err, &disk) { // the rest is read all the same, or the session would end
		_, _ = whole.WriteTo(io.Discard)
	}
	_ = body.Close()
	switch {
	case disk != nil:
		return nil, sentinel, err
	case errors.Is(err, errEndless): // the same number each time, however it comes in
		return nil, sentinel, &IncompleteError{Got: most, Listed: e.Size, Err: err}
	}
	return nil, sentinel, &IncompleteError{Got: body.Octets(), Listed: e.Size, Err: err}
}

// alone asks for a message with nothing else outstanding.
func (s *Session) alone(ctx context.Context, e pop3.Entry) (*pop3.Body, bool, error) {
	if err := s.drain(ctx); err != nil {
		return nil, false, err
	}
	body, err := s.retr(ctx, e.Number)
	return body, false, err
}

// retr sends RETR, or claims its answer (RFC 1939 5).
func (s *Session) retr(ctx context.Context, number int) (*pop3.Body, error) {
	s.custody.retrieved = true
	body, err := s.conn.Retr(ctx, number)
	if err == nil && s.Hides() {
		s.custody.givenOut(number) // a refusal gives nothing out
	}
	return body, err
}

// inSync makes sure that nothing came behind a body. If that fails, the body is
// released.
func (s *Session) inSync(ctx context.Context, e pop3.Entry, b *message.Body) error {
	err := s.confirm(ctx, e)
	if err == nil {
		return nil
	}
	b.Release()
	return &IncompleteError{Got: b.Octets, Listed: e.Size, Err: err}
}

// confirm makes sure that nothing came behind the body that was read last. A
// server that can list only the whole mailbox is asked by NOOP, whose answer
// proves less.
func (s *Session) confirm(ctx context.Context, e pop3.Entry) error {
	err := s.conn.Confirm(ctx, s.sentinel(e))
	var refused *pop3.Error
	if errors.As(err, &refused) {
		return s.KeepAlive(ctx)
	}
	return err
}

// sizeTolerance is the factor by which listed sizes may be wrong.
const sizeTolerance = 4

// Where a server had not said that a message is larger than the user wants, the limit of
// the user is only raised: what is not read to its end may be gone.
const (
	// mostOnce is how many octets are read of a message that its server gives only once.
	mostOnce = 1 << 30
	// mostUnknown is the same for a server that is not known to keep what it gave out.
	mostUnknown = 64 << 20
)

// maxBody is how many octets of a message of that size are read before it counts
// as one without an end.
func (s *Session) maxBody(size int64) int64 {
	most := s.conf.MaxSize
	switch {
	case most <= 0:
		most = 1 << 40
	case s.Hides():
		most = max(most, mostOnce)
	case !s.conf.Facts.RetrKeeps.Sure(s.conf.Now):
		most = max(most, mostUnknown)
	}
	return max(most, sizeTolerance*size)
}

// maxDiscard is maxBody for a message that is read only to be discarded, or for
// its header.
func (s *Session) maxDiscard(size int64) int64 {
	if s.conf.MaxSize <= 0 {
		const least = 64 << 20 // where no size is listed, or a wrong one
		return max(least, sizeTolerance*size)
	}
	return max(s.conf.MaxSize, sizeTolerance*size)
}

// bounded is a body of at most so many octets.
type bounded struct {
	body  *pop3.Body
	to    io.Writer
	left  int64
	count func(octets int) // nil: they are not counted
}

// WriteTo implements io.WriterTo. It fails with errEndless on more octets.
func (b *bounded) WriteTo(w io.Writer) (int64, error) {
	b.to = w
	return b.body.WriteTo(b)
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errEndless
	}
	if b.count != nil {
		b.count(len(p))
	}
	return b.to.Write(p)
}
