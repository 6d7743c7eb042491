package fetcher

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"github.com/popferry/popferry/fetcher/doubt"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// Lease is the right to poll one account, and the account's part of the ledger.
// What is written through it is on disk when the call returns nil; after an error
// none of it is.
type Lease interface {
	AccountRow
	Rows
	Quotas
	// Alive returns ledger.ErrLost if the right was lost, or may have been: then no
	// message is handed over for good.
	Alive() error
	// Lost is closed once it is lost for sure; nil: that cannot happen.
	Lost() <-chan struct{}
	// Release gives the right back.
	Release() error
}

// QuarantineKeeper is a lease whose ledger keeps refused messages, for destinations
// without a Quarantiner of their own.
type QuarantineKeeper interface {
	// StageQuarantine has the next Put or Settle of a row with this trace write these
	// octets with it. They have to stay readable until then.
	StageQuarantine(trace string, octets io.WriterTo)
}

// Dated is a lease whose ledger may have lost its last moments: a database's standby that
// had not got them has become the primary, or a backup was restored.
type Dated interface {
	// Timelines name the ledger's histories: that in which it was made, and the one now.
	// Another one begins when something may have been lost. "" is not known.
	Timelines() (made, now string)
}

// AccountRow reads and writes what is remembered of the account.
type AccountRow interface {
	Account(context.Context) (ledger.Account, error)
	// PutAccount need not wait for the disk for what is not ledger.Account.Durable.
	PutAccount(context.Context, ledger.Account) error
}

// Rows reads and writes what is remembered of its messages.
type Rows interface {
	// Known returns all rows that a listing is compared with.
	Known(context.Context) (*ledger.Rows, error)
	// Record returns one row whole, or ledger.ErrNotFound.
	Record(ctx context.Context, id int64) (*ledger.Record, error)
	// Marked returns the rows of messages for which their destination can be asked
	// (ledger.Record.Mark).
	Marked(context.Context) ([]*ledger.Record, error)
	// Put writes all of the records or none; new ones get their ID.
	Put(context.Context, ...*ledger.Record) error
	// Drop removes rows in state Sending, whose transaction did not happen.
	Drop(ctx context.Context, ids ...int64) error
	// Settle writes the result of an intent, a record that Put was asked to write
	// as Sending: the outcome of its transaction or, if that is nil, that there was
	// none. It does so even if the lease was lost meanwhile, unless another process has
	// gone on with the message: then the error is ledger.ErrLost.
	Settle(ctx context.Context, intent, outcome *ledger.Record) error
	// SetMissing sets MissingSince of these rows; the zero time means that they
	// are listed again.
	SetMissing(ctx context.Context, since time.Time, ids []int64) error
	// Deleted records when the server confirmed that these forwarded messages are
	// deleted; the zero time takes it back.
	Deleted(ctx context.Context, at time.Time, ids ...int64) error
}

// Quotas count what is sent to destinations that take only so much in a time.
type Quotas interface {
	// Usage returns what was sent within the time of each limit.
	Usage(context.Context, ledger.Quota) ([]ledger.Usage, error)
	// PutWithin is Put for one record whose message is about to be sent, and counts it
	// with its octets. If the quota does not admit it nothing is written, and the error
	// is ledger.ErrQuotaUsedUp or ledger.ErrQuotaTooSmall.
	PutWithin(ctx context.Context, q ledger.Quota, octets int64, r *ledger.Record) error
}

// Routes remembers which destinations, and which recipients there, are backing
// off.
type Routes interface {
	// Route returns the zero value with the key if nothing is known.
	Route(ctx context.Context, key ledger.RouteKey) (ledger.Route, error)
	// PutRoute writes how a route has changed since it was read. Of failures at
	// the same time one counts; a success always does.
	PutRoute(ctx context.Context, was, is ledger.Route) error
}

// whileAlive is a message that ends only if the lease surely is held: what a
// destination has not got whole it does not deliver. Another process may send the
// message otherwise, without knowing of this one.
func whileAlive(l Lease, size int64, body func() io.Reader) func() io.Reader {
	if l.Lost() == nil {
		return body
	}
	return func() io.Reader { return &guarded{body(), size, l} }
}

// guarded gives its last octets, and its end, only while the lease is held.
type guarded struct {
	io.Reader
	left  int64
	lease Lease
}

// Read implements io.Reader.
func (g *guarded) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if g.left -= int64(n); g.left <= 0 || err != nil {
		if lost := g.lease.Alive(); lost != nil {
			return 0, lost
		}
	}
	return n, err
}

// failover is what a poll knows of a ledger that may have lost its last moments, and
// with them that messages were forwarded. The zero value is that it has not.
type failover struct {
	timeline string          // in which the account was not yet dealt with as a whole
	traces   map[string]bool // of the messages that the destination has; nil: not asked for
	repeated int             // messages that were sent though they may have arrived, and nobody could be asked
}

// begin finds out whether that is so, and puts in doubt what was sent before.
func (f *failover) begin(ctx context.Context, p *poll) error {
	dated, ok := p.lease.(Dated)
	if !ok {
		return nil
	}
	made, now := dated.Timelines()
	if now == cmp.Or(p.row.Server.Timeline, made) {
		return nil
	}
	if f.timeline = now; now == "" || p.Destination.Finder == nil {
		return nil
	}
	return doubt.All(ctx, p.lease)
}

// ask asks the destination which messages it has, once in a poll. Until that works, none
// is sent that the ledger does not know.
func (p *poll) ask(ctx context.Context) bool {
	f := &p.failover
	if f.timeline == "" || f.traces != nil || p.Destination.Finder == nil {
		return true
	}
	traces, err := p.traces(ctx)
	if err != nil {
		p.leftOut.fault = fmt.Errorf("asking which messages had arrived before the failover of the ledger's database: %w", err)
		p.log.Error("cannot ask which messages had arrived before the failover of the ledger's database; what looks new waits until that works", "forward", p.Destination.Name, "error", err)
		return false
	}
	f.traces = traces
	return true
}

// traces are those of the messages that the destination has, where mail goes to.
func (p *poll) traces(ctx context.Context) (map[string]bool, error) {
	d := p.Destination
	all, err := d.Finder.Traces(ctx, d.Recipients[0])
	if err == nil && d.SpamFolder != "" && d.SpamFolder != forwarder.JunkFolder { // which was looked into
		var spam map[string]bool
		spam, err = d.Finder.Traces(ctx, d.SpamFolder)
		maps.Copy(all, spam)
	}
	return all, err
}

// hadArrived reports whether a message that is to be sent for the first time, as far as
// the ledger knows, has arrived before. Then its row says so.
func (s *session) hadArrived(ctx context.Context, m *fetched) (bool, error) {
	f := &s.failover
	if f.timeline == "" || m.row.Trace != "" {
		return false, nil
	}
	if err := m.note(s.Account); err != nil {
		return false, s.tally.abort(err)
	}
	rec := *m.row
	if s.trace(&rec, m.digest); !f.traces[rec.Trace] {
		if s.Destination.Finder == nil {
			f.repeated++
		}
		return false, nil
	}
	name := rec.CopyFile
	doubt.Arrive(&rec, s.Destination.Recipients, s.Now())
	if err := s.lease.Put(ctx, &rec); err != nil {
		return false, s.tally.abort(err)
	}
	s.copies.Drop(name)
	s.box.Durable(m.Number)
	s.tally.count(ledger.Forwarded, 1, rec.MessageSize)
	s.log.Info("message had arrived before the failover of the ledger's database", "uid", shown(rec.UID), "forward", s.Destination.Name, "outcome", rec.State.String(), "trace", rec.Trace)
	return true, nil
}

// end tells what may have come twice and, if the poll went well, notes that nothing is
// left of the account that may have arrived before.
func (f *failover) end(p *poll, well bool) {
	if f.timeline == "" {
		return
	}
	if f.repeated > 0 {
		p.res.Repeated = f.repeated
		p.log.Warn("messages looked new after the failover of the ledger's database, and its destination cannot be asked: those that were forwarded just before it came twice", "forward", p.Destination.Name, "messages", f.repeated)
	}
	if well && p.res.OnServer >= 0 && p.res.Waiting+p.res.Postponed+len(p.unsettled) == 0 {
		p.row.Server.Timeline = f.timeline
	}
}

const (
	// writeLimit bounds the wait for a write that a shutdown must not lose. Disks
	// were seen to take half a minute for one.
	writeLimit = time.Minute
	// patience is how long the outcome of a transaction is kept for a ledger that
	// cannot be written: a forgotten shell may keep it locked for hours.
	patience = 6 * time.Hour
	// The wait between two tries grows from one to the other.
	firstRetry   = 100 * time.Millisecond
	longestRetry = 30 * time.Second
)

// settle writes the result of an intent: under the lease or, if that was lost,
// without it.
func settle(ctx context.Context, l Lease, intent, outcome *ledger.Record) (err error) {
	switch {
	case outcome != nil:
		err = l.Put(ctx, outcome)
	case intent.ID != 0:
		err = l.Drop(ctx, intent.ID)
	default: // writing it failed; where the lease went with that, it may be there
		err = l.Alive()
	}
	if errors.Is(err, ledger.ErrLost) && intent.UID != "" {
		err = l.Settle(ctx, intent, outcome)
	}
	return err
}

// insist writes the result of a transaction: no one else knows it, and without
// it the message would be sent once more. While the ledger cannot be used it tries
// again; a try that ends after the program was told to stop is the last. Meanwhile
// nothing new is begun, and nothing is deleted.
func (p *poll) insist(ctx context.Context, write func(context.Context) error) error {
	limit := time.NewTimer(patience)
	defer limit.Stop()
	last := false
	for wait := firstRetry; ; wait = min(2*wait, longestRetry) {
		err := p.writeOnce(ctx, write)
		last = last || p.stopping(ctx)
		if err == nil || last || !errors.Is(err, ledger.ErrUnavailable) && !errors.Is(err, context.DeadlineExceeded) {
			return err
		}
		if wait == firstRetry {
			p.log.Warn("the outcome of a message cannot be written to the ledger now; it is kept until it can", "error", err)
		}
		_ = p.tally.abort(err)
		next := time.NewTimer(wait)
		select {
		case <-next.C:
		case <-limit.C:
			last = true
		case <-p.Stopping:
		case <-ctx.Done():
		}
		next.Stop()
	}
}

// writeOnce is one try, which the end of ctx does not end.
func (p *poll) writeOnce(ctx context.Context, write func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeLimit)
	defer cancel()
	return write(ctx)
}

// outOfReach reports whether the ledger cannot be used now, by this process. That says
// nothing about the messages in it.
func outOfReach(err error) bool {
	return errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, ledger.ErrLost)
}

// doubts is what a poll knows of the messages that its destination may have.
type doubts struct {
	looked bool // they were looked for
	until  int  // times that messages had got no whole reply by then
	// unsettled are the rows of those that must not be sent again yet.
	unsettled map[int64]bool
}

// settleDoubts asks the destination for the messages that it may have, unless that was
// done and none has come into doubt since. What it cannot be asked for waits, and nothing
// else does. It is called while nothing is being sent.
func (p *poll) settleDoubts(ctx context.Context) error {
	until := p.tally.begun().unanswered
	if p.doubts.looked && p.doubts.until == until {
		return nil
	}
	settled, err := doubt.Settle(ctx, p.lease, p.Destination.Finder, p.row.Server.LookFailed, p.Now())
	if err != nil {
		return p.tally.abort(err)
	}
	p.doubts = doubts{looked: true, until: until, unsettled: settled.Waiting}
	if ctx.Err() == nil && p.row.Server.LookFailed != settled.FailedSince {
		p.row.Server.LookFailed = settled.FailedSince
		if err := p.lease.PutAccount(ctx, p.row); err != nil {
			return p.tally.abort(err)
		}
	}
	for _, name := range settled.Copies {
		p.copies.Drop(name)
	}
	for _, rec := range settled.Arrived {
		p.tally.arrived(rec)
		p.log.Info("message that was in doubt had arrived", "uid", shown(rec.UID), "forward", p.Destination.Name, "outcome", rec.State.String(), "trace", rec.Trace)
	}
	if settled.Err != nil {
		p.leftOut.fault = fmt.Errorf("looking for messages that may have arrived: %w", settled.Err)
		p.log.Error("cannot look for messages that may have arrived; they are not sent again until that works", "forward", p.Destination.Name, "messages", len(settled.Waiting), "error", settled.Err)
	}
	return nil
}
