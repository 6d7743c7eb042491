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

// maxFingerprints is how many rows get their fingerprints in one poll.
const maxFingerprints = 2000

// takeFingerprints reads the headers of messages that are known by UID and size
// alone: skipped ones, and what another program had fetched. So they are recognized
// when the server is moved, or counts sizes otherwise one day. It is for a session
// that has nothing to delete, because it may break at any of them. more reports
// whether the session has written rows of that kind.
func (s *session) takeFingerprints(ctx context.Context, more bool) error {
	if s.box.Hides() || !s.box.CanTop() {
		return nil
	}
	if more {
		known, err := s.lease.Known(ctx)
		if err != nil {
			return s.tally.abort(err)
		}
		s.view = s.view.With(known)
	}
	list := identify.WithoutFingerprint(&s.view, maxFingerprints)
	var recs []*ledger.Record
	err := s.box.Headers(ctx, entriesOf(list), func(i int, h message.Header, shown bool) (enough bool, err error) {
		if !shown || !h.Identifiable() {
			return true, nil
		}
		rec, err := s.lease.Record(ctx, list[i].Known.ID)
		if err != nil {
			return false, s.tally.abort(err)
		}
		rec.Fingerprint, rec.Size = h.Fingerprint(), list[i].Size
		recs = append(recs, rec)
		return true, nil
	})
	if err != nil {
		err = errors.Join(s.postpone(ctx, list, err), err)
	}
	return errors.Join(err, s.put(ctx, recs))
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
		if m.Number != e.Number {
			continue
		}
		rec, err := s.lease.Record(ctx, m.Known.ID)
		if err != nil {
			return s.tally.abort(err)
		}
		rec.NextAttempt = s.Now().Add(headerRetry)
		s.leftOut.uids[rec.UID] = true
		s.log.Warn("the session ended at the header of a message; it is not asked for again for a day, and the others go on", "uid", shown(rec.UID), "error", why)
		return s.put(ctx, []*ledger.Record{rec})
	}
	return nil
}
