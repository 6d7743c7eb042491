package fetcher_test

import (
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// years is what is odd in a run from its first poll on, besides faults that come and
// go: the server, its owner, the clock, the ledger's file. Each kind of oddity has a
// file of its own and adds what it does here. The zero value is a run of some hours
// in which nothing is odd.
type years struct {
	odd   bool
	names []string // of the kinds of this run

	answers []popHandler                  // asked before the server answers as others do
	quits   []func(*pop3test.Session)     // at QUIT, behind the deletions
	begins  []func()                      // before the first poll
	events  []func()                      // between two polls, until the faults stop
	before  []func()                      // before each poll
	after   []func(fetcher.Result)        // and after it
	ends    []func()                      // when the faults stop
	restore []func(rows []*ledger.Record) // the ledger was set back to these rows

	renames []func() // popferry rename, to another host

	uids     uidScheme
	sizes    sizeScheme
	short    shortListing
	lists    listings
	shifting *shifting
	owner    *owner
	clock    *steps

	cache []*ledger.Record // see rows
	parts map[int64]bool   // rows of copies that were sent though they may not be whole
}

// rows are those of the ledger, read once until something may have changed them.
func (c *chaos) rows() []*ledger.Record {
	if c.cache == nil {
		c.cache = c.records()
	}
	return c.cache
}

// kind adds an oddity to a run. It draws its details from r.
type kind struct {
	name string
	in   int // it is there once in so many runs
	join func(c *chaos, r *rng)
}

// drawYears draws what is odd in this run.
func (c *chaos) drawYears(r *rng) {
	c.after = append(c.after, c.wantAllAccountedFor)
	if r.one(3) {
		return
	}
	c.odd = true
	c.mail.plain, c.mail.once, c.mail.alike = true, true, false
	c.polls = 4 + r.n(10)
	c.pops.in, c.out.in = oneOf(r, 20, 60, 200, 1000), oneOf(r, 10, 30, 100, 1000)
	for _, k := range []kind{
		{"clock", 3, joinClock},
		{"uids", 3, joinUIDs},
		{"sizes", 3, joinSizes},
		{"migration", 3, joinMigration},
		{"hiding", 3, joinHiding},
		{"deaf", 4, joinDeaf},
		{"shifting", 4, joinShifting},
		{"owner", 2, joinOwner},
		{"backups", 4, joinBackups},
		{"first run", 4, joinFirstRun},
		{"imported", 4, joinImported},
		{"host", 4, joinHost},
	} {
		if r.one(k.in) {
			k.join(c, newRNG(uint64(r.n(1e9)), 0)) // numbers of its own: the others stay as they are
		}
	}
	c.after = append(c.after, c.noteFates)
}

func (c *chaos) beginYears() { each(c.begins) }

func (c *chaos) endYears() { each(c.ends) }

func (c *chaos) beforePoll() { each(c.before) }

func (c *chaos) afterPoll(r fetcher.Result) {
	c.cache = nil
	for _, do := range c.after {
		do(r)
	}
}

func each(list []func()) {
	for _, do := range list {
		do()
	}
}

// passTime is the time between two polls: hours, and in odd runs weeks at times.
func (c *chaos) passTime() {
	d := time.Duration(c.rng.n(12*60)) * time.Minute
	if c.odd && c.rng.one(3) {
		d += time.Duration(c.rng.n(50*24)) * time.Hour
	}
	c.now.Add(d)
}

// fate is what has become of a message beyond what its server did to it.
type fate struct {
	skipped   bool      // it counts as seen, and must not be sent
	base      int       // how often it had arrived before that
	forgotten bool      // a row that would tell so could not be recognized by anybody
	again     int       // the ledger was set back to a time before it was forwarded
	lost      bool      // the server threw it away when nobody could know
	since     time.Time // when it was first seen to have arrived
}

// mostTraces is under how many traces a message may arrive.
func (c *chaos) mostTraces(e *expected) int {
	if e.skipped && !e.forgotten {
		return e.base + e.again
	}
	return e.copies + e.renumbered + e.again
}

// noteFates notes after a poll what has arrived, and what counts as seen.
func (c *chaos) noteFates(fetcher.Result) {
	rows, there, now := byUID(c.rows()), c.pop.Messages("leo"), c.now.Now() // a session that was left behind may have the server's lock, and want that of the messages
	c.mail.mu.Lock()
	defer c.mail.mu.Unlock()
	for _, e := range c.mail.order {
		n := 0
		for _, traces := range c.traces(e) {
			n = max(n, len(traces))
		}
		if n > 0 && e.since.IsZero() {
			e.since = now
		}
	}
	c.noteParts()
	for _, m := range there {
		e := c.mail.byOctets[string(m.Octets)]
		list := rows[c.uidOf(m)]
		if e.skipped || len(list) != 1 || list[0].State != ledger.Skipped || list[0].Cause.Code == ledger.CauseTooLarge {
			continue
		}
		e.skipped = true
		for _, traces := range c.traces(e) {
			e.base = max(e.base, len(traces))
		}
	}
}

// noteParts notes copies that were sent though they may not be whole: should the
// message come after all it is sent, too. The lock of the messages is held.
func (c *chaos) noteParts() {
	if c.parts == nil {
		c.parts = make(map[int64]bool)
	}
	for _, r := range c.rows() {
		if r.State != ledger.Forwarded || r.Fingerprint != "" || c.parts[r.ID] {
			continue
		}
		c.parts[r.ID] = true
		for _, e := range c.mail.order {
			if _, known := c.traces(e)[c.account.Destination.Recipients[0]][r.Trace]; known {
				e.again++
			}
		}
	}
}

// deletedEarly notes if a message is deleted before its time, where no clock was
// set. The lock of the messages is held.
func (c *chaos) deletedEarly(e *expected) {
	if d := c.account.Policy.KeepFor; c.odd && c.clock == nil && d > 0 && (e.since.IsZero() || c.now.Now().Sub(e.since) < d) {
		e.wrong = append(e.wrong, "it is deleted "+c.now.Now().Sub(e.since).String()+" after it arrived, want no less than "+d.String())
	}
}

// newUIDs is called before messages get new UIDs: of those that count as seen and
// that only their UIDs identify, nobody can tell that.
func (c *chaos) newUIDs(list ...pop3test.Message) {
	if len(list) == 0 {
		return
	}
	prints := make(map[string]bool)
	for _, r := range c.rows() {
		prints[r.Fingerprint] = true
	}
	for _, m := range list {
		c.mail.change(m.Octets, func(e *expected) { e.forgotten = e.forgotten || !prints[fingerprint(m.Octets)] })
	}
}

// fingerprint is that of a message's header.
func fingerprint(octets []byte) string {
	n := message.NewNormalizer(discard{})
	_, _ = n.Write(octets)
	_ = n.Close()
	return n.Header().Fingerprint()
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func byUID(list []*ledger.Record) map[string][]*ledger.Record {
	out := make(map[string][]*ledger.Record)
	for _, r := range list {
		out[r.UID] = append(out[r.UID], r)
	}
	return out
}

// shown is a line of a listing, and the message that it means.
type shown struct{ uid, octets string }

// listings are what the server has listed.
type listings struct {
	mu      sync.Mutex
	session int // the last one with a listing
	last    []shown
	uids    map[string]string // the last one of each message, by its octets
}

// note notes the first listing of a session.
func (l *listings) note(s *pop3test.Session, all []shown) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.Number <= l.session {
		return
	}
	l.session, l.last = s.Number, all
	if l.uids == nil {
		l.uids = make(map[string]string)
	}
	for _, m := range all {
		l.uids[m.octets] = m.uid
	}
}

// uidOf is the UID under which a message was listed last.
func (c *chaos) uidOf(m pop3test.Message) string {
	if uid := c.lists.uidOf(string(m.Octets)); uid != "" && c.odd {
		return uid
	}
	return m.UID
}

func (l *listings) uidOf(octets string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.uids[octets]
}

// wantAllAccountedFor: after a poll that ended well, each message of its last
// listing has a row, or the poll says that it waits.
func (c *chaos) wantAllAccountedFor(r fetcher.Result) {
	if r.Err != nil || r.Skip != fetcher.NotSkipped {
		return
	}
	rows := byUID(c.rows())
	c.lists.mu.Lock()
	defer c.lists.mu.Unlock()
	var unknown []string
	for _, m := range c.lists.last {
		if len(rows[m.uid]) == 0 {
			unknown = append(unknown, c.mail.name(m.octets)+" under "+m.uid)
		}
	}
	if len(unknown) > r.Waiting {
		c.t.Errorf("the poll ended well with %d waiting, but the ledger does not know what session %d listed: %v", r.Waiting, c.lists.session, unknown)
	}
}
