package fetcher

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/retained"
	"github.com/popferry/popferry/fetcher/spool"
)

// Options are what a Poller works with. All but Own, Stopping, Now and ClockOff are
// required.
type Options struct {
	// Lease takes an account's lease, or returns ledger.ErrLeased.
	Lease  func(ctx context.Context, account int64) (Lease, error)
	Routes Routes
	Spool  *spool.Spool
	// CopyDir is the folder for messages that their server gives only once, unless the
	// leases keep them (retained.Keeper). It is made when it is needed.
	CopyDir string
	// Describe turns an error into what the ledger keeps of it.
	Describe func(error) ledger.Cause
	Log      *slog.Logger
	// Own, where set, reports whether an error is only this process's, and no fault of
	// an account or a destination: then nothing is held against them, and the account
	// is still due.
	Own func(context.Context, error) bool
	// Stopping, once closed, ends polls early: transactions in flight are
	// finished and recorded, nothing new is begun.
	Stopping <-chan struct{}
	Now      func() time.Time
	// ClockOff, where set, reports whether the clock may be wrong. Then nothing is
	// deleted by its age.
	ClockOff func() bool
}

// Poller polls accounts. It has no state of its own; its methods may be called
// from many goroutines.
type Poller struct {
	Options
}

// New returns a Poller. It does no I/O.
func New(o Options) *Poller {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Poller{o}
}

// poll is one poll of one account under its lease. What its deliveries share is
// in the tally.
type poll struct {
	*Poller
	Account
	lease  Lease
	copies retained.Copies
	log    *slog.Logger
	tally  *tally
	res    Result

	row ledger.Account // written back at the end, with what was learnt of the server
	ways
	login *login

	beginning
	tried atomic.Bool // a message was fetched, or could not be
	earlier
}

// beginning is what a poll began with.
type beginning struct {
	began     time.Time
	asked     bool      // the user wants a poll now: back-offs do not count, but those of what it has tried itself
	wanted    bool      // that was so at the beginning, by Account.Due.Request
	lastLogin time.Time // when the session before this poll began
	leave     func()    // gives back what Account.Room gave; nil: nothing
}

// earlier is what the sessions of a poll leave to the next one.
type earlier struct {
	fallback fallback
	extra    extra
	leftOut  leftOut
	// pendingDeletes reports that the last session broke, or could not be ended by
	// QUIT, and its deletions were not made.
	pendingDeletes bool
	doubts
	failover  failover
	allotment allotment
	// filterFaults are the faults of the account's filter in a row.
	filterFaults int
}

// extra is the one more session that a poll has at a server that hides what was
// retrieved, and may show other messages then.
type extra struct {
	begun  bool
	before int // new messages in the session before
}

// ways are the back-offs of the destination, as they were when the poll began.
type ways struct {
	dest  ledger.Route // for all recipients
	route ledger.Route // for the account's own
}

// leftOut are the messages that have ended a session of a poll: the next one
// leaves them out.
type leftOut struct {
	uids     map[string]bool // those for which the message has a row are true
	before   int             // how many there were when the last session began
	barren   int             // sessions in a row that only added to them
	noSpool  int             // how many of them the disk below the spool could not take
	tooLarge int64           // the smallest listed size of those; 0: none is listed
	known    bool            // the last session ended at the header of a message at which others did before
	fault    error           // why the poll does not end well though it went to its end; nil: it does
}

// has reports whether a message is left out: not one without a row under the UID of one
// that got a row for it. Numbers that are UIDs have moved then.
func (l *leftOut) has(c identify.Candidate) bool {
	row, out := l.uids[c.UID]
	return out && (!row || c.Known.ID != 0)
}

// session is one POP3 session of a poll.
type session struct {
	*poll
	box   *mailbox.Session
	known func() (*ledger.Rows, error) // waits for the account's rows
	view  identify.View
	numbering
	skips []identify.Match // messages that were left alone in this session: the first ones
	// matched are the rows that a message of this session turned out to be: no
	// other message is the same.
	matched map[int64]bool
	elsewhere
	topPrints   []identify.Print // of all entries, if they were compared
	headersSeen map[int]string   // fingerprints of messages that were asked for by TOP, by their numbers
	fresh       int              // messages of the listing without a row
	refusals    int              // of RETR, in a row
	bodies      int              // that came whole
	toDelete    []pop3.Entry     // what is deleted at the end if it is forwarded, and nothing else is asked for before
	deleteOnly  bool             // only the deletions of an earlier session are made
}

// elsewhere are rows that a message may turn out to have though it is listed under
// another UID. They are nil until they are needed.
type elsewhere struct {
	away  map[string][]ledger.Known // whose messages are not listed, by fingerprint
	parts []ledger.Known            // whose messages did not come whole
}

// Poll takes new mail from one mailbox to its destination: sessions until nothing
// is due, or the account's turn ends. With asked, the user wants it now: back-offs
// do not count. Cancelling ctx breaks everything off at once; what was begun is
// still recorded. Whatever happens, a panic included, stays within the account.
func (p *Poller) Poll(ctx context.Context, a Account, asked bool) Result {
	start := p.Now()
	lease, err := p.Lease(ctx, a.ID)
	switch {
	case errors.Is(err, ledger.ErrLeased):
		return Result{Account: a.Name, OnServer: -1, Skip: Leased}
	case err != nil:
		return Result{Account: a.Name, OnServer: -1, Err: err}
	}
	r := &poll{Poller: p, Account: a, lease: lease, copies: p.copiesOf(a.ID, lease), beginning: beginning{began: start, asked: asked}, log: p.Log.With("account", a.Name), earlier: earlier{leftOut: leftOut{uids: make(map[string]bool)}}, res: Result{Account: a.Name, OnServer: -1}}
	r.Policy.ClockOff = p.ClockOff != nil && p.ClockOff()
	r.login = watchLogin(&r.Source.Credentials)
	if r.begin(ctx) {
		if err := r.failover.begin(ctx, r); err != nil {
			_ = r.tally.abort(err)
		}
		_ = r.settleDoubts(ctx) // the poll was stopped for an error
		r.sendCopies(ctx, false)
		r.forgetDropped(ctx)
		var failed error
		for more, sessions := r.mayLogIn(ctx), 1; more && !r.stopped(ctx); sessions++ {
			if more, err = r.session(ctx, &session{poll: r}); err != nil {
				if more, err = r.another(err, sessions); !more {
					failed = err
				}
			}
		}
		if r.res.OnServer < 0 {
			r.sendCopies(ctx, true)
		}
		if failed != nil {
			r.tally.stop(failed)
		}
		if !r.tally.stopped() {
			r.concludeRoom(ctx)
		}
		if r.pendingDeletes && !r.tally.aborted() && r.loginGap() == 0 && !p.stopping(ctx) {
			if _, err := r.session(ctx, &session{poll: r, deleteOnly: true}); err != nil {
				r.tally.stop(err)
			}
		}
		r.finish(ctx)
	}
	if r.leave != nil {
		r.leave()
	}
	r.res.Err = errors.Join(r.res.Err, lease.Release())
	r.res.Duration = p.Now().Sub(start)
	return r.res
}

// copiesOf are the retained copies of an account.
func (p *Poller) copiesOf(account int64, l Lease) retained.Copies {
	if keeper, ok := l.(retained.Keeper); ok {
		return retained.Ledger{Keeper: keeper}
	}
	return retained.Folder{Dir: p.CopyDir, Account: account}
}

// begin reads what the ledger knows of the account and its destination. It
// reports whether there is to be a poll; else the result says why not.
func (p *poll) begin(ctx context.Context) bool {
	if p.row, p.res.Err = p.lease.Account(ctx); p.res.Err != nil {
		return false
	}
	if p.Mailbox != (ledger.Identity{}) && !p.Mailbox.SameMailbox(p.row.Identity) {
		p.res.Err = &ReassignedError{Account: p.Name, Now: p.row.Identity}
		return false
	}
	if p.dest, p.res.Err = p.Routes.Route(ctx, p.Destination.whole()); p.res.Err != nil {
		return false
	}
	if p.route, p.res.Err = p.Routes.Route(ctx, p.Destination.route()); p.res.Err != nil {
		return false
	}
	now := p.Now()
	p.row.Server.LastBody, p.route.LastSuccess = ledger.Past(p.row.Server.LastBody, now), ledger.Past(p.route.LastSuccess, now)
	p.lastLogin, p.row.Server.Hides = p.row.Server.LastLogin, p.Source.Hides
	p.tally = newTally(outcome.NewBreaker(p.Destination.Name, p.route.LastSuccess, p.row.Refusals))
	d := p.Destination
	if p.Due.Request != nil {
		if p.asked, p.res.Err = p.Due.Request.Open(ctx); p.res.Err != nil {
			return false
		}
		p.wanted = p.asked
	}
	dest, route := p.dest.Tried.Changes, p.route.Tried.Changes
	if p.backingOff(ctx, p.dest.NotBefore, &p.dest.Tried, d.Settings, d.Secret) ||
		p.backingOff(ctx, p.route.NotBefore, &p.route.Tried, d.routeSettings(), nil) {
		return false
	}
	mended := p.dest.Tried.Changes > dest || p.route.Tried.Changes > route
	return (mended || p.due()) && p.enter(ctx)
}

// enter asks for room for the poll; else the result says why there is none.
func (p *poll) enter(ctx context.Context) bool {
	if p.Room == nil {
		return true
	}
	leave, err := p.Room(ctx)
	switch {
	case errors.Is(err, ledger.ErrLeased):
		p.res.Skip = Crowded
		return false
	case err != nil:
		p.res.Err = err
		return false
	}
	p.leave = leave
	return true
}

// session is one POP3 session: RETR*, then DELE*, then QUIT. more reports whether
// another one is to follow. A stop cuts popCtx, the POP3 side, after a grace
// period, and so does the end of the account's turn; transactions with the
// destination end with ctx only. A panic stays within the session.
func (p *poll) session(ctx context.Context, s *session) (more bool, err error) {
	defer func() { err = p.orPanic(err, recover()) }()
	popCtx, end := p.withGrace(ctx)
	defer end()
	defer func() {
		if err != nil && popCtx.Err() != nil && !p.tally.aborted() {
			err = context.Cause(popCtx) // the server is not at fault
		}
	}()
	if err := p.settleDoubts(ctx); err != nil {
		return false, err
	}
	p.tally.beginSession()
	s.matched, s.headersSeen = make(map[int64]bool), make(map[int]string)
	s.known = p.readKnown(popCtx) // while the server is busy with the login
	defer func() { _, _ = s.known() }()
	if !s.deleteOnly && p.expectsMail() {
		s.Destination.Forwarder.Preconnect(1) // beside the login; the listing says whether more are worth while
	}
	if err := s.open(popCtx); err != nil {
		return false, err
	}
	defer func() {
		if err = p.orPanic(err, recover()); p.tally.aborted() { // what came last may not be on disk, and QUIT may hide it
			s.box.Cut()
		}
		s.box.Close(context.WithoutCancel(popCtx))
	}()
	defer context.AfterFunc(popCtx, s.box.Cut)()
	failpoint("listed")
	plan, err := s.plan(popCtx)
	if err != nil {
		return false, err
	}
	if s.deleteOnly {
		if !s.tally.stopped() { // else the error says that something waits
			s.res.Waiting = plan.Waiting + max(0, len(plan.Due)-s.res.Postponed) // what has come meanwhile, or was not listed before
		}
		if err := s.noteSkipped(popCtx, plan.Skip); err != nil { // where UIDs are others in each session
			return false, err
		}
		return false, s.delete(popCtx, nil, plan.Expired)
	}
	if plan, err = s.prepare(popCtx, plan); err != nil {
		return false, err
	}
	if plan.Due, err = s.allot(popCtx, plan.Due); err != nil {
		return false, err
	}
	now, rest := p.portion(plan.Due)
	if !s.Policy.Keep && len(plan.Expired)+len(plan.Ambiguous) == 0 { // nothing more is asked for
		s.toDelete = toRetrieve(now)
	}
	left, failed := s.forward(ctx, popCtx, plan.Due, now)
	if failed == nil && len(rest) == 0 && !p.stopped(ctx) {
		if plan, failed = s.resolve(popCtx, plan); failed == nil {
			var due []identify.Candidate
			if due, failed = s.allot(popCtx, append(left, plan.Due...)); failed == nil {
				left, failed = s.forward(ctx, popCtx, due, due)
			}
		}
	}
	retried, err := s.reconsider(popCtx)
	if err != nil {
		return false, err
	}
	done := p.tally.forwarded()
	if failed == nil {
		undecided := s.allotment.undecided
		more = (len(done) > 0 && len(rest) > 0 || s.mayHaveMore(done) || retried || s.crowdedOut() || undecided > 0 && s.allotment.decided > 0) && p.loginGap() == 0 && !p.usedUp()
		if !more {
			s.res.Waiting += len(left) + len(rest) + undecided
		}
	}
	if failed == nil && !s.owes(done, plan.Expired) && !p.stopped(ctx) {
		failed = s.takeFingerprints(popCtx)
	}
	if err := s.delete(popCtx, done, plan.Expired); err != nil && failed == nil {
		failed = err
	}
	return more, failed
}

// mayHaveMore reports whether a server that hides may show other messages now that
// some were retrieved. One more session is to find out.
func (s *session) mayHaveMore(done []identify.Match) bool {
	if s.extra.begun || !s.box.Hides() || len(done) == 0 {
		return false
	}
	s.extra = extra{begun: true, before: s.fresh}
	return true
}

// open begins the session and reports what is odd about its server.
func (s *session) open(ctx context.Context) (err error) {
	facts := &s.row.Server
	expireDays := facts.ExpireDays.Value
	s.box, err = mailbox.Open(ctx, mailbox.Config{
		Source: s.Source, Facts: facts, MaxSize: s.Policy.MaxSize, UIDsNeeded: s.Policy.Keep,
		NoPipelining: s.fallback.taken, Now: s.Now(), Spool: s.Spool, Digests: s.digests(), Count: s.Progress.received,
	})
	if err != nil {
		return s.suspectLogin(err)
	}
	if n := s.box.Listing.WithoutUID; n > 0 {
		s.leftOut.fault = &UnlistedError{Messages: n}
		s.log.Error("the server lists messages without telling their UIDs; they are not fetched", "messages", n)
	}
	if n := s.box.Listing.Malformed; n > 0 {
		s.log.Warn("the listing has malformed lines; the others are used", "lines", n)
	}
	if days := facts.ExpireDays.Get(s.Now()); days > 0 && days != expireDays && s.Policy.KeepsLonger(days) {
		s.log.Warn("the server deletes messages by itself, sooner than leave_on_server says (EXPIRE)", "days", days)
	}
	return nil
}
