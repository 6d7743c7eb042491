package fetcher

import (
	"context"
	"errors"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// ErrRenumbered: the server has given new UIDs to its messages, and which is
// which cannot be told.
var ErrRenumbered = errors.New("nearly all UIDs that were left on the server are gone, as many unknown ones are there, " +
	"and it cannot be told which of the messages were forwarded before")

// The guard looks closer when so many UIDs have vanished, and such a part of
// those that were left on the server.
const (
	guardLeast = 10
	guardPart  = 0.9
)

// renumbered tells whether a listing looks like that of a server that was
// moved: nearly all UIDs that the last listing had have vanished, and nearly as
// many unknown ones or more appear. Not all, for some messages may have been
// deleted on the way.
func renumbered(v *view) (vanished []ledger.Known, unknown []pop3.Entry, is bool) {
	x := v.indexed()
	left := 0
	for i := range v.Known {
		k := &v.Known[i]
		if !steady(k) {
			continue
		}
		left++
		if !x.listed[i] {
			vanished = append(vanished, *k)
		}
	}
	for i, e := range v.Entries {
		if x.first[i] < 0 {
			unknown = append(unknown, e)
		}
	}
	n := len(vanished)
	return vanished, unknown, n >= guardLeast && float64(n) >= guardPart*float64(left) && float64(len(unknown)) >= guardPart*float64(n)
}

// guard keeps a server that was moved from having everything forwarded again:
// before anything is sent the headers are compared, one to one. Known messages
// get their new UIDs in the ledger, the rest is new. Only where that cannot be
// told the account waits for a person.
func (r *run) guard(ctx context.Context, v *view) error {
	vanished, unknown, is := renumbered(v)
	if r.row.UIDs == ledger.UIDsRenumbered && len(unknown) == 0 && len(v.Entries) >= guardLeast {
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
	moved, tells := rematch(vanished, unknown, prints)
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

// rematch pairs rows with messages of the same fingerprint, one to one. It does
// not tell if messages are left over and so are rows without a fingerprint.
func rematch(vanished []ledger.Known, unknown []pop3.Entry, prints []string) (moved []match, tells bool) {
	byPrint := make(map[string][]ledger.Known)
	blank := 0
	for _, k := range vanished {
		if k.Fingerprint == "" {
			blank++
			continue
		}
		byPrint[k.Fingerprint] = append(byPrint[k.Fingerprint], k)
	}
	rest := 0
	for i, e := range unknown {
		rows := byPrint[prints[i]]
		if len(rows) == 0 {
			rest++
			continue
		}
		moved = append(moved, match{Entry: e, Known: rows[0]})
		byPrint[prints[i]] = rows[1:]
	}
	// With many fingerprints of which none is there, the mailbox was emptied.
	emptied := len(moved) == 0 && blank <= len(vanished)/2
	return moved, blank == 0 || rest == 0 || emptied
}

// adopt gives known messages their new UIDs.
func (r *run) adopt(ctx context.Context, v *view, moved []match) error {
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
	v.Known, v.index = known, nil
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
func (r *run) missing(ctx context.Context, v view) error {
	if len(v.Entries) == 0 {
		return nil
	}
	x := v.indexed()
	var left, back, all []ledger.Known
	var gone []*ledger.Record
	for i, k := range v.Known {
		switch seen, listed := k.MissingSince.IsZero(), x.listed[i]; {
		case !alive(k) || k.CopyFile != "" || seen == listed:
		case listed:
			back = append(back, k)
		case k.State == ledger.Deferred || k.State == ledger.Unknown || k.State == ledger.Held:
			rec, err := r.lease.Record(ctx, k.ID)
			if err != nil {
				return r.ourFault(err)
			}
			rec.State, rec.MissingSince = ledger.Gone, r.lastListing()
			r.log.Warn("message left its server before it was forwarded", "uid", shown(k.UID), "outcome", "gone")
			gone, all = append(gone, rec), append(all, k)
		default:
			left, all = append(left, k), append(all, k)
		}
	}
	r.learnHiding(all, v.Known)
	if err := r.put(ctx, gone); err != nil {
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
