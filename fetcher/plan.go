package fetcher

import (
	"context"
	"slices"
	"sync"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// plan compares the listing with the ledger, and where that can't tell asks
// the server for headers.
func (r *run) plan(ctx context.Context) (identify.Plan, error) {
	known, err := r.known()
	if err != nil {
		return identify.Plan{}, r.ourFault(err)
	}
	r.gens = nil
	v := identify.View{Entries: r.s.Listing.Entries, Known: known, Policy: r.a.Policy, Now: r.Now(), Asked: r.asked, First: r.row.Listed.IsZero(), Adopt: r.row.UIDs == ledger.UIDsAdopting}
	r.view = v
	if err := r.guard(ctx, &v); err != nil {
		return identify.Plan{}, err
	}
	if err := r.missing(ctx, v); err != nil {
		return identify.Plan{}, err
	}
	r.res.OnServer, r.row.OnServer = len(v.Entries), len(v.Entries)
	r.view = v
	p := identify.Compare(v)
	kept, waiting := identify.DueCopies(v, p.Due)
	p.Due, p.Waiting = append(p.Due, kept...), p.Waiting+waiting
	return p, nil
}

// readKnown begins to read what is known of the account's messages. Nothing is
// written until it is asked for.
func (r *run) readKnown(ctx context.Context) func() ([]ledger.Known, error) {
	var known []ledger.Known
	var err error
	var reading sync.WaitGroup
	reading.Go(func() { known, err = r.lease.Known(ctx) })
	return func() ([]ledger.Known, error) {
		reading.Wait()
		return known, err
	}
}

// decide ends the contests of a plan, with headers from the server. It comes
// behind the plain messages: a server that breaks at it keeps none of them.
func (r *run) decide(ctx context.Context, p identify.Plan) (identify.Plan, error) {
	ambiguous := p.Ambiguous
	p.Ambiguous, p.Due, p.Skip = nil, nil, nil // the rest is under way already
	for _, c := range ambiguous {
		prints, err := r.prints(ctx, c)
		if err != nil {
			return p, err
		}
		p.ResolveByFingerprint(r.view, c, prints)
	}
	r.res.Waiting = p.Waiting
	if p.Ignored > 0 {
		r.res.Notice = ErrDeleIgnored
		r.log.Warn("the server ignores DELE", "messages", p.Ignored)
	}
	if err := r.noteResized(ctx, p.Resized); err != nil {
		return p, err
	}
	return p, r.noteSkipped(ctx, p.Skip)
}

// prints asks for the fingerprint of each message of a contest.
func (r *run) prints(ctx context.Context, c identify.Ambiguity) ([]string, error) {
	out := make([]string, len(c.Entries))
	numbers := numbersOf(c.Entries)
	for i, e := range c.Entries {
		err := r.s.tops(ctx, numbers, i)
		if err != nil {
			return nil, err
		}
		if out[i], err = r.s.print(ctx, r.s.Top0, e); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// note writes down what needs no transaction: messages that are skipped, and
// that the mailbox was listed.
func (r *run) note(ctx context.Context, p identify.Plan) error {
	r.res.Waiting = p.Waiting
	if err := r.noteSkipped(ctx, p.Skip); err != nil {
		return err
	}
	if !r.row.Listed.IsZero() {
		return nil
	}
	r.row.Listed = r.Now()
	if len(p.Due)+len(p.Ambiguous) == 0 {
		return nil // record will write it, and nothing else comes before
	}
	if err := r.lease.PutAccount(ctx, r.row); err != nil {
		return r.ourFault(err)
	}
	return nil
}

// noteAdopted ends what popferry adopt began: all that was there has its row.
func (r *run) noteAdopted(ctx context.Context) error {
	if r.row.UIDs != ledger.UIDsAdopting {
		return nil
	}
	r.row.UIDs = ledger.UIDsStable
	if err := r.lease.PutAccount(ctx, r.row); err != nil {
		return r.ourFault(err)
	}
	return nil
}

// noteSkipped writes down messages that are left alone.
func (r *run) noteSkipped(ctx context.Context, skips []identify.Skip) error {
	var recs []*ledger.Record
	for _, s := range skips {
		recs = append(recs, r.skipped(s))
	}
	if err := r.put(ctx, recs); err != nil {
		return err
	}
	r.res.Skipped += len(skips)
	return nil
}

// noteResized writes down sizes that the server lists otherwise than before: at
// the first poll after an import those of all messages that were imported.
func (r *run) noteResized(ctx context.Context, resized []identify.Match) error {
	for group := range slices.Chunk(resized, groupSize) {
		var recs []*ledger.Record
		for _, m := range group {
			rec, err := r.lease.Record(ctx, m.Known.ID)
			if err != nil {
				return r.ourFault(err)
			}
			rec.Size = m.Size
			recs = append(recs, rec)
		}
		if err := r.put(ctx, recs); err != nil {
			return err
		}
	}
	return nil
}

// groupSize is how many rows are written at once, so that other accounts are
// not held up for long.
const groupSize = 1000

// put writes rows in groups.
func (r *run) put(ctx context.Context, recs []*ledger.Record) error {
	for group := range slices.Chunk(recs, groupSize) {
		if err := r.lease.Put(ctx, group...); err != nil {
			return r.ourFault(err)
		}
	}
	return nil
}

// skipped is the row of a message that is left alone.
func (r *run) skipped(s identify.Skip) *ledger.Record {
	rec := r.newRow(s.Entry)
	rec.State = ledger.Skipped
	switch s.Reason {
	case identify.TooLarge:
		rec.Cause = ledger.Cause{Code: ledger.CauseTooLarge, Text: (&TooLargeError{Size: s.Size, Limit: r.a.Policy.MaxSize}).Error()}
		r.log.Warn("message is larger than max_message_size and stays on the server", "uid", shown(s.UID), "size", s.Size, "outcome", "skipped")
	case identify.BeforeFirstRun:
		rec.Cause = r.Describe(ErrBeforeFirstRun)
	case identify.Duplicate:
		rec.Cause = s.Cause
	case identify.Adopted:
		rec.Cause = r.Describe(ErrAdopted)
	}
	return rec
}

// newRow is a row for a message that has none yet, under the next generation of
// its UID.
func (r *run) newRow(e pop3.Entry) *ledger.Record {
	now := r.Now()
	return &ledger.Record{
		Known:     ledger.Known{UID: e.UID, Generation: r.generation(e.UID), Size: e.Size},
		Account:   r.a.ID,
		FirstSeen: now,
	}
}

// generation is the next number for a message under this UID.
func (r *run) generation(uid string) int {
	if r.gens == nil { // most polls need none
		r.gens = make(map[string]int, len(r.view.Known))
		for _, k := range r.view.Known {
			r.gens[k.UID] = max(r.gens[k.UID], k.Generation+1)
		}
	}
	n := r.gens[uid]
	r.gens[uid] = n + 1
	return n
}
