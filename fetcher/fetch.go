package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// fetched is a message in the spool, whole.
type fetched struct {
	candidate
	rec    *ledger.Record // its row; without ID if it has none yet
	item   *Item
	head   header
	octets int64 // as they came, before intake
	high   bool  // octets above 127
}

const (
	// maxIncomplete is how often a message may break off at the same place
	// before a person has to look.
	maxIncomplete = 3
	// maxHops is the number of Received lines from which a message is taken to
	// be in a loop (RFC 5321 6.3 suggests 100; nobody's mail has 50).
	maxHops = 50
)

// fetch brings one message into the spool. It returns nil where that message
// is dealt with already: refused by its server, broken off, known after all.
// Its error ends the session.
func (r *run) fetch(ctx context.Context, c candidate) (*fetched, error) {
	rec, err := r.rowOf(ctx, c.Known)
	if err != nil {
		return nil, r.ourFault(err)
	}
	m, err := r.receive(ctx, c)
	var refused *pop3.Error
	var broken *IncompleteError
	var disk *SpoolError
	switch {
	case errors.As(err, &disk):
		return nil, r.ourFault(err)
	case ctx.Err() != nil:
		return nil, context.Cause(ctx) // cut off by us: no fault of the message
	case errors.As(err, &broken):
		return nil, errors.Join(r.incomplete(ctx, c, rec, broken), r.sessionError())
	case errors.As(err, &refused):
		return nil, r.refusedByServer(ctx, c, rec, refused)
	case err != nil:
		return nil, err
	}
	m.rec = rec
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
// and it is not shorter than listed. If it is shorter it is asked for once
// more, for many servers list wrong sizes: the same count, and a session that
// is confirmed to be in step, is whole.
func (r *run) receive(ctx context.Context, c candidate) (*fetched, error) {
	m, err := r.retr(ctx, c)
	if err != nil || c.Size > 0 && m.octets >= c.Size {
		return m, err
	}
	if c.Size <= 0 { // no size to compare: at least nothing may come behind it
		return m, r.inStep(ctx, c, m)
	}
	short := m.octets
	m.item.Release()
	if short == 0 {
		return nil, &IncompleteError{Got: 0, Listed: c.Size}
	}
	if m, err = r.retr(ctx, c); err != nil {
		return nil, err
	}
	if err = r.inStep(ctx, c, m); err == nil && m.octets != short {
		m.item.Release()
		err = &IncompleteError{Got: m.octets, Listed: c.Size}
	}
	return m, err
}

// inStep makes sure that nothing came behind a body. If it can't, the body is
// released.
func (r *run) inStep(ctx context.Context, c candidate, m *fetched) error {
	err := r.s.confirm(ctx, c.Entry)
	if err == nil {
		return nil
	}
	m.item.Release()
	return &IncompleteError{Got: m.octets, Listed: c.Size, Err: err}
}

// retr is one RETR into the spool.
func (r *run) retr(ctx context.Context, c candidate) (*fetched, error) {
	body, err := r.s.Retr(ctx, c.Number)
	var refused *pop3.Error
	switch {
	case errors.As(err, &refused):
		return nil, err
	case err != nil: // a message at which the server always hangs up
		return nil, &IncompleteError{Listed: c.Size, Err: err}
	}
	m := &fetched{candidate: c, item: r.Spool.New()}
	in := &intake{w: m.item}
	_, err = io.Copy(&limit{w: in, left: r.bound(c)}, body)
	if err == nil {
		err = in.Close()
	}
	m.octets, m.head, m.high = body.Octets(), in.header(), in.eightBit()
	if err == nil {
		return m, nil
	}
	m.item.Release()
	_ = body.Close()
	var disk *SpoolError
	if errors.As(err, &disk) {
		return nil, err
	}
	return nil, &IncompleteError{Got: m.octets, Listed: c.Size, Err: err}
}

// bound is how many octets of a message are taken before it counts as one
// without an end. Listed sizes may be wrong by a factor, but not without limit.
func (r *run) bound(c candidate) int64 {
	const slack = 4
	most := r.a.Policy.MaxSize
	if most <= 0 {
		most = 1 << 40
	}
	return max(most, slack*c.Size)
}

// limit passes on so many octets and fails on more.
type limit struct {
	w    io.Writer
	left int64
}

var errEndless = errors.New("it goes on beyond max_message_size though it was listed as smaller")

func (l *limit) Write(p []byte) (int, error) {
	if l.left -= int64(len(p)); l.left < 0 {
		return 0, errEndless
	}
	return l.w.Write(p)
}

// incomplete notes a body that did not come whole: due again, but held when it
// breaks off for the third time at the same place.
func (r *run) incomplete(ctx context.Context, c candidate, rec *ledger.Record, why *IncompleteError) error {
	if rec == nil {
		rec = r.fresh(c.Entry)
	}
	if rec.Cause.Code != causeIncomplete || rec.MessageSize != why.Got {
		rec.Attempts = 0
	}
	rec.Attempts++
	rec.MessageSize = why.Got
	rec.State, rec.NextAttempt = ledger.Deferred, r.Now()
	if rec.Attempts >= maxIncomplete {
		rec.State = ledger.Held
	}
	rec.Cause = ledger.Cause{Code: causeIncomplete, Text: why.Error()}
	return r.failed(ctx, rec, why)
}

// refusedByServer notes a -ERR to RETR: the others go on.
func (r *run) refusedByServer(ctx context.Context, c candidate, rec *ledger.Record, why *pop3.Error) error {
	gone := why.Kind() == pop3.KindGone
	if gone && rec == nil {
		r.log.Info("message left the server before it was fetched", "uid", shown(c.UID), "outcome", "gone")
		return nil
	}
	if rec == nil {
		rec = r.fresh(c.Entry)
	}
	r.s.learnUTF8(why)
	now := r.Now()
	rec.Attempts++
	rec.State, rec.NextAttempt = ledger.Deferred, attempt{Now: now, First: rec.FirstSeen, Number: rec.Attempts}.next()
	if gone {
		rec.State = ledger.Gone
	}
	rec.Cause = r.Describe(r.a.Source.error(StepRetr, why))
	return r.failed(ctx, rec, why)
}

// failed writes down that a message could not be fetched.
func (r *run) failed(ctx context.Context, rec *ledger.Record, why error) error {
	if err := r.lease.Put(ctx, rec); err != nil {
		return r.ourFault(err)
	}
	r.count(rec.State, 0)
	r.log.Warn("message could not be fetched", "uid", shown(rec.UID), "outcome", rec.State.String(), "attempts", rec.Attempts, "error", why)
	return nil
}

// recognise looks at a message before it is sent: it may be one of its rivals,
// and it may be in a loop.
func (r *run) recognise(ctx context.Context, m *fetched) (*fetched, error) {
	for _, k := range m.Rivals {
		if !is(k, m.head.print(), m.Size) {
			continue
		}
		if !k.State.Due() {
			m.item.Release()
			r.log.Debug("message is known by its header", "uid", shown(m.UID), "outcome", k.State.String())
			return nil, nil
		}
		rec, err := r.lease.Record(ctx, k.ID)
		if err != nil {
			m.item.Release()
			return nil, r.ourFault(err)
		}
		m.Known, m.rec = k, rec
		break
	}
	if m.rec == nil {
		m.rec = r.fresh(m.Entry)
	}
	m.rec.Print, m.rec.MessageSize = m.head.print(), m.octets
	m.rec.Excerpt = m.head.excerpt()
	if err := loop(m.head, mark(r.a)); err != nil {
		defer m.item.Release()
		m.rec.State, m.rec.Cause = ledger.Held, r.Describe(err)
		return nil, r.failed(ctx, m.rec, err)
	}
	return m, nil
}

// LoopError: the message has been here before.
type LoopError struct{ Hops int }

func (e *LoopError) Error() string {
	if e.Hops > 0 {
		return fmt.Sprintf("the message goes round in a loop: it has %d Received lines", e.Hops)
	}
	return "the message goes round in a loop: popferry fetched it from this very mailbox before"
}

// loop tells whether a message was fetched from this account before, or has
// been through too many hands.
func loop(h header, mark string) error {
	for _, m := range h.Marks {
		if strings.Contains(m, "account="+mark) {
			return &LoopError{}
		}
	}
	if h.Hops > maxHops {
		return &LoopError{Hops: h.Hops}
	}
	return nil
}
