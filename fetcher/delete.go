package fetcher

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
)

// delete deletes what is forwarded and not to be left on the server, and ends the
// session. Only then, after QUIT was answered, are the deletions real (RFC 1939
// 6), and recorded. done are the messages that this session forwarded, expired
// those of earlier ones. After a broken session or a fault of popferry's own
// nothing is deleted.
func (s *session) delete(ctx context.Context, done, expired []identify.Match) error {
	owed := s.owes(done, expired)
	if s.box.Err() != nil || s.tally.aborted() {
		s.pendingDeletes = owed
		return nil
	}
	failpoint("forwarded")
	if s.box.Pipelined() {
		s.row.Server.NoPipelining.End() // it went well
	}
	if !s.mayDelete(owed) {
		return nil
	}
	if s.Policy.Keep { // for a time, perhaps: that cannot be over within a session, whatever the clock says
		done = nil
	}
	if s.row.Server.UIDNumbers.Get(s.Now()) { // the numbers may be counted again at any time, and so the UIDs
		expired, done = slices.Concat(expired, done), nil
	}
	expired, done, err := s.withoutShort(ctx, expired, done)
	if err != nil {
		return err
	}
	doomed, err := s.proven(ctx, expired)
	if err != nil || !s.mayDelete(owed) {
		return err
	}
	doomed = append(doomed, done...)
	// The last first: a server that counts again after each deletion, against RFC 1939
	// section 5, then still deletes what is meant.
	slices.SortFunc(doomed, func(a, b identify.Match) int { return cmp.Compare(b.Number, a.Number) })
	entries := entriesOf(doomed)
	if len(entries) > 0 {
		same, err := s.box.Unchanged(ctx, entries)
		if err != nil {
			return err
		}
		if !same {
			s.log.Warn("the numbers of the messages mean others than in the listing; nothing is deleted in this session")
			return nil
		}
	}
	deleted, err := s.box.Delete(ctx, entries, func(i int, refused *pop3.Error) {
		if refused != nil {
			s.log.Warn("the server refused to delete a message", "uid", shown(doomed[i].UID), "reply", refused.Text)
			return
		}
		failpoint("dele")
	})
	if err != nil {
		return err
	}
	s.pendingDeletes = false
	s.noteGiven(doomed)
	if len(deleted) == 0 {
		return nil
	}
	failpoint("quit")
	write, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	ids := make([]int64, len(deleted))
	for i, j := range deleted {
		ids[i] = doomed[j].Known.ID
	}
	if err := s.lease.Deleted(write, s.Now(), ids...); err != nil {
		return s.tally.abort(err)
	}
	failpoint("deleted")
	s.res.OnServer -= len(ids)
	s.row.OnServer = s.res.OnServer
	return nil
}

// noteGiven notes messages that this session retrieved and did not delete: the next
// listing shows whether the server keeps them.
func (s *session) noteGiven(doomed []identify.Match) {
	given := s.tally.given()
	for _, m := range doomed {
		delete(given, m.Known.ID)
	}
	if !s.box.Quit() || len(given) == 0 {
		return
	}
	s.row.Server.Given = ledger.Given{}
	copy(s.row.Server.Given[:], slices.Sorted(maps.Keys(given)))
}

// withoutShort leaves out messages that came with fewer octets than listed, where the
// server lists other messages rightly: what was forwarded may be cut. Dovecot gives
// only the beginning of a Maildir file whose name says too little, and says OK, each
// time. A server whose sizes are never right says nothing by them.
func (s *session) withoutShort(ctx context.Context, expired, done []identify.Match) (e, d []identify.Match, err error) {
	if !s.row.Server.RightSizes.Get(s.Now()) {
		return expired, done, nil
	}
	for _, m := range expired {
		if !m.Short {
			rec, err := s.lease.Record(ctx, m.Known.ID)
			if err != nil {
				return nil, nil, s.tally.abort(err)
			}
			m.Short = rec.MessageSize > 0 && rec.MessageSize < rec.Size
		}
		e = s.unlessShort(e, m)
	}
	for _, m := range done {
		d = s.unlessShort(d, m)
	}
	return e, d, nil
}

func (s *session) unlessShort(list []identify.Match, m identify.Match) []identify.Match {
	if m.Short {
		s.log.Warn("a message was forwarded with fewer octets than its server lists, so it may have been cut; it stays on the server", "uid", shown(m.UID), "listed", m.Size)
		return list
	}
	return append(list, m)
}

// owes reports whether there is something to delete.
func (s *session) owes(done, expired []identify.Match) bool {
	return !s.Policy.Keep && len(done) > 0 || len(expired) > 0
}

// mayDelete reports whether the session may delete, and be ended by QUIT. owed
// reports whether there is something to delete.
func (s *session) mayDelete(owed bool) bool {
	switch s.box.Ending() {
	case mailbox.WithoutQuit:
		s.log.Warn("some retrieved messages are not on disk; the session ends without QUIT, so that the server keeps them", "messages", s.box.NotDurable())
		return false
	case mailbox.DeleteLater:
		s.log.Debug("some retrieved messages were not sent; the session ends without QUIT, so that the server keeps them")
		s.pendingDeletes = owed
		return false
	case mailbox.Normally:
	}
	return true
}

// entriesOf are the listed messages of matches.
func entriesOf(matches []identify.Match) []pop3.Entry {
	entries := make([]pop3.Entry, len(matches))
	for i, m := range matches {
		entries[i] = m.Entry
	}
	return entries
}

// proven are the messages, forwarded in earlier sessions, that are on the server
// now. A UID alone does not prove it: the header has to be the same, and where it
// does not identify the message, the size too. Nothing is proven while the clock
// contradicts the ledger. Where there is no TOP the server has given out each of
// them: one that turns out to be another message is not to be lost by QUIT. None is
// asked for that way where the server may not give it again.
func (s *session) proven(ctx context.Context, expired []identify.Match) ([]identify.Match, error) {
	once := s.box.Hides()
	if s.Now().Before(s.row.LastPoll) || once && !s.box.CanTop() {
		return nil, nil
	}
	same := make([]bool, len(expired))
	others := make(map[int]message.Header) // of those that are not, by index
	err := s.box.HeadersToDelete(ctx, entriesOf(expired), func(i int, h message.Header, shown bool) (enough bool, err error) {
		k := expired[i].Known
		same[i] = shown && ledger.SameFingerprint(s.printOf(h).Fingerprint, k.Fingerprint) && (k.Fingerprint != "" || identify.Matches(k, identify.Print{}, expired[i].Size))
		if shown {
			others[i] = h
		}
		return same[i] || once, nil
	})
	if err != nil {
		return nil, errors.Join(s.postpone(ctx, expired, err), err)
	}
	var proven []identify.Match
	var left []int64 // rows whose UIDs were given to other messages: their own have left
	for i, m := range expired {
		if same[i] {
			proven = append(proven, m)
			s.box.Durable(m.Number)
			continue
		}
		s.box.Abandon(m.Number)
		rec, err := s.lease.Record(ctx, m.Known.ID)
		if err != nil {
			return nil, s.tally.abort(err)
		}
		if h := others[i]; steady(m, rec, h, s.printOf(h)) {
			s.log.Warn("the header of a message that is due for deletion is not as it was; it stays", "uid", shown(m.UID))
			if err := s.askLater(ctx, m.Known.ID); err != nil {
				return nil, err
			}
			continue
		}
		s.log.Warn("a message that is due for deletion is not the one that was forwarded; it stays, and is new", "uid", shown(m.UID))
		left = append(left, m.Known.ID)
	}
	if len(left) > 0 {
		if err := s.lease.Deleted(ctx, s.Now(), left...); err != nil {
			return nil, s.tally.abort(err)
		}
	}
	return proven, nil
}

// longestGap is the longest time between two polls that is believed: a clock that
// has passed more was set wrongly, or nobody has looked after the mail for so long
// that a little longer does no harm.
const longestGap = 60 * 24 * time.Hour

// recount has the time that forwarded messages stay on the server begin again
// where the clock contradicts what is noted: for those that were forwarded at a
// time that cannot be right, and for all after a gap that cannot be. A clock that
// is behind the last poll is wrong itself, and nothing is noted by it. recount
// returns the rows as they are afterwards.
func (s *session) recount(ctx context.Context, known *ledger.Rows) (*ledger.Rows, error) {
	now, last := s.Now(), s.row.LastPoll
	if !s.Policy.Keep || s.Policy.KeepFor == 0 || !ledger.Believable(now, now) || last.After(now) {
		return known, nil
	}
	gap := ledger.Believable(last, now) && now.Sub(last) > longestGap
	var recs []*ledger.Record
	for _, k := range known.All() {
		if k.State != ledger.Forwarded || k.ForwardedAt.IsZero() || !k.DeletedAt.IsZero() || !gap && ledger.Believable(k.ForwardedAt, now) {
			continue
		}
		rec, err := s.lease.Record(ctx, k.ID)
		if err != nil {
			return nil, s.tally.abort(err)
		}
		rec.ForwardedAt = now
		recs = append(recs, rec)
	}
	if len(recs) == 0 {
		return known, nil
	}
	s.log.Warn("the clock was set; forwarded messages stay on the server for the time of leave_on_server from now on", "messages", len(recs), "last_poll", last)
	if err := s.put(ctx, recs); err != nil {
		return nil, err
	}
	known, err := s.lease.Known(ctx)
	if err != nil {
		return nil, s.tally.abort(err)
	}
	return known, nil
}
