package fetcher

import (
	"context"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
)

// filtering are the messages at which an account's filter looks side by side. They are
// handed on in the order in which they were fetched.
type filtering struct {
	*session
	ctx, popCtx context.Context // of transactions, and of the POP3 session
	workers     *workers
	list        []*looked
	octets      int64 // in the spool
}

// looked is a message at which the filter looks until done is closed.
type looked struct {
	m    *fetched
	done chan struct{}
	v    Verdict
	err  error
}

const (
	// maxLooks is at how many messages of an account its filter looks at once.
	maxLooks = 4
	// maxFilterFaults is how many times in a row a filter may fail before the poll
	// fetches no more.
	maxFilterFaults = 3
)

// add takes a message that was fetched.
func (q *filtering) add(m *fetched) {
	l := &looked{m: m, done: make(chan struct{})}
	if !q.undecided(m) {
		if len(q.list) == 0 {
			q.handOn(q.ctx, q.popCtx, q.workers, m)
			return
		}
		close(l.done)
	} else {
		go func() {
			defer q.workers.wake()
			defer close(l.done)
			l.v, l.err = q.look(q.popCtx, m)
		}()
	}
	q.list = append(q.list, l)
	for q.octets += m.Octets; len(q.list) >= maxLooks || len(q.list) > 1 && q.octets > spooledOctets; {
		q.next()
	}
}

// next hands the first message on, once its filter has ended.
func (q *filtering) next() {
	l := q.list[0]
	q.list = q.list[1:]
	q.octets -= l.m.Octets
	q.workers.await(q.popCtx, func() bool {
		select {
		case <-l.done:
			return true
		default:
			return false
		}
	})
	if l.m.chosen != "" || q.settle(q.popCtx, l.m, l.v, l.err) {
		q.handOn(q.ctx, q.popCtx, q.workers, l.m)
	} else {
		q.Progress.finished()
	}
}

// drain hands all of them on.
func (q *filtering) drain() {
	for len(q.list) > 0 {
		q.next()
	}
}

// undecided reports whether it is to be decided who gets a message. What was decided
// before its first attempt stays: it may have arrived.
func (p *poll) undecided(m *fetched) bool {
	m.chosen = m.row.Chosen
	if p.Filter != nil && m.chosen == "" && m.row.MayHaveArrived() { // it had no filter then
		m.chosen = ledger.ChosenOwn
	}
	return p.Filter != nil && m.chosen == ""
}

// sorted is who gets a message, as in ledger.Record.Chosen: where its header says it,
// these, and where it may have arrived, those who it was sent to.
func (p *poll) sorted(m *fetched) string {
	spam := p.Destination.SpamFolder
	if p.Multidrop == nil && spam == "" || m.chosen != "" && m.chosen != ledger.ChosenOwn {
		return m.chosen
	}
	var to []string
	for _, rc := range m.row.Recipients {
		to = append(to, rc.Address)
	}
	switch {
	case m.row.MayHaveArrived() && (p.Multidrop != nil || !slices.Equal(to, p.Destination.Recipients)):
		return strings.Join(to, "\n")
	case m.row.MayHaveArrived(): // the account's folder, which was not chosen for this message
		return m.chosen
	case p.Multidrop != nil:
		return strings.Join(p.Multidrop.Recipients(m.Header.Topmost(p.Multidrop.Header)), "\n")
	case m.Header.Spam():
		return spam
	}
	return m.chosen
}

// divert sends a message to those who get what names nobody, if some of its recipients
// do not exist.
func (s *session) divert(ctx context.Context, d *delivery, v outcome.Verdict) outcome.Verdict {
	if s.Multidrop == nil || len(v.NotThere) == 0 || v.Effect == outcome.Rollback {
		return v
	}
	diverted, to := v.Diverted(d.otherwise, d.before.Recipients, d.attempt)
	if len(to) == 0 {
		return diverted
	}
	undiverted, recipients, chosen := v, d.recipients, d.rec.Chosen
	v = diverted
	d.recipients = slices.Concat(d.recipients, to)
	d.rec.Chosen = strings.Join(d.recipients, "\n")
	if err := s.interim(ctx, d, v); err != nil {
		_ = s.tally.abort(err)
		return v
	}
	w, err := s.resend(ctx, d, v, to)
	if err != nil {
		return v
	}
	if !v.Accepted && len(w.Refused()) == len(to) { // it may know nobody now: who is there is asked again
		d.recipients, d.rec.Chosen = recipients, chosen
		return undiverted
	}
	return v.And(w)
}

// look asks the account's filter. A panic there is its error.
func (p *poll) look(ctx context.Context, m *fetched) (v Verdict, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = &PanicError{Value: panicked, Stack: debug.Stack()}
		}
	}()
	return p.Filter.Look(ctx, m.Item.Reader())
}

// settle does what the filter says of a message. It reports whether the message is to
// be sent.
func (s *session) settle(ctx context.Context, m *fetched, v Verdict, err error) bool {
	switch {
	case err != nil:
		s.notFiltered(ctx, m, err)
		return false
	case v.Drop:
		s.filterFaults = 0
		s.drop(ctx, m, v.Reason)
		return false
	case len(v.To) > 0:
		m.chosen = strings.Join(v.To, "\n")
	default:
		m.chosen = ledger.ChosenOwn
	}
	s.filterFaults = 0
	return true
}

// notFiltered defers a message at which the filter failed: it may be this message's
// doing, so the others go on, and those that were not tried yet come first. After
// several in a row it is the filter's.
func (s *session) notFiltered(ctx context.Context, m *fetched, why error) {
	defer m.Release()
	if ctx.Err() != nil { // it was stopped
		if !m.fromCopy {
			s.box.Abandon(m.Number)
		}
		return
	}
	rec := m.row
	if s.keepIfHidden(m) != nil {
		return // the poll was stopped for it
	}
	rec.Attempts++
	rec.State, rec.NextAttempt = ledger.Deferred, outcome.Attempt{Now: s.Now(), First: rec.FirstSeen, Number: rec.Attempts}.Next()
	rec.Cause = s.Describe(why)
	if s.putCopy(ctx, rec) != nil {
		return
	}
	s.tally.count(rec.State, 1, 0)
	s.tally.triedInVain(rec)
	s.log.Error("the filter failed; the message is tried again later, and the others go on", "uid", shown(m.UID), "attempts", rec.Attempts, "error", why)
	if s.filterFaults++; s.filterFaults >= maxFilterFaults && s.box != nil {
		s.tally.endFetching(why)
	}
}

// keepIfHidden keeps a copy of a message that is not sent now, where its server may not
// give it again. Its row is not written yet.
func (s *session) keepIfHidden(m *fetched) error {
	if m.fromCopy || s.box.Hides() || !s.mayHide() || m.row.CopyFile != "" {
		return nil
	}
	return s.writeCopy(m.row, m.Body)
}

// drop leaves a message alone because the filter says so. A copy stays where its
// server may not give it again: the user may want it.
func (s *session) drop(ctx context.Context, m *fetched, reason string) {
	defer m.Release()
	rec := m.row
	if s.keepIfHidden(m) != nil {
		return // the poll was stopped for it
	}
	why := &DroppedError{Reason: reason}
	rec.State, rec.Cause, rec.NextAttempt = ledger.Skipped, ledger.Cause{Code: ledger.CauseFiltered, Text: why.Error()}, time.Time{}
	rec.Excerpt = ledger.Excerpt{MessageID: rec.Excerpt.MessageID}
	if err := s.putCopy(ctx, rec); err != nil {
		return
	}
	s.tally.count(ledger.Skipped, 1, 0)
	s.log.Info("message", "uid", shown(rec.UID), "outcome", rec.State.String(), "reply", why.Error())
}

// droppedFor is how long the copy of a message stays that the filter dropped: there is
// time to see that it was wrong, and mail that nobody wants does not fill the disk.
const droppedFor = 30 * 24 * time.Hour

// forgetDropped removes the copies of messages that the filter dropped long ago. None is
// removed on its server: DELE is for what was forwarded. Nor is any removed while the
// clock contradicts the ledger.
func (p *poll) forgetDropped(ctx context.Context) {
	now, last := p.Now(), p.row.LastPoll
	if p.Filter == nil && !p.Source.RetrHides(&p.row.Server, now) || !ledger.Believable(last, now) || now.Sub(last) > longestGap || p.tally.stopped() {
		return
	}
	if files, err := p.copies.List(ctx); err != nil || len(files) == 0 {
		return // as nearly always
	}
	known, err := p.lease.Known(ctx)
	if err != nil {
		_ = p.tally.abort(err)
		return
	}
	var dropped []int64 // the longest known ones come first
	for _, k := range known.All() {
		if k.State == ledger.Skipped && k.Cause.Code == ledger.CauseFiltered && k.CopyFile != "" {
			dropped = append(dropped, k.ID)
		}
	}
	slices.Sort(dropped)
	for _, id := range dropped {
		rec, err := p.lease.Record(ctx, id)
		if err != nil {
			_ = p.tally.abort(err)
			return
		}
		if !ledger.Believable(rec.FirstSeen, now) || now.Sub(rec.FirstSeen) < droppedFor {
			return
		}
		name := rec.CopyFile
		rec.CopyFile, rec.Digest = "", ""
		if p.put(ctx, []*ledger.Record{rec}) != nil {
			return // the poll was stopped for it
		}
		p.copies.Drop(name)
		p.log.Info("the copy of a message that the filter dropped 30 days ago is removed", "uid", shown(rec.UID), "message_id", rec.Excerpt.MessageID)
	}
}
