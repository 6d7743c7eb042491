package fetcher

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// ErrRenumbered: the server has given new UIDs to its messages, and which is
// which cannot be told.
var ErrRenumbered = errors.New("nearly all UIDs that were left on the server are gone, as many unknown ones are there, " +
	"and it cannot be told which of the messages were forwarded before")

// guard keeps a server that was moved from having everything forwarded again:
// before anything is sent the headers are compared, one to one. Known messages
// get their new UIDs in the ledger, the rest is new. Only where that cannot be
// told the account waits for a person.
func (r *run) guard(ctx context.Context, v *identify.View) error {
	vanished, unknown, is := identify.Renumbered(v)
	if r.row.UIDs == ledger.UIDsRenumbered && len(unknown) == 0 && len(v.Entries) >= identify.MinRenumbered {
		r.row.UIDs = ledger.UIDsStable // the old UIDs are back
	}
	switch {
	case r.row.UIDs == ledger.UIDsRenumbered:
		return ErrRenumbered
	case !is || r.row.UIDs == ledger.UIDsAdopting || r.hides(): // where messages vanish as a rule, it tells nothing
		return nil
	}
	r.log.Warn("the server has new UIDs for nearly all messages; their headers are compared before anything is sent", "vanished", len(vanished), "unknown", len(unknown))
	prints, err := r.printsForSure(ctx, unknown)
	if err != nil {
		return err
	}
	moved, tells := identify.Rematch(vanished, unknown, prints)
	if !tells {
		return r.wait(ctx, vanished)
	}
	return r.adopt(ctx, v, moved)
}

// printsForSure asks for headers by TOP, and by RETR where that fails or tells
// nothing.
func (r *run) printsForSure(ctx context.Context, entries []pop3.Entry) ([]string, error) {
	out := make([]string, len(entries))
	numbers := numbersOf(entries)
	for i, e := range entries {
		if err := r.s.tops(ctx, numbers, i); err != nil {
			return nil, err
		}
		h, shown, err := r.s.header(ctx, r.s.Top0, e)
		if err == nil && (!shown || !h.Identifiable()) {
			h, _, err = r.s.header(ctx, r.s.Retr, e)
		}
		if err != nil {
			return nil, err
		}
		out[i] = h.Fingerprint()
	}
	return out, nil
}

// adopt gives known messages their new UIDs.
func (r *run) adopt(ctx context.Context, v *identify.View, moved []identify.Match) error {
	var recs []*ledger.Record
	for _, m := range moved {
		rec, err := r.lease.Record(ctx, m.Known.ID)
		if err != nil {
			return r.ourFault(err)
		}
		rec.UID, rec.Size, rec.Generation = m.UID, m.Size, r.generation(m.UID)
		recs = append(recs, rec)
	}
	if err := r.put(ctx, recs); err != nil {
		return err
	}
	r.log.Warn("messages under new UIDs were known by their headers", "known", len(moved))
	known, err := r.lease.Known(ctx)
	if err != nil {
		return r.ourFault(err)
	}
	*v = v.With(known)
	return nil
}

// wait has the account wait for a person. The old UIDs count as missed from
// now on, so that after "resend" all is new.
func (r *run) wait(ctx context.Context, vanished []ledger.Known) error {
	if err := r.lease.SetMissing(ctx, r.lastListing(), ids(vanished)); err != nil {
		return r.ourFault(err)
	}
	r.row.UIDs = ledger.UIDsRenumbered
	if err := r.lease.PutAccount(ctx, r.row); err != nil {
		return r.ourFault(err)
	}
	return ErrRenumbered
}

func ids(list []ledger.Known) []int64 {
	out := make([]int64, len(list))
	for i, k := range list {
		out[i] = k.ID
	}
	return out
}

// missing notes which messages have left the listing since the last one, and
// which are back. An empty listing is not believed, and nothing that is noted
// here can't be taken back by the next one: a server may show a part of a
// mailbox only.
func (r *run) missing(ctx context.Context, v identify.View) error {
	gone, left, back := identify.Missing(v)
	vanished := slices.Concat(gone, left)
	if !r.hides() && identify.RetrHides(v, vanished, r.lastLogin) {
		r.s.Learnt.RetrHides = true
		r.log.Warn("the server hides what was retrieved; from now on a copy is kept until it is forwarded")
	}
	var recs []*ledger.Record
	for _, k := range gone {
		rec, err := r.lease.Record(ctx, k.ID)
		if err != nil {
			return r.ourFault(err)
		}
		rec.State, rec.MissingSince = ledger.Gone, r.lastListing()
		r.log.Warn("message left its server before it was forwarded", "uid", shown(k.UID), "outcome", "gone")
		recs = append(recs, rec)
	}
	if err := r.put(ctx, recs); err != nil {
		return err
	}
	if err := r.seen(ctx, left, r.lastListing()); err != nil {
		return err
	}
	return r.seen(ctx, back, time.Time{})
}

// lastListing is when the last listing was read. Before the first one there
// can be rows already, that were imported.
func (r *run) lastListing() time.Time {
	if r.row.LastPoll.IsZero() {
		return r.Now()
	}
	return r.row.LastPoll
}

func (r *run) seen(ctx context.Context, list []ledger.Known, at time.Time) error {
	if len(list) == 0 {
		return nil
	}
	if err := r.lease.SetMissing(ctx, at, ids(list)); err != nil {
		return r.ourFault(err)
	}
	return nil
}
