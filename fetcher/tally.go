package fetcher

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
)

// tally is what the deliveries of a poll, which run side by side, share: the
// results so far, and whether to go on.
type tally struct {
	mu      sync.Mutex // guards all of it
	counts  Counts
	done    []identify.Match // forwarded in this session
	got     map[int64]bool   // rows of messages that this session retrieved
	breaker *outcome.Breaker
	// noRoom are deliveries that found no room in this session, with nothing
	// accepted since. They are not marked: either the mailbox is full, or these
	// messages are too large for what is left of it.
	noRoom   []refusedForRoom
	tried    map[int64]try // rows of messages that the poll has tried and that are not forwarded
	rate     rate
	halt     error // why nothing new is fetched; nil: it goes on
	closed   bool  // nothing that was fetched is sent either
	internal bool  // a fault of popferry's own, its ledger or its disk: nothing is deleted either
}

// rate is how a poll stands with the rate of its destination.
type rate struct {
	usedUp    bool // nothing new is fetched
	postponed int  // messages that were fetched before that was known
}

// try is what came of one.
type try struct {
	state ledger.State
	next  time.Time // when it is due again
}

// refusedForRoom is a delivery that found no room.
type refusedForRoom struct {
	d      *delivery
	v      outcome.Verdict
	passed bool // another message was accepted while this one was under way
}

func newTally(b *outcome.Breaker) *tally {
	return &tally{breaker: b, tried: make(map[int64]try)}
}

// beginSession forgets what the session before forwarded, and which of its mailbox's
// messages found no room: they are due again, and may be forwarded now. A copy that found
// none is not sent twice in a poll.
func (t *tally) beginSession() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done, t.got = nil, make(map[int64]bool)
	t.noRoom = slices.DeleteFunc(t.noRoom, func(r refusedForRoom) bool { return r.d.Number > 0 })
}

// retrieved notes the row of a message that came from the server in this session.
func (t *tally) retrieved(id int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.got[id] = true
}

// given are the rows of the messages that this session retrieved.
func (t *tally) given() map[int64]bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return maps.Clone(t.got)
}

// endFetching ends the poll's fetching: what was fetched is still sent. The first
// reason stays, unless it was that others waited and now something failed.
func (t *tally) endFetching(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.halt == nil || errors.Is(t.halt, ErrYielded) && !errors.Is(err, context.Canceled) {
		t.halt = err
	}
}

// stop ends the poll: nothing new is begun. The first reason stays.
func (t *tally) stop(err error) {
	t.endFetching(err)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
}

// abort is stop for a fault of popferry's own, after which nothing is deleted. It
// returns its argument.
func (t *tally) abort(err error) error {
	t.stop(err)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.internal = true
	return err
}

// stopped reports whether nothing new is to be fetched.
func (t *tally) stopped() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.halt != nil || t.rate.usedUp
}

// postponed notes a message that the destination's rate did not admit.
func (t *tally) postponed(why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.rate.postponed++
	t.rate.usedUp = t.rate.usedUp || errors.Is(why, ledger.ErrQuotaUsedUp)
}

// overRate reports whether nothing new is fetched only because the destination's rate
// is used up.
func (t *tally) overRate() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.rate.usedUp && t.halt == nil
}

// takePostponed returns how many messages the destination's rate did not admit, once.
func (t *tally) takePostponed() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.rate.postponed
	t.rate.postponed = 0
	return n
}

// yielded reports whether nothing new is fetched because other accounts wait.
func (t *tally) yielded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return errors.Is(t.halt, ErrYielded) && !t.closed
}

// closedForSending reports whether what was fetched is not to be sent either.
func (t *tally) closedForSending() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

func (t *tally) aborted() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.internal
}

// count adds messages with one result.
func (t *tally) count(s ledger.State, n int, octets int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch s {
	case ledger.Forwarded:
		t.counts.Forwarded += n
		t.counts.Octets += octets
	case ledger.Held:
		t.counts.Held += n
	case ledger.Deferred:
		t.counts.Deferred += n
	case ledger.Unknown:
		t.counts.Deferred += n
		t.counts.Unknown += n
	case ledger.Skipped:
		t.counts.Skipped += n
	case ledger.Sending, ledger.Gone:
	}
}

// triedInVain notes a row that says how a message was tried, unless it is forwarded.
func (t *tally) triedInVain(rec *ledger.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if delete(t.tried, rec.ID); rec.State != ledger.Forwarded {
		t.tried[rec.ID] = try{rec.State, rec.NextAttempt}
	}
}

// backsOff reports whether the poll has tried a message that is not due again yet, or has
// sent its copy and found no room for it.
func (t *tally) backsOff(row int64, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return ledger.Waiting(now, t.tried[row].next) ||
		slices.ContainsFunc(t.noRoom, func(r refusedForRoom) bool { return r.d.Number == 0 && r.d.before.ID == row })
}

// arrived counts a message that was in doubt. What the poll has counted it as so far was
// not so.
func (t *tally) arrived(rec *ledger.Record) {
	if was, tried := t.take(rec.ID); tried {
		t.count(was, -1, 0)
	}
	t.count(ledger.Forwarded, 1, rec.MessageSize)
}

// take forgets how a message was tried.
func (t *tally) take(row int64) (state ledger.State, tried bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	was, tried := t.tried[row]
	delete(t.tried, row)
	return was.state, tried
}

// attempt is one try to send a message.
func (t *tally) attempt(now time.Time, rec, before *ledger.Record) outcome.Attempt {
	t.mu.Lock()
	defer t.mu.Unlock()
	return outcome.Attempt{Now: now, First: rec.FirstAttempt, Number: rec.Attempts, OthersPassed: t.breaker.OthersPassed(before)}
}

// begun is what a poll had come to when a delivery began. What has been added when it
// ends was under way with it.
type begun struct {
	accepted   int // messages
	unanswered int // times that messages got no whole reply
}

// begun is what the poll has come to so far.
func (t *tally) begun() begun {
	t.mu.Lock()
	defer t.mu.Unlock()
	return begun{accepted: t.breaker.Accepted(), unanswered: t.breaker.Unanswered()}
}

// refused notes, once, a message that was refused for good after it was sent, or, with
// chosen, for all recipients of its own, before its row is written. It reports whether the destination seemed to refuse everything
// before that.
func (t *tally) refused(d *delivery, chosen bool, now time.Time) (everything bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	everything = t.breaker.Refusals().Everything()
	if !d.refused {
		d.refused, d.refusedSince = true, t.breaker.Refuse(&d.before, chosen, now)
	}
	return everything
}

// takeBack takes back that a message was refused, because it is not marked.
func (t *tally) takeBack(d *delivery) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if d.refused && !d.refusedSince.IsZero() {
		t.breaker.TakeBack(d.refusedSince)
	}
	d.refused, d.refusedSince = false, time.Time{}
}

// refusesEverything reports whether the destination seems to refuse everything.
func (t *tally) refusesEverything() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.breaker.Refusals().Everything()
}

// delivered notes a finished delivery, whose row is written unless it was rolled
// back. It stops the poll if nothing more should be sent, and returns the
// deliveries that found no room earlier, if this one did.
func (t *tally) delivered(d *delivery, v outcome.Verdict) []refusedForRoom {
	t.mu.Lock()
	state := d.rec.State
	if v.Effect == outcome.Rollback {
		state = 0
	}
	if state == ledger.Forwarded && !d.fromCopy {
		t.done = append(t.done, identify.Match{Entry: d.Entry, Known: d.rec.Known, Short: d.Octets < d.Size})
	}
	if v.Blame == outcome.NoRoom && v.Effect == outcome.Rollback {
		t.noRoom = append(t.noRoom, refusedForRoom{d, v, t.breaker.Accepted() > d.begun.accepted})
	}
	accepted := t.breaker.Accepted()
	err := t.breaker.Record(v, state, d.begun.unanswered)
	var tooLarge []refusedForRoom
	if t.breaker.Accepted() > accepted {
		tooLarge, t.noRoom = t.noRoom, nil
	}
	t.mu.Unlock()
	if err != nil {
		t.stop(err)
	}
	return tooLarge
}

// takePassed returns the deliveries that found no room, once, if each of them was passed
// by others; else it returns none.
func (t *tally) takePassed() []refusedForRoom {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.ContainsFunc(t.noRoom, func(r refusedForRoom) bool { return !r.passed }) {
		return nil
	}
	list := t.noRoom
	t.noRoom = nil
	return list
}

// takeEnded returns the start of many refusals in a row that an accepted message
// has ended, once; zero if there were none.
func (t *tally) takeEnded() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.breaker.TakeEnded()
}

// full is the outcome of a delivery that found no room, with nothing accepted
// since; smallest is the size in octets of the smallest such message. ok is false
// if there is none.
func (t *tally) full() (o forwarder.Outcome, smallest int64, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.noRoom {
		if size := r.d.Item.Size(); !ok || size < smallest {
			o, smallest, ok = r.v.Outcome, size, true
		}
	}
	return o, smallest, ok
}

// forwarded are the messages that this session forwarded.
func (t *tally) forwarded() []identify.Match {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.done)
}

// result is what the poll came to.
func (t *tally) result() (counts Counts, b *outcome.Breaker, halt error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts, t.breaker, t.halt
}

// ErrStopped: the poll ended early because the program is being stopped or
// reloaded. Nothing failed.
var ErrStopped = errors.New("stopped before the end of the mailbox")
