package pop3

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// wire is the read side of the connection with its time limits.
type wire struct {
	conn       net.Conn
	timeout    time.Duration // for each read and write
	sessionEnd time.Time
	replyEnd   time.Time     // of the reply that is being read; zero: none
	replyTime  time.Duration // that it may take
	minRate    int           // octets a second, see Options.MinRate
	total      int64         // octets read, ever
	lastRead   time.Time     // when the last of them were

	enforced bool          // minRate applies now
	octets   int           // read since the last measurement
	waited   time.Duration // spent in reads since then
	slow     error         // the rate fell below minRate
}

// Read reads once, with a deadline. It fails because of a slow server only one
// read later: the slow read may have been the last one.
func (w *wire) Read(p []byte) (int, error) {
	if w.slow != nil {
		return 0, w.slow
	}
	start := time.Now()
	end, limit := w.deadline(start)
	n, err := w.readUntil(p, start, end)
	w.total += int64(n)
	if err != nil {
		return n, withLimit(err, limit)
	}
	w.lastRead = time.Now()
	w.measure(n, w.lastRead.Sub(start))
	return n, nil
}

// within bounds the time of the reply that is read next, until done.
func (w *wire) within(d time.Duration) (done func()) {
	w.replyEnd, w.replyTime = time.Now().Add(d), d
	return func() { w.replyEnd = time.Time{} }
}

// lastLook is the part of a read's time that is left for one more look, and how
// long that lasts if the time is over: a read whose deadline has passed fails
// whatever has come, and after a machine has slept all that came in time lies there
// unread.
const lastLook = time.Second

// readUntil reads once, and not without having looked at the end.
func (w *wire) readUntil(p []byte, start, end time.Time) (int, error) {
	look := max(0, min(lastLook, end.Sub(start)/2))
	if err := w.conn.SetReadDeadline(end.Add(-look)); err != nil {
		return 0, err
	}
	n, err := w.conn.Read(p)
	if n > 0 || look == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	if again := time.Now().Add(look); again.After(end) {
		end = again
	}
	if err := w.conn.SetReadDeadline(end); err != nil {
		return 0, err
	}
	return w.conn.Read(p)
}

// The limits that a deadline may come from.
const (
	limitWait    = "no data for too long"
	limitReply   = "the reply took longer than "
	limitSession = "the session took too long"
)

// deadline is the deadline of a read or write that starts now, and the limit that
// it comes from.
func (w *wire) deadline(now time.Time) (end time.Time, limit string) {
	end, limit = now.Add(w.timeout), limitWait
	if !w.replyEnd.IsZero() && w.replyEnd.Before(end) {
		end, limit = w.replyEnd, limitReply+w.replyTime.String()
	}
	if w.sessionEnd.Before(end) {
		end, limit = w.sessionEnd, limitSession
	}
	return end, limit
}

// Budget names what a reply may take at most.
type Budget string

// The budgets of replies that have several lines. The octets of a message, to RETR
// and TOP, are for the caller of Body to count: they depend on its size.
const (
	BudgetCapa    Budget = "CAPA"
	BudgetListing Budget = "max_listing" // Options.MaxListing
)

// budget bounds one reply of several lines by what it is for: in octets, in lines,
// whatever they contain, and in time.
type budget struct {
	name   Budget
	octets int64 // line ends included
	lines  int
	time   time.Duration
	spent  struct {
		octets int64
		lines  int
	}
}

const (
	// capaOctets and capaLines are ample: the longest replies to CAPA that were
	// seen have 30 lines and less than 1 kB.
	capaOctets, capaLines = 16 << 10, 512
	// lineOctets is what the lines of a listing may have on average, if there are
	// as many as are allowed, and listingOctets what they may have together in any
	// case. A UID has at most 70 octets (RFC 1939 section 7), most have about 20;
	// some servers go far beyond.
	lineOctets, listingOctets = 32, 1 << 20
)

// budget is that of the reply to CAPA, UIDL or LIST.
func (o Options) budget(verb string) budget {
	if verb == "CAPA" {
		return budget{name: BudgetCapa, octets: capaOctets, lines: capaLines, time: o.CommandTimeout}
	}
	return budget{
		name:   BudgetListing,
		octets: max(listingOctets, lineOctets*int64(o.MaxListing)),
		lines:  o.MaxListing,
		time:   o.listingTime(),
	}
}

// listingTime is how long UIDL, LIST and TOP may take each.
func (o Options) listingTime() time.Duration { return max(10*time.Minute, 10*o.Timeout) }

// spend takes a line of so many octets from the budget, and says what is broken if
// it has not so much left.
func (b *budget) spend(octets int) (broken string) {
	b.spent.octets += int64(octets)
	b.spent.lines++
	switch {
	case b.spent.lines > b.lines:
		return fmt.Sprintf("the reply has more than %d lines, the limit of %s", b.lines, b.name)
	case b.spent.octets > b.octets:
		return fmt.Sprintf("the reply has more than %d octets, the limit of %s", b.octets, b.name)
	}
	return ""
}

// enforceRate applies minRate to what is read from now on, instead of a time
// limit for the whole reply.
func (w *wire) enforceRate() {
	w.enforced, w.octets, w.waited, w.slow, w.replyEnd = true, 0, 0, nil, time.Time{}
}

// ignoreRate ends what enforceRate began.
func (w *wire) ignoreRate() {
	w.enforced, w.slow = false, nil
}

// measure counts what a read returned, and notes whether the rate was below
// minRate over the last timeout's worth of waiting.
func (w *wire) measure(n int, d time.Duration) {
	if !w.enforced || w.minRate < 0 {
		return
	}
	w.octets += n
	w.waited += d
	if w.waited < w.timeout {
		return
	}
	if float64(w.octets) < float64(w.minRate)*w.waited.Seconds() {
		w.slow = fmt.Errorf("%w: %d octets in %v", errTooSlow, w.octets, w.waited.Round(time.Millisecond))
	}
	w.octets, w.waited = 0, 0
}
