package fetcher

import (
	"context"
	"errors"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
)

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

// allPrints is like prints, but does not ask for the headers of messages at which sessions
// end: nothing is known of those.
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
	return identify.Print{Fingerprint: f, Weak: h.Weak(), Headless: !h.Identifiable()}
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
