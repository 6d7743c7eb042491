package fetcher

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/retained"
	"github.com/popferry/popferry/fetcher/spool"
)

// The POP3 mailbox is the queue, except for servers that hide or delete what was
// retrieved (mailbox.Session.Hides). A copy of a message that is fetched there is kept
// (package retained) before anything else is said to the server, and it is sent, tried
// again and shown from that copy. Until it is forwarded these are the only octets that
// anyone has.

// retain puts a fetched message on disk for good: copy first, then ledger.
func (s *session) retain(ctx context.Context, m *fetched) error {
	before := m.row.CopyFile
	if err := s.writeCopy(m.row, m.Body); err != nil {
		return err
	}
	failpoint("kept")
	m.row.State, m.row.NextAttempt = ledger.Deferred, s.Now()
	if err := s.putCopy(ctx, m.row); err != nil {
		return err
	}
	if before != m.row.CopyFile { // a part of this one
		s.copies.Drop(before)
	}
	return nil
}

// keepUndelivered keeps a copy of a message that could not be delivered: its server may
// hide it at QUIT. If that fails the session ends without.
func (s *session) keepUndelivered(d *delivery) {
	name, digest, err := s.copies.Keep(d.rec, d.Body)
	if err != nil {
		s.log.Warn("no copy of a message could be kept; the session ends without QUIT, so that the server keeps it", "uid", shown(d.rec.UID), "error", err)
		s.box.Abandon(d.Number)
		return
	}
	d.rec.CopyFile, d.rec.Digest = name, digest
}

// writeCopy keeps a copy of a message, which its row names from now on. The row is not
// written yet.
func (s *session) writeCopy(rec *ledger.Record, b *message.Body) error {
	name, digest, err := s.copies.Keep(rec, b)
	if err != nil {
		return s.tally.abort(err)
	}
	rec.CopyFile, rec.Digest = name, digest
	return nil
}

// putCopy writes the row of a copy that was kept. Where the copy is written with it, and
// the ledger cannot be reached, the octets stay in the spool until it can: nobody else
// may have them. The poll ends all the same.
func (s *session) putCopy(ctx context.Context, rec *ledger.Record) error {
	err := s.lease.Put(ctx, rec)
	if err == nil {
		return nil
	}
	keeper, ok := s.lease.(retained.Keeper)
	if ok && (outOfReach(err) || errors.Is(err, context.DeadlineExceeded)) {
		_ = s.tally.abort(err)
		s.log.Warn("the only copy of a message cannot be written to the ledger now; it is kept until it can", "uid", shown(rec.UID), "error", err)
		err = errors.Join(err, s.insist(context.WithoutCancel(ctx), func(ctx context.Context) error { return keeper.PutCopy(ctx, rec) }))
	}
	return s.tally.abort(err)
}

// keepFirst keeps a message that is asked for once more, because it is shorter than
// listed: its server may not give it a second time. It returns its row. Of what was
// kept before and what has come now, the longer stays.
func (s *session) keepFirst(ctx context.Context, c identify.Candidate, rec *ledger.Record, b *message.Body) (*ledger.Record, error) {
	rec, err := s.ownPart(ctx, rec, b)
	if err != nil {
		return nil, err
	}
	if rec == nil {
		rec = s.newRow(c.Entry)
	}
	if rec.CopyFile != "" && rec.MessageSize > b.Octets {
		return rec, nil
	}
	m := &fetched{Candidate: c, Body: b, row: rec}
	if m.unproven() {
		rec.Fingerprint = "" // a part has none, or it would prove as much as a whole message
	}
	rec.MessageSize, rec.Excerpt = b.Octets, b.Header.Excerpt()
	rec.Cause = ledger.Cause{Code: ledger.CauseIncomplete, Text: (&mailbox.IncompleteError{Got: b.Octets, Listed: c.Size}).Error()}
	return rec, s.retain(ctx, m) // the session does not end by QUIT for that: the server may have more of it
}

// sendCopies sends the copies that are due, before the mailbox is polled: they
// need no session, and must not wait for one that cannot be had. Those of a server that
// is not known to hide anything are only sent if there was none: see keepUndelivered.
func (p *poll) sendCopies(ctx context.Context, noSession bool) {
	if noSession == p.Source.RetrHides(&p.row.Server, p.Now()) {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			_ = p.tally.abort(&PanicError{Value: v, Stack: debug.Stack()})
		}
	}()
	copies, err := p.copies.List(ctx)
	if err != nil {
		_ = p.tally.abort(err)
		return
	}
	if len(copies) == 0 {
		return // as nearly always
	}
	if p.settleDoubts(ctx) != nil {
		return
	}
	known, err := p.lease.Known(ctx)
	if err != nil {
		_ = p.tally.abort(err)
		return
	}
	if p.dropLeftovers(ctx, copies, known) != nil {
		return
	}
	due, _ := identify.DueCopies(identify.View{Known: known, Policy: p.Policy, Now: p.Now(), Asked: p.asked}, nil, false)
	if due, err = p.withinRate(ctx, due); err != nil {
		return
	}
	there := make(map[string]bool, len(copies))
	for _, c := range copies {
		there[c.Name] = true
	}
	s := &session{poll: p, view: identify.View{Known: known}, matched: make(map[int64]bool)}
	var all sync.WaitGroup
	defer all.Wait()
	defer func() { p.filterFaults = 0 }()
	room := make(chan struct{}, max(1, p.Destination.Forwarder.Workers()))
	left := slices.DeleteFunc(due, func(c identify.Candidate) bool {
		return p.waits(c.Known.ID) || !there[c.Known.CopyFile] // a session looks for what has no copy
	})
	for len(left) > 0 && !p.closed(ctx) {
		next := p.next(all.Wait, left)
		if next < 0 {
			break
		}
		c := left[next]
		left = slices.Delete(left, next, next+1)
		rec, err := p.lease.Record(ctx, c.Known.ID)
		if err != nil {
			_ = p.tally.abort(err)
			return
		}
		if rec.CopyFile != c.Known.CopyFile || rec.State == ledger.Forwarded {
			continue // another process has settled it since the rows were read
		}
		m, err := s.fetchCopy(ctx, c, rec)
		if m == nil {
			_ = err // the poll was stopped for it
			continue
		}
		if s.undecided(m) {
			if p.filterFaults >= maxFilterFaults { // what is in the mailbox shows whether it is the filter
				m.Release()
				continue
			}
			v, err := p.look(ctx, m)
			if !s.settle(ctx, m, v, err) {
				continue
			}
		}
		alone := m.mayHaveArrived()
		if alone {
			all.Wait()
		}
		room <- struct{}{}
		d := s.submit(m)
		all.Go(func() {
			defer func() { <-room }()
			s.deliver(ctx, d)
		})
		if alone {
			all.Wait()
		}
	}
}

// leftoverAge is how old a copy without a row is before popferry names it: a younger
// one may be that of a message whose row is just being written.
const leftoverAge = 10 * time.Minute

// dropLeftovers removes copies whose messages were forwarded: popferry ended before
// it could. Other copies without a row stay and are named: an older ledger leaves
// them, and rows that could not be written do, of messages that may be here alone.
// That a row has the UID and the number of a file's message proves nothing, for
// another message may have got them since.
func (p *poll) dropLeftovers(ctx context.Context, copies []retained.Copy, known *ledger.Rows) error {
	named := make(map[string]bool) // by a row
	for _, k := range known.All() {
		named[k.CopyFile] = true
	}
	left := make(map[string][]retained.Copy, len(copies)) // the others, by prefix
	for _, c := range copies {
		if prefix := retained.PrefixOf(c.Name); !named[c.Name] {
			left[prefix] = append(left[prefix], c)
		}
	}
	if len(left) == 0 {
		return nil
	}
	for _, k := range known.All() {
		prefix := retained.Prefix(p.ID, k.UID, k.Generation)
		if len(left[prefix]) == 0 || k.State != ledger.Forwarded {
			continue
		}
		rec, err := p.lease.Record(ctx, k.ID)
		if err != nil {
			return p.tally.abort(err)
		}
		left[prefix] = slices.DeleteFunc(left[prefix], func(c retained.Copy) bool {
			forwarded := p.wasForwarded(rec, prefix, c.Name)
			if forwarded {
				p.copies.Drop(c.Name)
			}
			return forwarded
		})
	}
	for _, list := range left {
		for _, c := range list {
			if p.Now().Sub(c.Modified).Abs() >= leftoverAge {
				p.log.Warn("the ledger does not know a retained copy, which may be the only one of its message; it is left alone", "copy", c.Path)
			}
		}
	}
	return nil
}

// wasForwarded reports whether a copy is of the message that a row says was
// forwarded: by its octets, or, for a part of it and for rows of older versions,
// which have no digest, by a header that no two messages share.
func (p *poll) wasForwarded(rec *ledger.Record, prefix, name string) bool {
	if rec.Digest != "" && name == retained.Name(prefix, rec.Digest) {
		return true
	}
	b, err := p.copies.Read(name, p.Spool.NewItem())
	if err != nil {
		return false
	}
	defer b.Release()
	return !b.Header.Weak() && ledger.SameFingerprint(p.printOf(b.Header).Fingerprint, rec.Fingerprint)
}

// fetchCopy is fetch for a message that has a copy. It returns nil if the copy
// cannot be read: the message is fetched again if its server still has it. Else it
// is due for ever, and each poll says so: nobody else has it. A ledger that cannot be
// read says nothing about the message, and ends the poll.
func (s *session) fetchCopy(ctx context.Context, c identify.Candidate, rec *ledger.Record) (*fetched, error) {
	b, err := s.copies.Read(c.Known.CopyFile, s.Spool.NewItem())
	var disk *spool.Error
	switch {
	case err == nil && c.Number == 0 && identify.MayBePart(rec.Known):
		m := &fetched{Candidate: c, Body: b, row: rec, fromCopy: true}
		return s.unlessWhole(ctx, m)
	case err == nil:
		return &fetched{Candidate: c, Body: b, row: rec, fromCopy: true}, nil
	case errors.As(err, &disk), outOfReach(err):
		return nil, s.tally.abort(err)
	case c.Number > 0:
		s.log.Warn("the copy of a message cannot be read; it is fetched again", "uid", shown(c.UID), "copy", c.Known.CopyFile, "error", err)
		return nil, nil
	}
	unread := fmt.Errorf("the only copy of a message cannot be read: %w", err)
	s.leftOut.fault = unread
	rec.Attempts++
	rec.State, rec.NextAttempt = ledger.Deferred, outcome.Attempt{Now: s.Now(), First: rec.FirstSeen, Number: rec.Attempts}.Next()
	rec.Cause = s.Describe(unread)
	return nil, s.notFetched(ctx, rec, unread)
}

// unlessWhole returns a copy that may not be whole, unless its message has come whole
// under another UID, or is one that the user decides about: its row keeps the copy then,
// for nobody else may have it.
func (s *session) unlessWhole(ctx context.Context, m *fetched) (*fetched, error) {
	rec, err := s.recognized(ctx, m)
	switch {
	case err != nil:
		m.Release()
		return nil, err
	case rec == nil:
		return m, nil
	case s.safe(rec.Known):
		s.log.Info("a copy that may not be whole is not sent: its message has come whole", "uid", shown(m.row.UID), "copy", m.row.CopyFile)
	default:
		s.log.Info("a copy that may not be whole is not sent: its message was left alone", "uid", shown(m.row.UID), "copy", m.row.CopyFile, "outcome", rec.State.String())
		if err = s.writeCopy(rec, m.Body); err == nil {
			err = s.putCopy(ctx, rec)
		}
	}
	m.Release()
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(s.markGone(ctx, m), s.dropSuperseded(ctx, m))
}

// recognized is the row of another UID that is known to be of the message of a copy: one
// that is safe without the copy, else one that the user decides about. It is nil if there
// is none.
func (s *session) recognized(ctx context.Context, m *fetched) (found *ledger.Record, err error) {
	known, err := s.lease.Known(ctx)
	if err != nil {
		return nil, s.tally.abort(err)
	}
	if !m.Header.Identifiable() {
		return nil, nil
	}
	for _, k := range known.All() {
		forUser := !k.State.Due() && k.CopyFile == "" && found == nil
		if k.ID == m.row.ID || k.Fingerprint == "" || k.State == ledger.Gone || !s.safe(k) && !forUser {
			continue
		}
		rec, err := s.sameMessage(ctx, m, k, s.printOf(m.Header))
		switch {
		case err != nil:
			return nil, err
		case rec != nil && s.safe(k):
			return rec, nil
		case rec != nil:
			found = rec
		}
	}
	return found, nil
}

// safe reports whether nothing more has to be kept of a row's message: it was forwarded,
// there is a whole copy, or its server has it.
func (p *poll) safe(k ledger.Known) bool {
	return k.State == ledger.Forwarded || k.CopyFile != "" && !identify.MayBePart(k) ||
		k.MissingSince.IsZero() && !p.Source.RetrHides(&p.row.Server, p.Now())
}

// judgeParts decides about messages of which there is a copy that may not be whole.
// What a server that gives nothing twice no longer lists is sent as it is. At other
// servers it is held once two listings lack the message, and is tried again when it
// is back.
func (s *session) judgeParts(ctx context.Context, v identify.View, back []*ledger.Known) (recs []*ledger.Record, err error) {
	change := func(k *ledger.Known, state ledger.State, next time.Time) error {
		rec, err := s.lease.Record(ctx, k.ID)
		if err != nil {
			return s.tally.abort(err)
		}
		rec.State, rec.NextAttempt = state, next
		recs = append(recs, rec)
		return nil
	}
	for _, k := range back {
		if identify.MayBePart(*k) && k.State == ledger.Held {
			if err := change(k, ledger.Deferred, s.Now()); err != nil {
				return nil, err
			}
		}
	}
	if s.box.Hides() {
		return recs, nil
	}
	for _, k := range identify.Orphaned(v) {
		s.log.Warn("message left its server before it came a second time, and what was kept of it may not be whole", "uid", shown(k.UID), "outcome", "held", "copy", k.CopyFile)
		if err := change(&k, ledger.Held, time.Time{}); err != nil {
			return nil, err
		}
	}
	return recs, nil
}
