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
	if c.Number > 0 && c.Known.ID != 0 && s.matched[c.Known.ID] {
		c.Known = new(ledger.Known) // another message of this session turned out to have that row, and perhaps its only copy
	}
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

// mayHide reports whether it is not known yet that the server gives a message a second
// time. That one was listed again is a sign, but a session that does not end by QUIT
// looks the same: two polls have to see it, each of messages of another session.
func (s *session) mayHide() bool {
	keeps := s.row.Server.RetrKeeps
	return keeps.Count < 2 || !keeps.Get(s.Now())
}

// learnHiding notes whether the server hides what was retrieved. If a first sighting
// was that of an owner who deletes mail, it does no harm: copies are kept until what two
// sessions gave out was seen in two polls.
func (s *session) learnHiding(v identify.View, vanished []*ledger.Known) {
	facts, now := &s.row.Server, s.Now()
	hid := s.box.Hides()
	if identify.LeftUnasked(vanished) {
		facts.RetrKeeps.End() // or their owner has deleted them: then it shows again
	}
	switch identify.WhatBecame(v, vanished, facts.Given, s.lastLogin) {
	case identify.Kept:
		facts.Given = ledger.Given{} // one session shows it once
		if facts.RetrKeeps.See(true, now); facts.RetrKeeps.Count > 1 {
			facts.RetrHides.End()
		}
	case identify.Hidden:
		facts.RetrKeeps.End()
		facts.RetrHides.See(true, now)
		if !hid {
			s.log.Warn("the server seems to hide what was retrieved; from now on a copy is kept until it is forwarded")
		}
	case identify.NotKnown:
		if facts.RetrHides.Get(now) { // nothing speaks against it; else the clock may come back to when it was seen
			facts.RetrHides.See(true, now)
		}
	}
}
