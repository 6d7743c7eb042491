package fetcher

import (
	"context"
	"errors"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/spool"
)

// deduplicate looks at a message before it is sent: under its UID there may be
// another one than before, it may be known by another row, or be in a loop. It
// returns nil if the message is not to be sent.
func (s *session) deduplicate(ctx context.Context, m *fetched) (*fetched, error) {
	known, err := s.findRow(ctx, m)
	if known && err == nil {
		err = s.dropSuperseded(ctx, m)
	}
	if err != nil || known {
		m.Release()
		if err == nil {
			s.box.Durable(m.Number)
		}
		return nil, err
	}
	if m.row == nil {
		m.row = s.newRow(m.Entry)
	}
	if s.waits(m.row.ID) || !s.asked && ledger.Waiting(s.Now(), m.row.NextAttempt) {
		return nil, s.setAside(ctx, m)
	}
	if arrived, err := s.hadArrived(ctx, m); arrived || err != nil {
		m.Release()
		return nil, err
	}
	if err := s.admit(ctx, m); err != nil {
		m.Release()
		return nil, err
	}
	if err := s.origin().CheckLoop(m.Header); err != nil {
		defer m.Release()
		if failed := s.keepIfHidden(m); failed != nil {
			return nil, failed
		}
		m.row.State, m.row.Cause = ledger.Held, s.Describe(err)
		return nil, s.notFetched(ctx, m.row, err)
	}
	return m, nil
}

// setAside leaves a message for later that was fetched because only that could show that
// it is known, and is not to be sent yet. Where its server may not give it again, a copy
// of it is kept.
func (s *session) setAside(ctx context.Context, m *fetched) error {
	defer m.Release()
	state, next := m.row.State, m.row.NextAttempt
	if m.row.CopyFile == "" { // else it is counted already
		s.res.Waiting++
	}
	if !state.Due() {
		state = ledger.Deferred // it had left, and is back
	}
	if err := s.admit(ctx, m); err != nil {
		return err
	}
	if s.mayHide() && m.row.CopyFile == "" {
		if err := s.writeCopy(m.row, m.Body); err != nil {
			return err
		}
	}
	m.row.State, m.row.NextAttempt = state, next
	s.log.Debug("message is known by its header, and waits", "uid", shown(m.UID), "outcome", state.String())
	return s.put(ctx, []*ledger.Record{m.row})
}

// admit notes what a message that is to be sent shows. Where its server does not give
// it again, a copy is on disk before what was kept of it under another row goes.
func (s *session) admit(ctx context.Context, m *fetched) error {
	if err := m.note(s.Account); err != nil {
		return s.tally.abort(err)
	}
	if err := s.confirmed(ctx, m); err != nil {
		return err
	}
	if s.box.Hides() {
		s.trace(m.row, m.digest)
		if err := s.retain(ctx, m); err != nil {
			return err
		}
		s.box.Durable(m.Number)
	}
	return s.dropSuperseded(ctx, m)
}

// confirmed notes that a message is whole that was not before. A copy that was kept
// of it meanwhile goes, unless the server hides what it gave.
func (s *session) confirmed(ctx context.Context, m *fetched) error {
	if m.row.Cause.Code != ledger.CauseIncomplete {
		return nil
	}
	m.row.Cause = ledger.Cause{}
	name := m.row.CopyFile
	if name == "" || s.box.Hides() {
		return nil
	}
	m.row.CopyFile = ""
	if err := s.lease.Put(ctx, m.row); err != nil {
		return s.tally.abort(err)
	}
	s.copies.Drop(name)
	return nil
}

// findRow finds the row that a message really has. known reports that nothing is
// to be done for it.
func (s *session) findRow(ctx context.Context, m *fetched) (known bool, err error) {
	if err := s.displaceParts(ctx, m); err != nil {
		return false, err
	}
	print := s.printOf(m.Header)
	s.compareWithTOP(m, print)
	if m.row != nil && m.row.Fingerprint != "" && !ledger.SameFingerprint(m.row.Fingerprint, print.Fingerprint) && !steady(m.Match(), m.row, m.Header, print) {
		// The server gave the UID to another message. The one that it belonged to
		// has left.
		if err := s.markGone(ctx, m); err != nil {
			return false, err
		}
	}
	for _, k := range m.Others {
		if s.matched[k.ID] || !m.couldBe(k) {
			continue
		}
		if rec, err := s.sameMessage(ctx, m, k, print); err != nil {
			return false, err
		} else if rec != nil {
			return s.isRow(ctx, m, k, rec, false)
		}
	}
	if !m.fresh() && !m.unproven() {
		return false, nil
	}
	for _, k := range s.awayRows()[ledger.HeaderFingerprint(print.Fingerprint)] {
		if s.matched[k.ID] || !m.Header.Identifiable() && !s.hadUID(k, m.UID) {
			continue
		}
		if rec, err := s.sameMessage(ctx, m, k, print); err != nil {
			return false, err
		} else if rec != nil && (m.Header.Identifiable() || rec.Digest != "") {
			return s.isRow(ctx, m, k, rec, true)
		}
	}
	return s.wasKept(ctx, m)
}

// hadUID reports whether a row had this UID before it was another message's for a time.
// Together with all octets that tells messages apart whose headers do not.
func (s *session) hadUID(k ledger.Known, uid string) bool {
	return k.UID == ledger.MovedUID(uid) && !s.row.Server.UIDNumbers.Get(s.Now())
}

// wasKept looks for a row under which all of the message was kept when it was not
// known to be whole. It may have been sent as it was.
func (s *session) wasKept(ctx context.Context, m *fetched) (known bool, err error) {
	for _, k := range s.partRows() {
		if s.matched[k.ID] || m.row != nil && m.row.ID == k.ID {
			continue
		}
		rec, err := s.lease.Record(ctx, k.ID)
		if err != nil {
			return false, s.tally.abort(err)
		}
		digest, err := m.Digest()
		if err != nil {
			return false, s.tally.abort(err)
		}
		if digest != rec.Digest {
			continue
		}
		if rec.Fingerprint = s.fingerprint(m.Header); rec.State == ledger.Held && identify.MayBePart(rec.Known) {
			rec.State = ledger.Deferred // it was held because it might not be whole
		}
		return s.isRow(ctx, m, k, rec, true)
	}
	return false, nil
}

// sameMessage returns a row's record if the message is that of the row; nil if it is
// not. Where the header is weak, or the row of another UID was deleted or does not tell who
// got it, it has the octets of the row's, or as many where that is all that the row has.
func (s *session) sameMessage(ctx context.Context, m *fetched, k ledger.Known, print identify.Print) (*ledger.Record, error) {
	if k.Fingerprint != "" && !ledger.SameFingerprint(k.Fingerprint, print.Fingerprint) {
		return nil, nil
	}
	rec, err := s.lease.Record(ctx, k.ID)
	if err != nil {
		return nil, s.tally.abort(err)
	}
	elsewhere := k.UID != m.UID && rec.MessageSize > 0 &&
		(!k.DeletedAt.IsZero() || ledger.HasDelivery(print.Fingerprint) && !ledger.HasDelivery(k.Fingerprint))
	if elsewhere && k.Fingerprint != "" && rec.MessageSize != m.Octets {
		return nil, nil // a header is not enough to delete this one, too, or to deliver it to nobody
	}
	if (print.Weak || elsewhere) && k.Fingerprint != "" && rec.Digest != "" {
		digest, err := m.Digest()
		if err != nil {
			return nil, s.tally.abort(err)
		}
		if rec.Digest != digest {
			return nil, nil
		}
		return rec, nil
	}
	if identify.InPart(k) && (rec.CopyFile != "" || rec.Digest != "") {
		return s.samePart(rec, m.Body)
	}
	if k.UID != m.UID {
		k.MissingSince = s.Now() // that it was listed so far says nothing about this message
	}
	if identify.Matches(k, print, m.Size) {
		return rec, nil
	}
	// Listed sizes may be wrong, or not be there.
	if k.Fingerprint != "" && (rec.MessageSize == m.Octets || identify.Matches(k, print, m.Octets)) {
		return rec, nil
	}
	return nil, nil
}

// steady reports whether a message is that of its row though its header is another
// one: it has been listed in each listing under one UID and with one size, and has
// the same Message-ID. A proxy may add a line to the header each time. The copy for
// another recipient has the same header, and is another message.
func steady(m identify.Match, rec *ledger.Record, h message.Header, print identify.Print) bool {
	id := h.Excerpt().MessageID
	return ledger.HeaderFingerprint(print.Fingerprint) != ledger.HeaderFingerprint(rec.Fingerprint) && rec.ID == m.Known.ID && m.Size >= 0 && m.Size == m.Known.Size && m.Known.DeletedAt.IsZero() && m.Known.MissingSince.IsZero() &&
		id != "" && id == rec.Excerpt.MessageID
}

// compareWithTOP notes that a server shows another header by TOP than by RETR: from
// then on headers are read by RETR.
func (s *session) compareWithTOP(m *fetched, print identify.Print) {
	for i, e := range s.box.Listing.Entries[:min(len(s.topPrints), len(s.box.Listing.Entries))] {
		if e.Number == m.Number && s.topPrints[i].Fingerprint != "" && !ledger.SameFingerprint(s.topPrints[i].Fingerprint, print.Fingerprint) && m.Header.Identifiable() {
			s.row.Server.NoTOP.Prove(true, s.Now())
		}
	}
}

// isRow notes that a message is that of a row: under another UID than before, if
// moved. known reports that nothing is to be done for it.
func (s *session) isRow(ctx context.Context, m *fetched, k ledger.Known, rec *ledger.Record, moved bool) (known bool, err error) {
	s.matched[k.ID] = true
	if m.row != nil {
		if m.row.ID != 0 && m.unproven() { // it was only a guess, and must not stand for the UID of the other one
			m.row.UID, m.row.MissingSince = ledger.MovedUID(m.row.UID), s.lastListing()
			m.row.Generation = s.generation(m.row.UID)
		}
		if err := s.markGone(ctx, m); err != nil {
			return false, err
		}
	}
	if moved = moved || !rec.DeletedAt.IsZero(); moved { // or its deletion was in vain, and is owed again
		s.takeOver(rec, m.Entry)
	}
	// This session may have called it gone, because it was not listed under its UID.
	switch known = !rec.State.Due() && rec.State != ledger.Gone; {
	case !known:
		m.row = rec
		return false, nil
	case (s.box.Hides() || s.mayHide()) && rec.State != ledger.Forwarded && rec.CopyFile == "": // the user may want it, and perhaps nobody else has it from now on
		if err = s.writeCopy(rec, m.Body); err != nil {
			return false, err
		}
		err = s.putCopy(ctx, rec)
	case moved:
		if m.Header.Weak() && rec.Digest == "" {
			if rec.Digest, err = m.Digest(); err != nil {
				return false, s.tally.abort(err)
			}
		}
		err = s.put(ctx, []*ledger.Record{rec})
	}
	s.log.Debug("message is known by its header", "uid", shown(m.UID), "outcome", rec.State.String(), "moved", moved)
	return true, err
}

// awayRows are the rows whose messages are not listed.
func (s *session) awayRows() map[string][]ledger.Known {
	if s.away == nil {
		s.away = identify.Away(&s.view, s.row.Server.UIDNumbers.Get(s.Now()))
	}
	return s.away
}

// partRows are the rows of messages that were kept, and perhaps sent, though they did
// not come whole.
func (s *session) partRows() []ledger.Known {
	if s.parts == nil {
		s.parts = identify.Parts(&s.view)
	}
	return s.parts
}

// markGone notes that a row is not that of this message: its own has left. A copy
// of that one stays and is sent. One that was kept of this message, or a part of it,
// goes, but not before the message is safe without: see dropSuperseded.
func (s *session) markGone(ctx context.Context, m *fetched) error {
	rec := m.row
	m.row = nil
	switch {
	case rec.CopyFile != "" && (m.fresh() || identify.MayBePart(rec.Known)):
		m.superseded = append(m.superseded, rec)
		return nil
	case rec.CopyFile != "":
		rec.Cause = ledger.Cause{}
	default:
		rec.State = ledger.Gone
	}
	if err := s.lease.Put(ctx, rec); err != nil {
		return s.tally.abort(err)
	}
	return nil
}

// dropSuperseded ends the rows under which copies of a message were kept that is safe
// without them now: under another row, or on its server.
func (s *session) dropSuperseded(ctx context.Context, m *fetched) error {
	for _, rec := range m.superseded {
		name := rec.CopyFile
		rec.State, rec.CopyFile = ledger.Gone, ""
		if err := s.lease.Put(ctx, rec); err != nil {
			return s.tally.abort(err)
		}
		s.copies.Drop(name)
	}
	m.superseded = nil
	return nil
}

// unproven reports whether nothing that came whole before stands behind the message's
// row: it has no fingerprint, or one that only its header showed.
func (m *fetched) unproven() bool {
	return m.row == nil || m.row.Fingerprint == "" || m.row.MessageSize == 0
}

// ownPart returns the row of a message that has come, unless what was kept under its
// UID may be a part of another message: the server gave the UID to this one, and
// nobody else has the octets of the other one. Its row counts as that of a message
// that is not listed then, and ownPart returns nil.
func (s *session) ownPart(ctx context.Context, rec *ledger.Record, b *message.Body) (*ledger.Record, error) {
	if rec == nil || !identify.MayBePart(rec.Known) {
		return rec, nil
	}
	if alike, err := s.beginsAlike(rec, b); err != nil || alike {
		return rec, err
	}
	s.log.Warn("the server gave the UID of a message to another one, and what was kept of the first may not be whole", "uid", shown(rec.UID), "copy", rec.CopyFile)
	rec.UID, rec.MissingSince = ledger.MovedUID(rec.UID), s.lastListing()
	rec.Generation = s.generation(rec.UID)
	return nil, s.put(ctx, []*ledger.Record{rec})
}

// samePart returns the record of a row whose message came in part, if the message may be
// that one, and nil if it is not. What was sent as it came, or is to be, was all of it.
func (s *session) samePart(rec *ledger.Record, b *message.Body) (*ledger.Record, error) {
	if rec.Digest != "" && !identify.MayBePart(rec.Known) {
		digest, err := b.Digest()
		if err != nil {
			return nil, s.tally.abort(err)
		}
		if digest != rec.Digest {
			return nil, nil
		}
		return rec, nil
	}
	if alike, err := s.beginsAlike(rec, b); err != nil || !alike {
		return nil, err
	}
	if rec.State == ledger.Held {
		rec.State = ledger.Deferred // it was held because it might not be whole
	}
	return rec, nil
}

// beginsAlike reports whether a message may be that of which there is a copy that may not
// be whole. With one that cannot be read there is nothing to lose.
func (s *session) beginsAlike(rec *ledger.Record, b *message.Body) (bool, error) {
	part, err := s.copies.Read(rec.CopyFile, s.Spool.NewItem())
	var disk *spool.Error
	switch {
	case errors.As(err, &disk), outOfReach(err):
		return false, s.tally.abort(err)
	case err != nil:
		return true, nil
	}
	defer part.Release()
	return part.BeginsAs(b), nil
}
