package fetcher

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/pop3"
)

// ErrRenumbered: the server has given new UIDs to its messages, and it cannot be
// told which is which.
var ErrRenumbered = errors.New("nearly all UIDs that were left on the server are gone, as many unknown ones are there, " +
	"and it cannot be told which of the messages were forwarded before")

// ErrMoved: host, port or user name of the account were changed, and it cannot be
// told whether it is the same mailbox.
var ErrMoved = errors.New("the account was configured for another host or user name before, the mailbox there had messages of the same UIDs and sizes, " +
	"and it cannot be told whether these are the same")

// recognize finds the rows of messages that are listed under UIDs without one,
// before anything is sent: the server was moved, at once or in steps, or gives other
// UIDs in each session. Known messages get their new UIDs in the ledger; the rest is
// new, and is compared once more when it was fetched. Only where many UIDs have
// changed and it cannot be told what was forwarded does the account wait for the
// user.
func (s *session) recognize(ctx context.Context, v *identify.View) error {
	if err := s.verifyUIDs(ctx, v); err != nil {
		return err
	}
	if err := s.verifyNewest(ctx, v); err != nil {
		return err
	}
	u := identify.FindUnmatched(v)
	if s.row.UIDs == ledger.UIDsRenumbered && len(u.Entries) == 0 && len(v.Entries) >= identify.MinMoved {
		s.row.UIDs = ledger.UIDsStable // the old UIDs are back
	}
	switch {
	case s.row.UIDs == ledger.UIDsRenumbered && u.Waiting:
		return ErrMoved
	case s.row.UIDs == ledger.UIDsRenumbered:
		return ErrRenumbered
	case s.row.UIDs == ledger.UIDsAdopting:
		return nil
	}
	var ask []pop3.Entry
	switch {
	case s.box.Hides() && !(s.extra.begun && s.box.CanTop()): // where messages vanish as a rule, each is compared once it was fetched
		ask, u.Moved, u.Edited = u.AskBroken(), false, false
	case u.Edited:
		ask = u.Entries
	default:
		ask = u.Ask()
	}
	switch {
	case s.box.CanTop() || u.Edited:
	case u.Moved:
		ask = u.Breaking(u.Entries, true).Without(ask)
	default:
		ask = nil
	}
	var moved []identify.Match
	if len(ask) > 0 {
		if u.Moved {
			s.log.Warn("the server has new UIDs for nearly all messages; their headers are compared before anything is sent", "vanished", len(u.Rows), "unknown", len(u.Entries))
		}
		var err error
		if moved, err = s.rematch(ctx, u, ask); err != nil {
			return err
		}
	}
	switch {
	case !u.Edited:
		rest := identify.Others(u.Entries, moved)
		moved = append(moved, u.Breaking(rest, !s.box.CanTop()).Pair(rest)...)
	case u.AnotherMailbox(len(moved)):
		v.First, s.row.Listed = true, time.Time{}
	}
	return s.adopt(ctx, v, moved, false)
}

// rematch finds the rows of messages by their headers. Its error is that the user has to
// decide, if that is not enough.
func (s *session) rematch(ctx context.Context, u identify.Unmatched, ask []pop3.Entry) ([]identify.Match, error) {
	prints, err := s.prints(ctx, ask, u.Moved)
	if err != nil {
		return nil, err
	}
	for i, e := range ask {
		s.headersSeen[e.Number] = prints[i].Fingerprint
	}
	moved, certain := u.Rematch(ask, prints)
	switch {
	case !certain && u.Edited:
		return nil, s.wait(ctx, u.Rows, ErrMoved)
	case !certain && u.Moved:
		return nil, s.wait(ctx, u.Rows, ErrRenumbered)
	}
	return moved, s.sameNumbers(ctx, entriesOf(moved))
}

// sameNumbers makes sure that the numbers of messages mean the same as in the listing:
// there are servers that count again once another client has removed a message, and a
// header would then make another one known.
func (s *session) sameNumbers(ctx context.Context, entries []pop3.Entry) error {
	shifted, err := s.box.Shifted(ctx, entries)
	if err == nil && shifted {
		err = s.Source.Error(mailbox.StepListing, errNumbersChanged)
	}
	return err
}

var errNumbersChanged = errors.New("the numbers of the messages mean others than a moment ago; nothing is done by them")

// verifyUIDs finds out whether UIDs mean other messages than before: because they
// are numbers, which each deletion changes, or because a server was moved whose
// UIDs collide with the old ones. Some headers show it; if so all are compared. Rows
// whose UID belongs to another message now count as not listed.
func (s *session) verifyUIDs(ctx context.Context, v *identify.View) error {
	numbers, once := identify.UIDsAreNumbers(v.Entries), s.box.Hides()
	s.row.Server.UIDNumbers.See(numbers, s.Now())
	switch {
	case once && !numbers, !numbers && !s.box.CanTop():
		return nil
	case once && !s.box.CanTop(): // each is compared once it was fetched
		return s.reassign(ctx, v, nil, identify.Fetched(v))
	case once:
		if err := s.reassign(ctx, v, nil, identify.FetchedInPart(v)); err != nil {
			return err
		}
	}
	suspects, enough := identify.Suspects(v, numbers)
	var breaking identify.Breaking
	others := 0
	if numbers {
		breaking = identify.FindBreaking(v, s.leftOut.uids)
		suspects = slices.DeleteFunc(suspects, func(m identify.Match) bool {
			if breaking.Has(m.Entry) && !identify.SameSize(m.Entry, m.Known) {
				others++ // its own row has another number
			}
			return breaking.Has(m.Entry)
		})
	}
	if len(suspects) == 0 && others < enough {
		return nil
	}
	prints, err := s.prints(ctx, entriesOf(suspects), numbers && !once)
	if err != nil {
		return err
	}
	for i, m := range suspects {
		if prints[i].Fingerprint != "" && !ledger.SameFingerprint(prints[i].Fingerprint, m.Known.Fingerprint) {
			others++
		}
	}
	if others < enough {
		return nil
	}
	s.log.Warn("the UIDs of the server mean other messages than before; all headers are compared", "messages", len(v.Entries))
	if prints, err = s.allPrints(ctx, v.Entries, breaking, numbers && !once); err != nil {
		return err
	}
	s.topPrints = prints
	moved, displaced := identify.Recollect(v, prints, breaking)
	if len(moved)+len(displaced) > 0 {
		if err := s.sameNumbers(ctx, v.Entries); err != nil {
			return err
		}
	}
	return s.reassign(ctx, v, moved, displaced)
}

// fewHeaders is how many headers show whether a mailbox was set back.
const fewHeaders = 3

// verifyNewest finds out whether the mailbox was set back from a backup, and new
// messages have got UIDs that messages had which it lost: with the same size, too, they
// would count as known. As new messages come behind the others, the last ones show it,
// and they are compared up to one that is as it was. The first message of the listing
// has to be, or the server shows other headers by TOP than by RETR.
func (s *session) verifyNewest(ctx context.Context, v *identify.View) error {
	if s.box.Hides() || !s.box.CanTop() || s.row.Server.UIDNumbers.Get(s.Now()) || !identify.LostNewest(v) {
		return nil
	}
	var others []*ledger.Known
	for asked := 0; ; {
		first, newest := identify.Newest(v, max(fewHeaders, 8*asked))
		ask := newest[:len(newest)-asked]
		if len(ask) == 0 {
			break
		}
		more, err := s.othersUnder(ctx, ask)
		if err != nil {
			return err
		}
		if asked == 0 && len(more) > 0 {
			if unlike, err := s.othersUnder(ctx, []identify.Match{first}); err != nil || len(unlike) > 0 {
				return err
			}
		}
		others, asked = append(others, more...), len(newest)
		if len(more) == 0 || more[0].ID != ask[0].Known.ID {
			break
		}
	}
	if len(others) == 0 {
		return nil
	}
	s.log.Warn("the server has given UIDs of messages that it lost to new ones; it may have been set back from a backup", "messages", len(others))
	if err := s.sameNumbers(ctx, v.Entries); err != nil {
		return err
	}
	return s.reassign(ctx, v, nil, others)
}

// othersUnder are the rows whose UIDs belong to other messages now, by their headers.
func (s *session) othersUnder(ctx context.Context, ms []identify.Match) ([]*ledger.Known, error) {
	prints, err := s.prints(ctx, entriesOf(ms), false)
	if err != nil {
		return nil, err
	}
	return identify.OthersUnder(ms, prints), nil
}

// reassign gives messages that are known by their headers their new UIDs, and notes
// whose UIDs belong to others.
func (s *session) reassign(ctx context.Context, v *identify.View, moved []identify.Match, displaced []*ledger.Known) error {
	if err := s.displace(ctx, displaced); err != nil {
		return err
	}
	return s.adopt(ctx, v, moved, len(displaced) > 0)
}

// displace notes that the UIDs of these rows belong to other messages now.
func (s *session) displace(ctx context.Context, rows []*ledger.Known) error {
	var recs []*ledger.Record
	for _, k := range rows {
		rec, err := s.lease.Record(ctx, k.ID)
		if err != nil {
			return s.tally.abort(err)
		}
		s.retire(rec)
		rec.UID = ledger.MovedUID(rec.UID)
		rec.Generation = s.generation(rec.UID)
		if rec.MissingSince.IsZero() {
			rec.MissingSince = s.lastListing()
		}
		if identify.Undelivered(*k) && k.CopyFile == "" {
			rec.State = ledger.Gone
		}
		recs = append(recs, rec)
	}
	return s.put(ctx, recs)
}

// displaceParts notes of copies that may not be whole, and count as those of the message
// that is listed under the UID of this one, which of them are not.
func (s *session) displaceParts(ctx context.Context, m *fetched) error {
	if s.view.Doubled(m.UID) {
		return nil
	}
	for _, k := range identify.ListedParts(m.Others) {
		rec, err := s.lease.Record(ctx, k.ID)
		if err != nil {
			return s.tally.abort(err)
		}
		if _, err := s.ownPart(ctx, rec, m.Body); err != nil {
			return err
		}
	}
	return nil
}

// adopt gives known messages their new UIDs. changed reports whether rows were
// changed already, which are to be read again.
func (s *session) adopt(ctx context.Context, v *identify.View, moved []identify.Match, changed bool) error {
	if len(moved) == 0 && !changed {
		return nil
	}
	var recs []*ledger.Record
	for _, m := range moved {
		rec, err := s.lease.Record(ctx, m.Known.ID)
		if err != nil {
			return s.tally.abort(err)
		}
		s.takeOver(rec, m.Entry)
		recs = append(recs, rec)
	}
	if err := s.put(ctx, recs); err != nil {
		return err
	}
	if len(moved) > 0 {
		s.log.Info("messages under new UIDs are known", "known", len(moved))
	}
	known, err := s.lease.Known(ctx)
	if err != nil {
		return s.tally.abort(err)
	}
	*v = v.With(known)
	return nil
}

// takeOver gives a row the UID under which its message is listed now.
func (s *session) takeOver(rec *ledger.Record, e pop3.Entry) {
	listed := func(o pop3.Entry) bool { return o.UID == rec.UID }
	if rec.UID != e.UID && s.leftOut.uids[rec.UID] && slices.ContainsFunc(s.box.Listing.Entries, listed) {
		s.res.Waiting++ // it was left out because of this row, and has none now
	}
	s.retire(rec)
	rec.UID, rec.Generation = e.UID, s.generation(e.UID)
	if e.Size >= 0 {
		rec.Size = e.Size
	}
	rec.MissingSince, rec.DeletedAt = time.Time{}, time.Time{}
}

// wait makes the account wait for the user. The old UIDs count as missing from now
// on, so that after "resend" all messages are new.
func (s *session) wait(ctx context.Context, vanished []*ledger.Known, why error) error {
	if err := s.setMissing(ctx, vanished, s.lastListing()); err != nil {
		return err
	}
	s.row.UIDs = ledger.UIDsRenumbered
	if err := s.lease.PutAccount(ctx, s.row); err != nil {
		return s.tally.abort(err)
	}
	return why
}

// missing records which messages have left the listing since the last one, and
// which are back. The next listing can take all of it back: a server may show
// only a part of a mailbox.
func (s *session) missing(ctx context.Context, v identify.View) error {
	gone, left, back := identify.Missing(v)
	s.learnHiding(v, slices.Concat(gone, left))
	var recs []*ledger.Record
	for _, k := range gone {
		rec, err := s.lease.Record(ctx, k.ID)
		if err != nil {
			return s.tally.abort(err)
		}
		rec.State, rec.MissingSince = ledger.Gone, s.lastListing()
		s.log.Warn("message left its server before it was forwarded", "uid", shown(k.UID), "outcome", "gone")
		if recs = append(recs, rec); len(recs) == groupSize { // it may be the whole mailbox
			if err := s.put(ctx, recs); err != nil {
				return err
			}
			recs = nil
		}
	}
	parts, err := s.judgeParts(ctx, v, back)
	if err != nil {
		return err
	}
	recs = append(recs, parts...)
	if err := s.put(ctx, recs); err != nil {
		return err
	}
	if err := s.setMissing(ctx, left, s.lastListing()); err != nil {
		return err
	}
	return s.setMissing(ctx, back, time.Time{})
}

// lastListing is when the last listing was read. Before the first one there can be
// rows already, of messages that were imported.
func (s *session) lastListing() time.Time {
	if s.row.LastPoll.IsZero() {
		return s.Now()
	}
	return s.row.LastPoll
}

// setMissing notes that these messages are missing since then; the zero time means
// that they are back.
func (s *session) setMissing(ctx context.Context, list []*ledger.Known, since time.Time) error {
	if len(list) == 0 {
		return nil
	}
	ids := make([]int64, len(list))
	for i, k := range list {
		ids[i] = k.ID
	}
	if err := s.lease.SetMissing(ctx, since, ids); err != nil {
		return s.tally.abort(err)
	}
	return nil
}
