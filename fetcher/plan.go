package fetcher

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
)

// plan compares the listing with the ledger, and where that is not enough asks the
// server for headers.
func (s *session) plan(ctx context.Context) (identify.Plan, error) {
	known, err := s.known()
	if err != nil {
		return identify.Plan{}, s.tally.abort(err)
	}
	if r := s.row.Refusals; r.Doubtful() && (s.asked || !ledger.Waiting(s.Now(), r.RetryAt)) {
		if known, err = s.reconsiderHeld(ctx, known, r.Since, 1); err != nil {
			return identify.Plan{}, err
		}
	}
	if known, err = s.recount(ctx, known); err != nil {
		return identify.Plan{}, err
	}
	v := identify.View{Entries: s.box.Listing.Entries, Known: known, Policy: s.Policy, Now: s.Now(), Asked: s.asked, First: s.row.Listed.IsZero(), Emptied: s.row.OnServer == 0, Adopt: s.row.UIDs == ledger.UIDsAdopting}
	s.view = v
	if err := s.recognize(ctx, &v); err != nil {
		return identify.Plan{}, err
	}
	if err := s.missing(ctx, v); err != nil {
		return identify.Plan{}, err
	}
	if len(v.Entries) > 0 {
		s.row.Listings.Note(s.Now())
	}
	s.res.OnServer = len(v.Entries) + s.box.Listing.WithoutUID
	if !s.deleteOnly {
		s.res.Postponed = 0
	}
	s.row.OnServer = s.res.OnServer
	s.view = v
	p := identify.Compare(v)
	if s.loginGap() > 0 {
		p.SpareBreaking(v, s.lastLogin)
	}
	copies, waiting := identify.DueCopies(v, p.Due, s.box.Hides())
	p.Due, p.Waiting = append(p.Due, copies...), p.Waiting+waiting
	p.Due = slices.DeleteFunc(p.Due, s.leftOut.has)
	before := len(p.Due)
	p.Due = slices.DeleteFunc(p.Due, func(c identify.Candidate) bool { return s.waits(c.Known.ID) })
	if len(p.Due) > 0 && !s.ask(ctx) {
		p.Due = nil
	}
	p.Waiting += before - len(p.Due)
	for _, c := range p.Due {
		if c.Known.ID == 0 {
			s.fresh++
		}
	}
	if s.extra.begun && s.fresh >= s.extra.before { // no new mail: it gives new UIDs to what it has
		p.Due = slices.DeleteFunc(p.Due, func(c identify.Candidate) bool { return c.Known.ID == 0 })
		p.Waiting += s.fresh
	}
	return p, nil
}

// waits reports whether the message of a row is not to be sent yet: it may have arrived,
// and it is not certain yet that it has not; or this poll has tried it before, and then its
// back-off counts, also if the user has asked for the poll.
func (p *poll) waits(row int64) bool { return p.unsettled[row] || p.tally.backsOff(row, p.Now()) }

// reconsider makes messages due again that the destination refused while it
// refused everything, once it has accepted one, also while the poll is being cut
// off: it would not be noticed again. It reports whether there are any.
func (p *poll) reconsider(ctx context.Context) (bool, error) {
	since := p.tally.takeEnded()
	if since.IsZero() {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	known, err := p.lease.Known(ctx)
	if err != nil {
		return false, p.tally.abort(err)
	}
	after, err := p.reconsiderHeld(ctx, known, since, known.Len())
	return after != known && err == nil, err
}

// reconsiderHeld makes at most so many of the messages due again that were held
// since then while the destination refused everything. It returns the rows as they
// are afterwards.
func (p *poll) reconsiderHeld(ctx context.Context, known *ledger.Rows, since time.Time, most int) (*ledger.Rows, error) {
	var recs []*ledger.Record
	for i := known.Len() - 1; i >= 0; i-- { // the latest first
		k := known.At(i)
		if k.State != ledger.Held || len(recs) >= most {
			continue
		}
		rec, err := p.lease.Record(ctx, k.ID)
		if err != nil {
			return nil, p.tally.abort(err)
		}
		if rec.Reconsider(since, p.Now()) {
			recs = append(recs, rec)
		}
	}
	if len(recs) == 0 {
		return known, nil
	}
	if err := p.put(ctx, recs); err != nil {
		return nil, err
	}
	p.log.Info("messages that the destination refused while it refused everything are tried once more", "messages", len(recs))
	known, err := p.lease.Known(ctx)
	if err != nil {
		return nil, p.tally.abort(err)
	}
	return known, nil
}

// readKnown begins to read the rows of the account's messages. Nothing is written
// until they are asked for.
func (p *poll) readKnown(ctx context.Context) func() (*ledger.Rows, error) {
	var known *ledger.Rows
	var err error
	var reading sync.WaitGroup
	reading.Go(func() { known, err = p.lease.Known(ctx) })
	return func() (*ledger.Rows, error) {
		reading.Wait()
		return known, err
	}
}

// resolve decides about the ambiguous UIDs of a plan with headers from the server.
// It comes behind the plain messages, so that a server that breaks at it holds up
// none of them.
func (s *session) resolve(ctx context.Context, p identify.Plan) (identify.Plan, error) {
	ambiguous, waiting := p.Ambiguous, p.Waiting
	p.Ambiguous, p.Due, p.Skip = nil, nil, nil // the rest is under way already
	ambiguous = slices.DeleteFunc(slices.Clone(ambiguous), func(a identify.Ambiguity) bool {
		later := ledger.Waiting(s.Now(), a.Decided().NextAttempt) // a session ended at its header
		if later {
			p.Waiting += len(a.Entries)
		}
		return later
	})
	var entries []pop3.Entry
	var list []identify.Match
	for _, a := range ambiguous {
		for _, e := range a.Entries {
			list = append(list, identify.Match{Entry: e, Known: a.Decided()})
		}
		entries = append(entries, a.Entries...)
	}
	prints := make([]identify.Print, len(entries))
	err := s.box.Headers(ctx, entries, func(i int, h message.Header, _ bool) (enough bool, err error) {
		prints[i] = s.printOf(h)
		return true, nil
	})
	if err != nil {
		return p, errors.Join(s.postpone(ctx, list, err), err)
	}
	for _, a := range ambiguous {
		p.ResolveByFingerprint(s.view, a, prints[:len(a.Entries)])
		prints = prints[len(a.Entries):]
	}
	if err := s.displace(ctx, p.Displaced); err != nil {
		return p, err
	}
	if len(p.Due) > 0 && !s.ask(ctx) {
		p.Due, p.Waiting = nil, p.Waiting+len(p.Due)
	}
	s.res.Waiting += p.Waiting - waiting
	if p.Ignored > 0 {
		s.res.Notice = ErrDeleIgnored
		s.log.Warn("the server ignores DELE", "messages", p.Ignored)
	}
	if err := s.noteResized(ctx, p.Resized); err != nil {
		return p, err
	}
	return p, s.noteSkipped(ctx, p.Skip)
}

// prepare records what needs no transaction: messages that are skipped, and that
// the mailbox was listed. What the user wants to count as seen is decided all at
// once, so that nothing that arrives later is adopted too.
func (s *session) prepare(ctx context.Context, p identify.Plan) (identify.Plan, error) {
	p, err := s.leaveOld(ctx, p)
	if err != nil {
		return p, err
	}
	if err := s.note(ctx, p); err != nil || s.row.UIDs != ledger.UIDsAdopting {
		return p, err
	}
	due := p.Due
	p, err = s.resolve(ctx, p)
	if err != nil {
		return p, err
	}
	p.Due = append(due, p.Due...)
	s.row.UIDs = ledger.UIDsStable // all that was there has its row
	if err := s.lease.PutAccount(ctx, s.row); err != nil {
		return p, s.tally.abort(err)
	}
	return p, nil
}

// note records messages that are skipped, and that the mailbox was listed.
func (s *session) note(ctx context.Context, p identify.Plan) error {
	s.res.Waiting = p.Waiting
	if err := s.noteSkipped(ctx, p.Skip); err != nil {
		return err
	}
	if !s.row.Listed.IsZero() || s.allotment.undecided > 0 {
		return nil
	}
	s.row.Listed = s.Now()
	if len(p.Due)+len(p.Ambiguous) == 0 {
		return nil // finish will write it, and nothing else comes before
	}
	if err := s.lease.PutAccount(ctx, s.row); err != nil {
		return s.tally.abort(err)
	}
	return nil
}

// noteSkipped records messages that are left alone: in groups, because there may be
// as many as the mailbox has messages.
func (s *session) noteSkipped(ctx context.Context, skips []identify.Skip) error {
	s.logTooLarge(skips)
	for group := range slices.Chunk(skips, groupSize) {
		recs := make([]*ledger.Record, len(group))
		for i, skip := range group {
			recs[i] = s.skipped(skip)
		}
		if err := s.put(ctx, recs); err != nil {
			return err
		}
		for i, rec := range recs {
			if len(s.skips) < maxFingerprints && !s.view.Doubled(rec.UID) && rec.Fingerprint == "" {
				s.skips = append(s.skips, identify.Match{Entry: *group[i].Entry, Known: rec.Known})
			}
		}
		s.tally.count(ledger.Skipped, len(group), 0)
	}
	return nil
}

// logTooLarge names the messages that are too large, if they are not too many.
func (s *session) logTooLarge(skips []identify.Skip) {
	const most = 20
	n := 0
	for _, skip := range skips {
		if skip.Reason != identify.TooLarge {
			continue
		}
		if n++; n <= most {
			s.log.Warn("message is larger than max_message_size and stays on the server", "uid", shown(skip.UID), "size", skip.Size, "outcome", "skipped")
		}
	}
	if n > most {
		s.log.Warn("more messages are larger than max_message_size and stay on the server", "messages", n-most, "outcome", "skipped")
	}
}

// noteResized records sizes that the server lists differently than before. At the
// first poll after an import those are the sizes of all messages.
func (s *session) noteResized(ctx context.Context, resized []identify.Match) error {
	for group := range slices.Chunk(resized, groupSize) {
		var recs []*ledger.Record
		for _, m := range group {
			rec, err := s.lease.Record(ctx, m.Known.ID)
			if err != nil {
				return s.tally.abort(err)
			}
			rec.Size = m.Size
			recs = append(recs, rec)
		}
		if err := s.put(ctx, recs); err != nil {
			return err
		}
	}
	return nil
}

// groupSize is how many rows are written in one commit, so that other accounts do
// not wait for long.
const groupSize = 1000

// put writes rows in groups.
func (p *poll) put(ctx context.Context, recs []*ledger.Record) error {
	for group := range slices.Chunk(recs, groupSize) {
		if err := p.lease.Put(ctx, group...); err != nil {
			return p.tally.abort(err)
		}
	}
	return nil
}

// skipped is the row of a message that is left alone.
func (s *session) skipped(m identify.Skip) *ledger.Record {
	generation := s.nextGeneration(m.UID)
	if s.view.Doubled(m.UID) { // else there is no other: a note for each of a million would take its memory
		generation = s.generation(m.UID)
	}
	rec := s.rowOf(*m.Entry, generation)
	rec.State = ledger.Skipped
	switch m.Reason {
	case identify.TooLarge:
		rec.Cause = ledger.Cause{Code: ledger.CauseTooLarge, Text: (&TooLargeError{Size: m.Size, Limit: s.Policy.MaxSize}).Error()}
	case identify.BeforeFirstRun:
		rec.Cause = s.Describe(ErrBeforeFirstRun)
	case identify.TooOld:
		rec.Fingerprint = s.headersSeen[m.Number]
		rec.Cause = s.Describe(ErrTooOld)
	case identify.Duplicate:
		rec.Cause = *m.Cause
	case identify.Adopted:
		rec.Cause = s.Describe(ErrAdopted)
	}
	return rec
}

// newRow is a row for a message that has none yet, under the next generation of
// its UID.
func (s *session) newRow(e pop3.Entry) *ledger.Record {
	return s.rowOf(e, s.generation(e.UID))
}

// rowOf is a row for a message under this generation of its UID.
func (s *session) rowOf(e pop3.Entry, generation int) *ledger.Record {
	return &ledger.Record{
		Known:     ledger.Known{UID: e.UID, Generation: generation, Size: e.Size},
		Account:   s.ID,
		FirstSeen: s.Now(),
	}
}
