package fetcher

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
)

// ErrRenumbered: the server has given new UIDs to its messages, and it cannot be
// told which is which.
var ErrRenumbered = errors.New("nearly all UIDs that were left on the server are gone, as many unknown ones are there, " +
	"and it cannot be told which of the messages were forwarded before")

// guard keeps popferry from forwarding everything again from a server that was
// moved: before anything is sent the headers are compared, one to one. Known
// messages get their new UIDs in the ledger, the rest is new. Only if that cannot
// be told does the account wait for the user.
func (s *session) guard(ctx context.Context, v *identify.View) error {
	vanished, unknown, renumbered := identify.Renumbered(v)
	if s.row.UIDs == ledger.UIDsRenumbered && len(unknown) == 0 && len(v.Entries) >= identify.MinRenumbered {
		s.row.UIDs = ledger.UIDsStable // the old UIDs are back
	}
	switch {
	case s.row.UIDs == ledger.UIDsRenumbered:
		return ErrRenumbered
	case !renumbered || s.row.UIDs == ledger.UIDsAdopting || s.box.Hides(): // where messages vanish as a rule, that shows nothing
		return nil
	}
	s.log.Warn("the server has new UIDs for nearly all messages; their headers are compared before anything is sent", "vanished", len(vanished), "unknown", len(unknown))
	fingerprints := make([]string, len(unknown))
	err := s.box.Headers(ctx, unknown, func(i int, h message.Header, shown bool) (enough bool, err error) {
		fingerprints[i] = h.Fingerprint()
		return shown && h.Identifiable(), nil
	})
	if err != nil {
		return err
	}
	moved, certain := identify.Rematch(vanished, unknown, fingerprints)
	if !certain {
		return s.wait(ctx, vanished)
	}
	return s.adopt(ctx, v, moved)
}

// adopt gives known messages their new UIDs.
func (s *session) adopt(ctx context.Context, v *identify.View, moved []identify.Match) error {
	var recs []*ledger.Record
	for _, m := range moved {
		rec, err := s.lease.Record(ctx, m.Known.ID)
		if err != nil {
			return s.tally.abort(err)
		}
		rec.UID, rec.Size, rec.Generation = m.UID, m.Size, s.generation(m.UID)
		recs = append(recs, rec)
	}
	if err := s.put(ctx, recs); err != nil {
		return err
	}
	s.log.Warn("messages under new UIDs were known by their headers", "known", len(moved))
	known, err := s.lease.Known(ctx)
	if err != nil {
		return s.tally.abort(err)
	}
	*v = v.With(known)
	return nil
}

// wait makes the account wait for the user. The old UIDs count as missing from now
// on, so that after "resend" all messages are new.
func (s *session) wait(ctx context.Context, vanished []ledger.Known) error {
	if err := s.setMissing(ctx, vanished, s.lastListing()); err != nil {
		return err
	}
	s.row.UIDs = ledger.UIDsRenumbered
	if err := s.lease.PutAccount(ctx, s.row); err != nil {
		return s.tally.abort(err)
	}
	return ErrRenumbered
}

// missing records which messages have left the listing since the last one, and
// which are back. The next listing can take all of it back: a server may show
// only a part of a mailbox.
func (s *session) missing(ctx context.Context, v identify.View) error {
	gone, left, back := identify.Missing(v)
	vanished := slices.Concat(gone, left)
	if !s.box.Hides() && identify.RetrHides(v, vanished, s.lastLogin) {
		s.row.Server.RetrHides.See(true, s.Now())
		s.log.Warn("the server hides what was retrieved; from now on a copy is kept until it is forwarded")
	}
	var recs []*ledger.Record
	for _, k := range gone {
		rec, err := s.lease.Record(ctx, k.ID)
		if err != nil {
			return s.tally.abort(err)
		}
		rec.State, rec.MissingSince = ledger.Gone, s.lastListing()
		s.log.Warn("message left its server before it was forwarded", "uid", shown(k.UID), "outcome", "gone")
		recs = append(recs, rec)
	}
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
func (s *session) setMissing(ctx context.Context, list []ledger.Known, since time.Time) error {
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
