package fetcher

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/spool"
)

// workers are the deliveries that run side by side. Their number is bounded, and
// so are the octets that they hold in the spool. While there is no room for
// another one, the POP3 session is kept from being logged out (RFC 1939 3).
type workers struct {
	box  keeper
	most int
	idle time.Duration // of the session, at most
	left chan struct{} // one left; for the one who waits

	mu     sync.Mutex
	inside int
	octets int64
}

// keeper is a POP3 session that is to be kept alive.
type keeper interface {
	Idle() time.Duration
	Err() error
	KeepAlive(context.Context) error
}

const (
	// maxIdle bounds the time without a command; some servers log out after two
	// minutes.
	maxIdle = time.Minute
	// spooledOctets bounds what an account has in the spool, with one message
	// on top: what does not fit into memory lies on disk.
	spooledOctets = 64 << 20
)

// newWorkers returns room for so many deliveries. timeout is that of the session.
func newWorkers(box keeper, timeout time.Duration, most int) *workers {
	idle := maxIdle
	if t := timeout / 5; t > 0 {
		idle = min(idle, t)
	}
	return &workers{box: box, most: max(1, most), idle: idle, left: make(chan struct{}, 1)}
}

// enter waits for room for a message. If the session breaks meanwhile, its next
// command shows it.
func (w *workers) enter(ctx context.Context, octets int64) {
	w.await(ctx, func() bool {
		if w.inside > 0 && (w.inside >= w.most || w.octets+octets > spooledOctets) {
			return false
		}
		w.inside++
		w.octets += octets
		return true
	})
}

// leave gives the room back.
func (w *workers) leave(octets int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inside--
	w.octets -= octets
	w.wake()
}

// wake has the one who waits look again.
func (w *workers) wake() {
	select {
	case w.left <- struct{}{}:
	default: // it is known already
	}
}

// wait returns when all have left.
func (w *workers) wait(ctx context.Context) {
	w.await(ctx, func() bool { return w.inside == 0 })
}

// await waits until done, which is called under the lock, reports true. A NOOP
// costs what was pipelined, so it is sent only after silence.
func (w *workers) await(ctx context.Context, done func() bool) {
	ready := func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return done()
	}
	if ready() {
		return
	}
	silence := time.NewTimer(w.idle - w.box.Idle())
	defer silence.Stop()
	for !ready() {
		select {
		case <-w.left:
		case <-silence.C:
			if w.box.Err() == nil {
				_ = w.box.KeepAlive(ctx)
			}
			silence.Reset(w.idle)
		}
	}
}

// mayHaveArrived reports whether the message got no whole reply before. It is sent
// alone then, for if that is its doing, those that are under way with it get none
// either.
func (m *fetched) mayHaveArrived() bool {
	return slices.ContainsFunc(m.row.Recipients, func(r ledger.Recipient) bool { return r.State == ledger.Unknown })
}

// forward fetches the messages of now, one after the other, and hands each on
// while the next one is fetched. It returns when all transactions have ended: what
// was fetched is delivered, however the session ends. left are those that were not
// tried, because there is no room at the destination; the error is why the session
// fetches no more.
func (s *session) forward(ctx, popCtx context.Context, due, now []identify.Candidate) (left []identify.Candidate, err error) {
	s.Progress.expect(due)
	s.box.Expect(s.withRoom(toRetrieve(now)))
	if len(now) > 0 {
		s.Destination.Forwarder.Preconnect(len(now))
	}
	w := newWorkers(s.box, s.Source.Timeout, s.Destination.Forwarder.Workers())
	defer w.wait(popCtx) // also if something panics: their outcomes are to be recorded
	q := &filtering{session: s, ctx: ctx, popCtx: popCtx, workers: w}
	for left = s.remaining(ctx, slices.Clone(now)); len(left) > 0; left = s.remaining(ctx, left) {
		next := s.next(func() { w.wait(popCtx) }, left)
		if next < 0 {
			break
		}
		c := left[next]
		if next == 0 {
			left = left[1:] // moving all the others up takes its time in a large mailbox
		} else {
			left = slices.Delete(left, next, next+1)
		}
		if c.Number > 0 {
			s.allotment.fetched++
		}
		m, err := s.fetch(popCtx, c)
		s.tried.Store(true)
		if err != nil {
			q.drain()
			w.wait(popCtx)
			return left, errors.Join(err, s.box.Discard(popCtx))
		}
		if m == nil {
			s.Progress.finished()
			continue
		}
		failpoint("fetched")
		q.add(m)
	}
	q.drain()
	if len(left) == 0 {
		err = s.box.AskAgain(popCtx, s.toDelete)
	}
	w.wait(popCtx)
	return left, errors.Join(err, s.box.Discard(popCtx))
}

// expectsMail reports whether there will be messages to send, as far as it is known before
// the mailbox is listed.
func (p *poll) expectsMail() bool {
	first := p.row.Listed.IsZero() && !p.Policy.OnlyNew && p.Policy.FirstAge == 0
	return first || p.row.Postponed > 0
}

// handOn hands a message on to the destination, while the next one is fetched.
func (s *session) handOn(ctx, popCtx context.Context, w *workers, m *fetched) {
	alone := m.mayHaveArrived()
	if alone {
		w.wait(popCtx)
	}
	w.enter(popCtx, m.Octets)
	d := s.submit(m) // mail arrives in the order in which it lay in the mailbox
	go func() {
		defer w.leave(m.Octets)
		defer s.Progress.finished()
		s.deliver(ctx, d)
	}()
	if alone {
		w.wait(popCtx)
	}
}

// next is the index of the message to be fetched next: the first, as a rule. Once
// one has found no room, here or at the destination, it is the smallest, those that were
// not tried before first: others may end the session. At the destination that shows whether the mailbox is full, when all others have ended,
// which wait awaits. It is -1 if that is known, or none is smaller than one that found
// no room.
func (p *poll) next(wait func(), left []identify.Candidate) int {
	if _, _, full := p.tally.full(); full {
		wait()
	}
	_, most, full := p.tally.full()
	if here := p.leftOut.tooLarge; here > 0 && (!full || here < most) {
		most, full = here, true
	}
	if !full {
		return 0
	}
	smallest := -1
	for i, c := range left {
		if c.Size >= most { // one that is not listed, -1, may be small
			continue
		}
		if smallest < 0 || before(c, left[smallest]) {
			smallest = i
		}
	}
	return smallest
}

// before reports whether a message is tried before another one where room is short.
func before(c, other identify.Candidate) bool {
	if c.Tried() != other.Tried() {
		return other.Tried()
	}
	return c.Size < other.Size
}

// maxNoSpool is how many messages of a poll may find no room in the spool before
// that counts as a fault of its disk.
const maxNoSpool = 3

// notSpooled notes a message that the disk below the spool could not take. It is not
// marked, and those that are smaller go on, the smallest first: this one may be too
// large for the disk, and they not. It returns an error where the disk takes none.
func (s *session) notSpooled(c identify.Candidate, why *spool.Error) error {
	out := &s.leftOut
	out.uids[c.UID] = c.Known.ID != 0
	out.fault = why
	s.allotment.wasted++
	if out.noSpool++; c.Size >= 0 && (out.tooLarge == 0 || c.Size < out.tooLarge) {
		out.tooLarge = c.Size
	}
	s.log.Error("message cannot be kept between the servers; it stays in the mailbox, and smaller ones go on", "uid", shown(c.UID), "size", c.Size, "error", why)
	if out.noSpool >= maxNoSpool {
		return s.tally.abort(why)
	}
	return nil
}

// crowdedOut reports whether messages that found no room in the spool have taken the
// places of others among those that the poll may fetch. They give them back, for another
// session.
func (p *poll) crowdedOut() bool {
	wasted := p.allotment.wasted
	p.allotment.wasted = 0
	if wasted == 0 || p.res.Postponed == 0 {
		return false
	}
	p.allotment.fetched -= wasted
	return true
}

// concludeRoom decides about messages that found no room, if none was accepted since.
// Where each was passed by others it is their size, and only they wait. Else it stops
// the poll: the smallest that was due shows that there is no room.
func (p *poll) concludeRoom(ctx context.Context) {
	o, _, full := p.tally.full()
	if !full {
		return
	}
	passed := p.tally.takePassed()
	if len(passed) == 0 {
		p.tally.stop(&outcome.RouteError{Name: p.Destination.Name, Outcome: o})
		return
	}
	for _, r := range passed {
		p.deferForRoom(ctx, r)
	}
}

// withRoom are those of these messages that find room in the spool, each by itself: the
// others are not asked for.
func (p *poll) withRoom(entries []pop3.Entry) []pop3.Entry {
	return slices.DeleteFunc(entries, func(e pop3.Entry) bool { return p.Spool.Room(e.Size) != nil })
}

// toRetrieve are the entries of those that have no copy at hand.
func toRetrieve(due []identify.Candidate) []pop3.Entry {
	entries := make([]pop3.Entry, 0, len(due))
	for _, c := range due {
		if c.Known.CopyFile == "" {
			entries = append(entries, c.Entry)
		}
	}
	return entries
}
