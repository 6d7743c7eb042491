package fetcher

import (
	"context"
	"errors"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/spool"
)

// fetched is a message in the spool, whole.
type fetched struct {
	identify.Candidate
	*message.Body
	row      *ledger.Record // without ID if it is new
	digest   string         // as soon as it is noted in the row what the message shows
	fromCopy bool           // not from the server: what is listed under its UID has to be compared before it is deleted
	// chosen are its recipients as in ledger.Record.Chosen; "": nothing decides about
	// this message alone.
	chosen string
	// superseded are rows that turned out not to be the message's, though copies of it
	// were kept under them.
	superseded []*ledger.Record
}

// note puts into a message's row what it shows. Errors are those of the spool.
func (m *fetched) note(a Account) (err error) {
	if m.row.Size < 0 || m.unproven() { // it is noted of no message, or perhaps of another one
		if m.row.Size = m.Size; m.row.Size < 0 {
			m.row.Size = m.Octets // not listed, but something to compare it by
		}
	}
	m.row.Fingerprint, m.row.MessageSize, m.row.BrokenAt = a.fingerprint(m.Header), m.Octets, 0
	m.row.Excerpt = m.Header.Excerpt()
	m.row.Digest = ""
	if m.digest == "" {
		m.digest, err = m.Digest()
	}
	if a.byOctets(m.Header) {
		m.row.Digest = m.digest // to compare with, should it seem to come again
	}
	return err
}

// Match is the message and the row that it had when it was fetched.
func (m *fetched) Match() identify.Match { return identify.Match{Entry: m.Entry, Known: *m.Known} }

// fresh reports whether the message has had its row only since it was fetched.
func (m *fetched) fresh() bool { return m.Known.ID == 0 }

// couldBe reports whether another row comes into question: the message has no row
// yet, or one that proves less than the other would.
func (m *fetched) couldBe(k ledger.Known) bool {
	return m.row == nil || m.unproven() && k.Fingerprint != "" && k.ID != m.row.ID
}

const (
	// maxIncomplete is how often a message may break off at the same place
	// before it is held.
	maxIncomplete = 3
	// maxRefusals is how many messages in a row may be refused before that counts
	// as a refusal of all of them.
	maxRefusals = 3
)

// fetch brings one message into the spool. It returns nil if that message is
// dealt with already: refused by its server, broken off, known after all. Its
// error ends the session.
func (s *session) fetch(ctx context.Context, c identify.Candidate) (*fetched, error) {
	var rec *ledger.Record // nil: the message is new
	if c.Known.ID != 0 {
		var err error
		if rec, err = s.lease.Record(ctx, c.Known.ID); err != nil {
			return nil, s.tally.abort(err)
		}
	}
	if c.Number == 0 && s.matched[c.Known.ID] { // it is listed under another UID, and was sent
		return nil, nil
	}
	if c.Known.CopyFile != "" && !c.Doubtful() && (c.Number == 0 || s.box.Hides()) { // else its server has it still
		if m, err := s.fetchCopy(ctx, c, rec); m != nil || err != nil || c.Number == 0 {
			return m, err
		}
	}
	var disk *spool.Error
	if errors.As(s.Spool.Room(c.Size), &disk) { // a server that hides what it gave may not give it again
		return nil, s.notSpooled(c, disk)
	}
	body, err := s.box.Retrieve(ctx, c.Entry, func(b *message.Body) (err error) {
		rec, err = s.keepFirst(ctx, c, rec, b)
		return err
	})
	var (
		incomplete *mailbox.IncompleteError
		refused    *pop3.Error
		pipelined  *mailbox.PipelineError
	)
	switch {
	case errors.As(err, &disk):
		if s.mayHide() {
			s.box.Abandon(c.Number) // it was given out, and read away
		}
		return nil, errors.Join(s.notSpooled(c, disk), s.box.Failure())
	case errors.As(err, &incomplete) && s.hadEnough(incomplete):
		return nil, errors.Join(s.suspect(ctx, c, rec, incomplete), s.box.Failure())
	case errors.As(err, &incomplete):
		if s.mayHide() {
			s.box.Abandon(c.Number) // it was given out, and did not come
		}
		return nil, errors.Join(s.incomplete(ctx, c, rec, incomplete), s.box.Failure())
	case errors.As(err, &refused):
		return nil, s.refused(ctx, c, rec, refused)
	case errors.As(err, &pipelined):
		return nil, errors.Join(s.suspect(ctx, c, rec, pipelined), err)
	case err != nil:
		return nil, err
	}
	if rec, err = s.ownPart(ctx, rec, body); err != nil {
		body.Release()
		return nil, err
	}
	if rec == nil || rec.ID != c.Known.ID { // the row under its UID was another message's
		c.Known = new(ledger.Known)
	}
	s.matched[c.Known.ID] = true
	s.refusals = 0
	s.bodies++
	s.row.Server.LastBody, s.row.Server.MostBodies = s.Now(), max(s.row.Server.MostBodies, s.bodies)
	return s.deduplicate(ctx, &fetched{Candidate: c, Body: body, row: rec})
}

// hadEnough reports whether a session that ended when a message was asked for may
// have had enough messages. The next one shows it, for it begins with this message;
// where that is another poll's, with other messages first, it is what an earlier
// session had given out that shows it.
func (s *session) hadEnough(why *mailbox.IncompleteError) bool {
	return why.Got == 0 && s.bodies > 0 && s.box.Err() != nil && why.MaybeNetwork() &&
		(s.loginGap() == 0 || s.bodies >= s.row.Server.MostBodies)
}

// suspect notes a message at which a session ended that may have had enough, or
// could not do pipelining: nothing counts against the message, and the next session
// begins with it. Where that is another poll's, because the server wants a pause
// between logins, the message goes last in it, so that those behind it do not wait.
func (s *session) suspect(ctx context.Context, c identify.Candidate, rec *ledger.Record, why error) error {
	if s.loginGap() == 0 {
		return nil
	}
	if rec == nil {
		rec = s.newRow(c.Entry)
	}
	if rec.Cause.Code != ledger.CauseIncomplete {
		rec.Attempts, rec.BrokenAt = 0, 0
	}
	rec.State, rec.NextAttempt = ledger.Deferred, s.Now()
	rec.Cause = ledger.Cause{Code: ledger.CauseIncomplete, Text: why.Error()}
	return s.notFetched(ctx, rec, why)
}

// incomplete records a body that did not arrive whole: due again, but held when
// it breaks off for the third time and where it did before, or for the sixth time
// in all. So it cannot end every session before the others are through.
func (s *session) incomplete(ctx context.Context, c identify.Candidate, rec *ledger.Record, why *mailbox.IncompleteError) error {
	s.leftOut.uids[c.UID] = true
	if rec == nil {
		rec = s.newRow(c.Entry)
	}
	if rec.Fingerprint == "" && rec.MessageSize == 0 {
		rec.Fingerprint = s.headersSeen[c.Number] // or it would be another message each time where UIDs change
	}
	if rec.Cause.Code != ledger.CauseIncomplete {
		rec.Attempts = 0
	}
	if rec.Attempts == 0 || !why.MaybeNetwork() || !s.row.Server.LastBody.Before(rec.NextAttempt) {
		rec.Attempts++ // else nothing came whole since the last try: it may be the network
	}
	held := rec.Attempts >= maxIncomplete && rec.BrokenAt == why.Got || rec.Attempts >= 2*maxIncomplete
	rec.BrokenAt = why.Got
	rec.State, rec.NextAttempt = ledger.Deferred, s.Now()
	if held {
		rec.State, rec.NextAttempt = ledger.Held, time.Time{}
	}
	rec.Cause = ledger.Cause{Code: ledger.CauseIncomplete, Text: why.Error()}
	return s.notFetched(ctx, rec, why)
}

// refused records a -ERR to RETR, whatever it says: it is this message's, and the
// others go on. That it has left is believed when the next listing lacks it. After
// several refusals in a row the session has had enough.
func (s *session) refused(ctx context.Context, c identify.Candidate, rec *ledger.Record, why *pop3.Error) error {
	if s.refusals++; s.refusals >= maxRefusals {
		return s.Source.Error(mailbox.StepRetr, why)
	}
	if rec == nil {
		rec = s.newRow(c.Entry)
	}
	rec.Attempts++
	rec.State, rec.NextAttempt = ledger.Deferred, outcome.Attempt{Now: s.Now(), First: rec.FirstSeen, Number: rec.Attempts}.Next()
	cause := s.Describe(s.Source.Error(mailbox.StepRetr, why))
	if identify.MayBePart(rec.Known) {
		cause.Code = ledger.CauseIncomplete // it still may be a part
	}
	rec.Cause = cause
	return s.notFetched(ctx, rec, why)
}

// notFetched records that a message could not be fetched.
func (s *session) notFetched(ctx context.Context, rec *ledger.Record, why error) error {
	if err := s.lease.Put(ctx, rec); err != nil {
		return s.tally.abort(err)
	}
	s.tally.count(rec.State, 1, 0)
	s.tally.triedInVain(rec)
	s.log.Warn("message could not be fetched", "uid", shown(rec.UID), "outcome", rec.State.String(), "attempts", rec.Attempts, "error", why)
	return nil
}

// prints reads the headers of messages under unknown UIDs. With moved, those whose
// headers identify nothing are retrieved; else nothing is known of them.
func (s *session) prints(ctx context.Context, entries []pop3.Entry, moved bool) ([]identify.Print, error) {
	prints := make([]identify.Print, len(entries))
	err := s.headers(ctx, entries, func(i int, h message.Header, shown bool) (enough bool, err error) {
		if shown && (moved || h.Identifiable()) {
			prints[i] = s.printOf(h)
		}
		return !moved || shown && h.Identifiable(), nil
	})
	return prints, err
}

// allPrints is prints but for the messages at which sessions end: of those nothing is
// known.
func (s *session) allPrints(ctx context.Context, entries []pop3.Entry, breaking identify.Breaking, moved bool) ([]identify.Print, error) {
	ask := breaking.Without(entries)
	prints, err := s.prints(ctx, ask, moved)
	if err != nil || len(ask) == len(entries) {
		return prints, err
	}
	all := make([]identify.Print, len(entries))
	for i, e := range entries {
		if !breaking.Has(e) {
			all[i], prints = prints[0], prints[1:]
		}
	}
	return all, nil
}

// printOf is what a header says of a message's identity. What an account has by several
// of its addresses is one message, unless these are what decides who gets it: then the
// copies are as many messages, and each has a way of its own.
func (a Account) printOf(h message.Header) identify.Print {
	f := a.fingerprint(h)
	if a.Multidrop == nil && a.Filter == nil {
		f = ledger.HeaderFingerprint(f)
	}
	return identify.Print{Fingerprint: f, Weak: h.Weak()}
}

// fingerprint is what a row keeps to tell messages apart by their headers. It has the
// delivery also where that decides nothing yet: it may in the next configuration.
func (a Account) fingerprint(h message.Header) string {
	f := h.Fingerprint()
	if f == "" {
		return ""
	}
	f = ledger.DeliveryFingerprint(f, h.Delivery())
	if a.Multidrop == nil || message.NamesRecipient(a.Multidrop.Header) {
		return f
	}
	return ledger.FieldFingerprint(f, a.Multidrop.Header, h.DeliveryField(a.Multidrop.Header))
}

// headers is mailbox.Session.Headers, for messages that are not recognized. One at
// which the session ends gets a row, so that another session asks for it last, unless
// it has one from an earlier end.
func (s *session) headers(ctx context.Context, entries []pop3.Entry, each func(int, message.Header, bool) (bool, error)) error {
	err := s.box.Headers(ctx, entries, each)
	e, ok := brokenAt(ctx, err)
	if !ok {
		return err
	}
	why := &mailbox.IncompleteError{Listed: e.Size, Err: err}
	rec, failed := s.brokenRow(ctx, e)
	if failed != nil {
		return failed
	}
	return errors.Join(s.incomplete(ctx, identify.NewCandidate(e), rec, why), err)
}

// brokenRow is the row of a message at which an earlier session ended, as far as its
// size tells; nil if there is none. One that is listed under its UID is another's,
// unless UIDs are numbers.
func (s *session) brokenRow(ctx context.Context, e pop3.Entry) (*ledger.Record, error) {
	breaking := identify.FindUnmatched(&s.view).Breaking(nil, true)
	if s.row.Server.UIDNumbers.Get(s.Now()) {
		breaking = identify.FindBreaking(&s.view, nil)
	}
	k := breaking.Row(e)
	if k == nil {
		return nil, nil
	}
	rec, err := s.lease.Record(ctx, k.ID)
	if err != nil {
		return nil, s.tally.abort(err)
	}
	if rec.UID != e.UID {
		s.takeOver(rec, e)
	}
	return rec, nil
}

// headerRetry is how long the header of a message is not asked for again at which a
// session ended.
const headerRetry = 24 * time.Hour

// brokenAt is the message at whose header a session ended, if that is its fault as
// far as is known.
func brokenAt(ctx context.Context, err error) (e pop3.Entry, ok bool) {
	var at *mailbox.HeaderError
	var leftOut *mailbox.LeftOutError
	var pipelined *mailbox.PipelineError
	if !errors.As(err, &at) || errors.As(err, &leftOut) || errors.As(err, &pipelined) || ctx.Err() != nil {
		return pop3.Entry{}, false
	}
	return at.Entry, true
}

// postpone notes at the header of which known message a session ended: another
// session does what is to be done for the others.
func (s *session) postpone(ctx context.Context, list []identify.Match, why error) error {
	e, ok := brokenAt(ctx, why)
	if !ok {
		return nil
	}
	for _, m := range list {
		if m.Number != e.Number || m.Known.ID == 0 {
			continue
		}
		s.leftOut.uids[m.UID] = true
		s.leftOut.known = !m.Known.NextAttempt.IsZero() // it is its doing then, not the network's
		s.log.Warn("the session ended at the header of a message; it is not asked for again for a day, and the others go on", "uid", shown(m.UID), "error", why)
		return s.askLater(ctx, m.Known.ID)
	}
	return nil
}

// askLater has the header of a message left alone for a time.
func (s *session) askLater(ctx context.Context, id int64) error {
	rec, err := s.lease.Record(ctx, id)
	if err != nil {
		return s.tally.abort(err)
	}
	rec.NextAttempt = s.Now().Add(headerRetry)
	return s.put(ctx, []*ledger.Record{rec})
}

// maxFingerprints is how many rows get their fingerprints in one poll.
const maxFingerprints = 2000

// takeFingerprints reads the headers of messages that are known by UID and size
// alone: skipped ones, and what another program had fetched. So they are recognized
// when the server is moved, or counts sizes otherwise one day. It is for a session
// that has nothing to delete, because it may break at any of them. A server that gives
// each message once is asked only where its UIDs are numbers, and prove nothing.
func (s *session) takeFingerprints(ctx context.Context) error {
	if s.box.Hides() && !s.row.Server.UIDNumbers.Get(s.Now()) || !s.box.CanTop() {
		return nil
	}
	list := identify.WithoutFingerprint(&s.view, maxFingerprints)
	list = append(list, s.skips[:min(len(s.skips), maxFingerprints-len(list))]...)
	var recs []*ledger.Record
	err := s.box.Headers(ctx, entriesOf(list), func(i int, h message.Header, shown bool) (enough bool, err error) {
		if !shown || !h.Identifiable() {
			return true, nil
		}
		rec, err := s.lease.Record(ctx, list[i].Known.ID)
		if err != nil {
			return false, s.tally.abort(err)
		}
		if s.box.HeaderEnded() {
			rec.Fingerprint, rec.Size = s.fingerprint(h), list[i].Size
			if rec.State == ledger.Skipped && rec.Cause.Code == ledger.CauseTooLarge {
				rec.Excerpt = h.Excerpt() // the user may want it after all
			}
		} else {
			rec.NextAttempt = s.Now().Add(headerRetry) // it was cut short, and is asked for again
		}
		recs = append(recs, rec)
		return true, nil
	})
	if err != nil {
		err = errors.Join(s.postpone(ctx, list, err), err)
	}
	return errors.Join(err, s.put(ctx, recs))
}
