package fetcher

import (
	"context"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// plan compares the listing with the ledger, and where that can't tell asks
// the server for headers.
func (r *run) plan(ctx context.Context) (plan, error) {
	known, err := r.lease.Known(ctx)
	if err != nil {
		r.stop(err, true)
		return plan{}, err
	}
	r.gens = make(map[string]int)
	for _, k := range known {
		r.gens[k.UID] = max(r.gens[k.UID], k.Generation+1)
	}
	v := view{Entries: r.s.Listing.Entries, Known: known, Policy: r.a.Policy, Now: r.Now(), Asked: r.asked, First: r.row.Listed.IsZero(), Adopt: r.row.Adopt}
	if err := r.guard(ctx, &v); err != nil {
		return plan{}, err
	}
	if err := r.missing(ctx, v); err != nil {
		return plan{}, err
	}
	p := identify(v)
	for _, c := range p.Contests {
		prints, err := r.prints(ctx, c)
		if err != nil {
			return plan{}, err
		}
		p.decide(v, c, prints)
	}
	if p.Ignored > 0 {
		r.res.Notice = ErrDeleIgnored
		r.log.Warn("the server ignores DELE", "messages", p.Ignored)
	}
	r.res.OnServer = len(v.Entries)
	r.res.Waiting = p.Waiting
	r.row.OnServer = len(v.Entries)
	return p, nil
}

// prints asks for the fingerprint of each message of a contest.
func (r *run) prints(ctx context.Context, c contest) ([]string, error) {
	out := make([]string, len(c.Entries))
	for i, e := range c.Entries {
		var err error
		if out[i], err = r.s.print(ctx, r.s.Top0, e.Number); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// note writes down what needs no transaction: messages that are skipped, sizes
// that changed, and that the mailbox was listed.
func (r *run) note(ctx context.Context, p plan) error {
	var recs []*ledger.Record
	for _, s := range p.Skip {
		recs = append(recs, r.skipped(s))
	}
	for _, m := range p.Resized {
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
	r.res.Skipped += len(p.Skip)
	if !r.row.Listed.IsZero() && !r.row.Adopt {
		return nil
	}
	r.row.Listed, r.row.Adopt = r.Now(), false
	if err := r.lease.PutAccount(ctx, r.row); err != nil {
		return r.ourFault(err)
	}
	return nil
}

// put writes rows in groups that do not hold up other accounts for long.
func (r *run) put(ctx context.Context, recs []*ledger.Record) error {
	const group = 1000
	for len(recs) > 0 {
		n := min(len(recs), group)
		if err := r.lease.Put(ctx, recs[:n]...); err != nil {
			return r.ourFault(err)
		}
		recs = recs[n:]
	}
	return nil
}

// skipped is the row of a message that is left alone.
func (r *run) skipped(s skip) *ledger.Record {
	rec := r.fresh(s.Entry)
	rec.State = ledger.Skipped
	switch s.Reason {
	case tooLarge:
		rec.Cause = ledger.Cause{Code: causeTooLarge, Text: (&TooLargeError{Size: s.Size, Limit: r.a.Policy.MaxSize}).Error()}
		r.log.Warn("message is larger than max_message_size and stays on the server", "uid", shown(s.UID), "size", s.Size, "outcome", "skipped")
	case beforeFirstRun:
		rec.Cause = r.Describe(ErrBeforeFirstRun)
	case adopted:
		rec.Cause = r.Describe(ErrAdopted)
	}
	return rec
}

// fresh is a row for a message that has none yet, under the next generation of
// its UID.
func (r *run) fresh(e pop3.Entry) *ledger.Record {
	now := r.Now()
	return &ledger.Record{
		Known:     ledger.Known{UID: e.UID, Generation: r.generation(e.UID), Size: e.Size},
		Account:   r.a.ID,
		FirstSeen: now,
	}
}

// generation is the next number for a message under this UID.
func (r *run) generation(uid string) int {
	n := r.gens[uid]
	r.gens[uid] = n + 1
	return n
}
