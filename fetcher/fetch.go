package fetcher

import (
	"context"
	"errors"
	"io"
	"sync"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/spool"
)

// fetched is a message in the spool, whole.
type fetched struct {
	identify.Candidate
	row *ledger.Record // without ID if it is new
	*message.Body

	previous <-chan struct{} // closed when the message before has its place in the line
	queued   chan struct{}   // closed when this one has, or will never have
	once     sync.Once
}

// inLine lets the next message queue up.
func (m *fetched) inLine() {
	if m.queued != nil {
		m.once.Do(func() { close(m.queued) })
	}
}

const (
	// maxIncomplete is how often a message may break off at the same place
	// before a person has to look.
	maxIncomplete = 3
)

// fetch brings one message into the spool. It returns nil where that message
// is dealt with already: refused by its server, broken off, known after all.
// Its error ends the session.
func (r *run) fetch(ctx context.Context, c identify.Candidate) (*fetched, error) {
	rec, err := r.rowOf(ctx, c.Known)
	if err != nil {
		return nil, r.ourFault(err)
	}
	if c.Known.CopyFile != "" {
		if m, err := r.fetchKept(ctx, c, rec); m != nil || err != nil || c.Number == 0 || rec.CopyFile != "" {
			return m, err
		}
	}
	loose := r.s.loose
	m, err := r.receive(ctx, c)
	var refused *pop3.Error
	var broken *IncompleteError
	var disk *spool.Error
	switch {
	case errors.As(err, &disk):
		return nil, r.ourFault(err)
	case err != nil && ctx.Err() != nil:
		return nil, context.Cause(ctx) // cut off by us: no fault of the message
	case err != nil && r.s.Err() != nil && r.s.pipe.deep && !errors.Is(err, errEndless):
		return nil, r.s.broken(r.sessionError()) // nor of it alone
	case errors.As(err, &broken):
		return nil, errors.Join(r.incomplete(ctx, c, rec, broken), r.sessionError())
	case errors.As(err, &refused):
		return nil, r.refusedByServer(ctx, c, rec, refused)
	case err != nil:
		return nil, err
	}
	r.claimed[c.Known.ID] = true
	r.s.loose = min(r.s.loose, loose+1) // however often it was asked for
	r.refusals = 0
	m.row = rec
	return r.recognise(ctx, m)
}

// ourFault stops the poll without any deletion.
func (r *run) ourFault(err error) error {
	r.stop(err, true)
	return err
}

// sessionError is why the session is over, if it is.
func (r *run) sessionError() error {
	if err := r.s.Err(); err != nil {
		return r.a.Source.error(StepRetr, err)
	}
	return nil
}

// rowOf reads a known message's row; nil for a new one.
func (r *run) rowOf(ctx context.Context, k ledger.Known) (*ledger.Record, error) {
	if k.ID == 0 {
		return nil, nil
	}
	return r.lease.Record(ctx, k.ID)
}

// receive fetches a body and makes sure that it is whole: its terminator came
// and it is as long as listed. Many servers list wrong sizes: a longer one is
// whole if the session is confirmed to be in step behind it, a shorter one if
// it also has the same length when it is asked for once more, alone.
func (r *run) receive(ctx context.Context, c identify.Candidate) (*fetched, error) {
	m, marked, err := r.retr(ctx, c, r.s.take)
	exact := err == nil && c.Size > 0 && m.Octets == c.Size
	switch {
	case marked && err == nil:
		if err = r.inStep(ctx, c, m); err != nil || exact {
			return m, err
		}
	case marked:
		return m, errors.Join(err, r.s.confirm(ctx, c.Entry)) // to claim the marker
	case err != nil || exact:
		return m, err
	case r.s.Outstanding() > 0:
		r.s.Learnt.WrongSizes, r.s.pipe.marked = true, true
		m.Item.Release()
		if m, err = r.alone(ctx, c); err != nil {
			return m, err
		}
	}
	if m.Octets >= c.Size { // the size tells nothing: at least nothing may come behind it
		if !marked {
			err = r.inStep(ctx, c, m)
		}
		return m, err
	}
	return r.short(ctx, c, m)
}

// short makes sure of a message that is shorter than listed.
func (r *run) short(ctx context.Context, c identify.Candidate, m *fetched) (*fetched, error) {
	short := m.Octets
	m.Item.Release()
	if short == 0 {
		return nil, &IncompleteError{Got: 0, Listed: c.Size}
	}
	r.s.pipe.lockstep = true // or all that is asked for ahead would be read twice each time
	m, err := r.alone(ctx, c)
	if err != nil {
		return nil, err
	}
	if err = r.inStep(ctx, c, m); err == nil && m.Octets != short {
		m.Item.Release()
		err = &IncompleteError{Got: m.Octets, Listed: c.Size}
	}
	return m, err
}

// alone fetches a message with nothing else outstanding.
func (r *run) alone(ctx context.Context, c identify.Candidate) (*fetched, error) {
	m, _, err := r.retr(ctx, c, func(ctx context.Context, c identify.Candidate) (*pop3.Body, bool, error) {
		body, err := r.s.Retr(ctx, c.Number)
		return body, false, err
	})
	return m, err
}

// inStep makes sure that nothing came behind a body. If it can't, the body is
// released.
func (r *run) inStep(ctx context.Context, c identify.Candidate, m *fetched) error {
	err := r.s.confirm(ctx, c.Entry)
	if err == nil {
		return nil
	}
	m.Item.Release()
	return &IncompleteError{Got: m.Octets, Listed: c.Size, Err: err}
}

// retr is one RETR into the spool. marked tells that a marker follows.
func (r *run) retr(ctx context.Context, c identify.Candidate, ask func(context.Context, identify.Candidate) (*pop3.Body, bool, error)) (m *fetched, marked bool, err error) {
	body, marked, err := ask(ctx, c)
	var refused *pop3.Error
	switch {
	case errors.As(err, &refused):
		return nil, marked, err
	case err != nil: // a message at which the server always hangs up
		return nil, marked, &IncompleteError{Listed: c.Size, Err: err}
	}
	m, err = r.store(c, body)
	return m, marked, err
}

// store reads a body into the spool.
func (r *run) store(c identify.Candidate, body *pop3.Body) (*fetched, error) {
	b, err := message.Store(r.Spool.NewItem(), &bounded{body: body, left: bound(r.a.Policy, c.Size), progress: r.a.Progress})
	if err == nil {
		return &fetched{Candidate: c, Body: b}, nil
	}
	_ = body.Close()
	var disk *spool.Error
	switch {
	case errors.As(err, &disk):
		return nil, err
	case errors.Is(err, errEndless): // at the same place each time, however it comes in
		return nil, &IncompleteError{Got: bound(r.a.Policy, c.Size), Listed: c.Size, Err: err}
	}
	return nil, &IncompleteError{Got: body.Octets(), Listed: c.Size, Err: err}
}

// bounded is a body of at most so many octets. It counts them for the progress
// of the poll.
type bounded struct {
	body     io.WriterTo
	to       io.Writer
	left     int64
	progress *Progress
}

var errEndless = errors.New("it goes on beyond max_message_size, though it was listed as smaller")

// WriteTo implements io.WriterTo. It fails with errEndless on more octets.
func (b *bounded) WriteTo(w io.Writer) (int64, error) {
	b.to = w
	return b.body.WriteTo(b)
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.left -= int64(len(p)); b.left < 0 {
		return 0, errEndless
	}
	b.progress.came(len(p))
	return b.to.Write(p)
}
