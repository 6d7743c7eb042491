package fetcher_test

import (
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
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
	resized  bool // sizes may change
	short    shortListing
	lists    listings
	shifting *shifting
	owner    *owner
	clock    *steps
	inbox    *inboxFaults
	timeline int // of the ledger: it was set back so often, and says so

	keepingEdited bool // how long messages stay may change
	asked         bool // CAPA is always answered: nothing excuses a session that has not asked

	cache []*ledger.Record // see rows
	parts map[string]bool  // traces of copies that were sent though they may not be whole
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
		{"inbox", 4, joinInbox},
		{"keeping", 4, joinKeeping},
		{"first age", 8, joinFirstAge},
		{"limits", 4, joinLimits},
		{"filter", 6, joinFilter},
		{"spool", 6, joinSpool},
		{"multidrop", 5, joinMultidrop},
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
