package fetcher

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Turn bounds a poll in time while other accounts wait. The zero value has no
// bounds.
type Turn struct {
	// Yield, once closed, ends the poll in an orderly way after the messages that
	// were asked for, at least one of them. A server that wants a pause between
	// logins would make the rest wait for too long, so it does not count there.
	Yield <-chan struct{}
	// Cut, once closed, closes the POP3 session at once, whatever it is at.
	// Deliveries are finished.
	Cut <-chan struct{}
}

// ErrYielded: the poll ended early because other accounts were waiting. Nothing
// failed; it goes on in another poll.
var ErrYielded = errors.New("other accounts were waiting; the rest of the mailbox follows")

// yields reports whether the poll has to end because others wait. One that has
// fetched nothing yet goes on, or it might never fetch anything.
func (p *poll) yields() bool {
	select {
	case <-p.Turn.Cut:
		return true
	case <-p.Turn.Yield:
		return p.tried.Load() && p.loginGap() == 0
	default:
		return false
	}
}

// remaining are the messages that are still to be fetched: none after a stop, and
// after a yield those that were asked for already.
func (s *session) remaining(ctx context.Context, left []identify.Candidate) []identify.Candidate {
	switch {
	case !s.stopped(ctx):
		return left
	case s.tally.overRate():
		s.res.Postponed += len(left)
		return nil
	case !s.tally.yielded():
		return nil
	}
	asked := s.box.ExpectNoMore()
	return slices.DeleteFunc(left, func(c identify.Candidate) bool { return !asked[c.Number] })
}

// portionSize is how many messages one session fetches where they are deleted
// at its end, so that a cut late in a large mailbox costs little.
const portionSize = 4000

// portion is what this session fetches of what is due: all of it from a server
// that wants a pause between logins.
func (p *poll) portion(due []identify.Candidate) (now, rest []identify.Candidate) {
	if p.Policy.Keep || p.loginGap() > 0 || len(due) <= portionSize {
		return due, nil
	}
	return due[:portionSize], due[portionSize:]
}

// allotment is what a poll may fetch, and what its sessions have used of that.
type allotment struct {
	fetched int  // messages that were asked for
	wasted  int  // of those, what found no room in the spool
	oldest  bool // among them is the one that newer ones had passed for too long: withOldest
	// undecided are messages of the first listing that the session had not looked at
	// when it began to fetch, decided those that it had (Policy.FirstAge).
	undecided, decided int
}

// allot is what of the messages that are due this poll still fetches and sends. The
// others are postponed.
func (s *session) allot(ctx context.Context, due []identify.Candidate) ([]identify.Candidate, error) {
	now, err := s.withinRate(ctx, s.withinMost(due))
	s.res.Postponed += len(due) - len(now)
	return now, err
}

// withinMost leaves out what is more than the poll may fetch. Copies need not be
// fetched.
func (s *session) withinMost(due []identify.Candidate) []identify.Candidate {
	if s.Policy.MaxMessages == 0 {
		return due
	}
	var copies, listed []identify.Candidate
	for _, c := range due {
		if c.Number == 0 {
			copies = append(copies, c)
		} else {
			listed = append(listed, c)
		}
	}
	room := s.Policy.MaxMessages - s.allotment.fetched
	if len(listed) > room && !s.box.Hides() { // else what has come once does not come again
		identify.LikelyKnownLast(&s.view, listed, s.headersSeen, rand.NewPCG(uint64(s.Now().UnixNano()), 0).Uint64())
	}
	if most := s.leftOut.tooLarge; most > 0 { // what may find no room goes last
		slices.SortStableFunc(listed, func(a, b identify.Candidate) int { return cmp.Compare(min(a.Size, most)/most, min(b.Size, most)/most) })
	}
	return append(identify.Choose(listed, room), copies...)
}

// withinRate leaves out what is more than the destination may be sent now, as far as
// the listed sizes show. If it cannot be sent all, the newest go first.
func (p *poll) withinRate(ctx context.Context, due []identify.Candidate) ([]identify.Candidate, error) {
	q := p.Destination.Quota
	if len(q.Limits) == 0 || len(due) == 0 {
		return due, nil
	}
	used, err := p.lease.Usage(ctx, q)
	if err != nil {
		return nil, p.tally.abort(err)
	}
	now := within(q, slices.Clone(used), due)
	if len(now) == len(due) {
		return due, nil
	}
	if p.Policy.Order == identify.Listed {
		due = slices.Clone(due)
		identify.NewestFirst.Sort(due)
	}
	now = p.withOldest(q, used, due)
	p.log.Info("the destination's rate is used up; the rest waits", "forward", p.Destination.Name, "messages", len(due)-len(now))
	return now, nil
}

// passedFor is how long newer messages may pass the oldest one that waits for the
// destination's rate, in times for which the rate is.
const passedFor = 2

// withOldest is within for messages that do not all fit. Newer ones go first, but a large
// one might never fit beside them: once they have passed the oldest one for long enough it
// has its turn, and they get only what it leaves, until it was sent. They do not wait for
// it where what others have sent is in its way.
func (p *poll) withOldest(q ledger.Quota, used []ledger.Usage, due []identify.Candidate) []identify.Candidate {
	since, now := &p.row.Server.PassedSince, p.Now()
	if since.IsZero() || since.After(now) {
		*since = now
	}
	var per time.Duration
	for _, l := range q.Limits {
		per = max(per, l.Per)
	}
	oldest := 0
	for i, c := range due {
		if c.Number < due[oldest].Number {
			oldest = i
		}
	}
	a := amountOf(due[oldest])
	others := make([]ledger.Usage, len(used)) // what would be in its way without what the account has sent
	for i, u := range used {
		others[i].All = ledger.Amount{Messages: u.All.Messages - u.Own.Messages, Octets: u.All.Octets - u.Own.Octets}
	}
	if now.Sub(*since) < passedFor*per || q.Admits(others, a) != nil {
		return within(q, used, due)
	}
	fits := q.Admits(used, a) == nil
	q.Add(used, a)
	newer := within(q, used, slices.Concat(due[:oldest], due[oldest+1:]))
	if !fits {
		p.log.Info("the oldest message that waits for the destination's rate comes next; newer ones wait for it", "forward", p.Destination.Name, "size", due[oldest].Size, "since", *since)
		return newer
	}
	p.allotment.oldest = true
	return append([]identify.Candidate{due[oldest]}, newer...)
}

func amountOf(c identify.Candidate) ledger.Amount {
	return ledger.Amount{Messages: 1, Octets: max(0, c.Size)}
}

// within are the messages that a quota admits, in their order.
func within(q ledger.Quota, used []ledger.Usage, due []identify.Candidate) (now []identify.Candidate) {
	for _, c := range due {
		a := amountOf(c)
		if q.Admits(used, a) == nil {
			q.Add(used, a)
			now = append(now, c)
		}
	}
	return now
}

// usedUp reports whether this poll has fetched as many messages as it may.
func (p *poll) usedUp() bool {
	return p.Policy.MaxMessages > 0 && p.allotment.fetched >= p.Policy.MaxMessages
}

// maxAges is how many messages a session asks for their age before it fetches those
// that are young enough: what it has learnt is on disk then, however it ends.
const maxAges = 1000

// leaveOld leaves messages alone that are older at the first poll than the account
// wants them: by their headers, which TOP shows. One whose age cannot be told so is
// fetched.
func (s *session) leaveOld(ctx context.Context, p identify.Plan) (identify.Plan, error) {
	s.allotment.undecided, s.allotment.decided = 0, 0
	if s.Policy.FirstAge == 0 || !s.view.First || !s.box.CanTop() {
		return p, nil
	}
	var due, ask []identify.Candidate
	for _, c := range p.Due {
		switch {
		case c.Known.ID != 0 || len(c.Others) > 0 || c.Number == 0:
			due = append(due, c)
		case len(ask) < maxAges:
			ask = append(ask, c)
		default:
			s.allotment.undecided++
		}
	}
	before := s.Now().Add(-s.Policy.FirstAge)
	old := make([]bool, len(ask))
	entries := make([]pop3.Entry, len(ask))
	for i := range ask {
		entries[i] = ask[i].Entry
	}
	failed := s.headers(ctx, entries, func(i int, h message.Header, shown bool) (enough bool, err error) {
		s.allotment.decided++
		if old[i] = shown && s.box.HeaderEnded() && h.OlderThan(before); old[i] && h.Identifiable() {
			s.headersSeen[entries[i].Number] = s.fingerprint(h)
		}
		return true, nil
	})
	var young []identify.Candidate
	for i := range ask {
		if old[i] {
			p.Skip = append(p.Skip, identify.Skip{Entry: &entries[i], Reason: identify.TooOld})
		} else {
			young = append(young, ask[i])
		}
	}
	if failed != nil {
		return p, errors.Join(failed, s.noteSkipped(ctx, p.Skip))
	}
	p.Due = append(young, due...)
	return p, nil
}

// Due says when an account is due. That is asked under its lease: what was known
// before may be over, because another process has polled it meanwhile. With the zero
// value it is due whenever Poll is called.
type Due struct {
	// After is when the account is due after a poll that began then; zero: never. Nil:
	// always.
	After func(began time.Time) time.Time
	// Changed: it is due as well if its last poll was with other settings.
	Changed bool
	// Resumed is until when it was disabled, so far: it is due as well if its last poll
	// was before that.
	Resumed time.Time
	// Request, where set, may be one of a user, who wants a poll now.
	Request Request
}

// Request is a user's, of which other processes know as well.
type Request interface {
	// Open reports whether nobody has answered it yet.
	Open(context.Context) (bool, error)
	// Answered notes that the account was polled after Open.
	Answered(context.Context) error
}

// mostAhead is how far in the future a last poll may have begun. Processes know the
// time of the ledger only about so well, and what is further ahead was noted under a
// wrong clock.
const mostAhead = time.Minute

// At reports whether an account is due, and else when it will be; zero: never.
func (d Due) At(last ledger.Planned, settings string, now time.Time) (at time.Time, due bool) {
	switch {
	case d.After == nil, last.Began.IsZero(), last.Began.After(now.Add(mostAhead)):
		return time.Time{}, true
	case d.Changed && last.Settings != "" && last.Settings != settings, last.Began.Before(d.Resumed):
		return time.Time{}, true
	}
	at = d.After(last.Began)
	return at, !at.IsZero() && !at.After(now)
}

// due reports whether the account is due; else the result says why not. While it
// backs off, mayLogIn decides.
func (p *poll) due() bool {
	now := p.Now()
	at, due := p.Due.At(p.row.Planned, p.Settings, now)
	if due || p.asked || ledger.Waiting(now, p.row.NotBefore) {
		return true
	}
	p.res.Skip, p.res.Until, p.res.Began = NotDue, at, p.row.Began
	return false
}

// loginGap is the least time between two logins.
func (p *poll) loginGap() time.Duration {
	return max(p.Policy.MinInterval, p.row.Server.LoginDelay.Get(p.Now()))
}

// mayLogIn reports whether the mailbox may be polled now; else the result says why
// not.
func (p *poll) mayLogIn(ctx context.Context) bool {
	now, last := p.Now(), p.row.Server.LastLogin
	if until := last.Add(p.loginGap()); p.loginGap() > 0 && now.Before(until) && !last.After(now) {
		p.res.Skip, p.res.Until = TooSoon, until
		return false
	}
	tried := &p.row.Server.Tried
	changes := tried.Changes
	if p.backingOff(ctx, p.row.NotBefore, tried, p.Settings, p.login.ask) {
		return false
	}
	if tried.Changes > changes {
		p.row.Server.BadLogins = 0 // they were another password's, or another server's
	}
	return true
}

// backingOff reports whether a back-off is not over, and notes it in the result.
// It is over before its time once what failed was changed. secret may be nil.
func (p *poll) backingOff(ctx context.Context, until time.Time, tried *ledger.Tried, settings string, secret func(context.Context) (string, error)) bool {
	if !ledger.Waiting(p.Now(), until) {
		tried.Changes = 0
		return false
	}
	if p.asked {
		return false
	}
	var ask func() (string, error)
	if secret != nil {
		ask = func() (string, error) { return secret(ctx) }
	}
	if tried.Changed(settings, ask) {
		tried.Changes++
		p.log.Info("its password or settings were changed since the failure, so the wait is over", "until", until)
		return false
	}
	p.res.Skip, p.res.Until = BackingOff, until
	return true
}

// maxSuspected is how many refused logins in a row are not believed after a
// success.
const maxSuspected = 2

// suspectLogin marks refused credentials that worked before: servers that are
// asked too often, or are out of order, are known to call the password wrong.
func (p *poll) suspectLogin(err error) error {
	var refused *pop3.Error
	if !errors.As(err, &refused) || refused.Kind() != pop3.KindCredentials {
		return err
	}
	p.row.Server.BadLogins++
	if p.row.LastSuccess.IsZero() || p.row.Server.BadLogins > maxSuspected {
		return err
	}
	return &UnconfirmedAuthError{err}
}
