package smtp

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
)

// Facts are what was learnt of a server: where it does not do what it announces,
// and how much it takes. They are plain data with an end, so that they can be
// kept between processes. The zero value is a server that keeps its word.
type Facts struct {
	// NoPipelining: it loses or refuses commands that are sent before it has
	// answered those in front of them (RFC 2920).
	NoPipelining Sighting `json:"no_pipelining,omitzero"`
	// NoPipeliningBehindDot: it does so with what is sent right behind the final
	// dot of a message.
	NoPipeliningBehindDot Sighting `json:"no_pipelining_behind_dot,omitzero"`
	// NoBDAT: it refuses BDAT (RFC 3030), or its replies cannot be told apart.
	NoBDAT Sighting `json:"no_bdat,omitzero"`
	// RefusedAuth are the login methods that it offers and does not have.
	RefusedAuth map[login.Method]Sighting `json:"refused_auth,omitempty"`
	forwarder.SessionLimit
}

// Sighting is when a fact was seen, and how often.
type Sighting = forwarder.Sighting

// quirks are the facts of a pool, which its sessions share.
type quirks struct {
	now func() time.Time
	// slowBDAT: BDAT is slower than DATA (window). That may be the way rather than the
	// server, so it is not a fact, and ends with the sessions.
	slowBDAT atomic.Bool

	mu    sync.Mutex
	facts Facts
}

func newQuirks(o *Options) *quirks {
	q := &quirks{now: o.Now, facts: o.Facts}
	q.facts = q.copy() // the map is the caller's
	return q
}

// fact is one of the facts that are sightings.
type fact func(*Facts) *Sighting

func noPipelining(f *Facts) *Sighting          { return &f.NoPipelining }
func noPipeliningBehindDot(f *Facts) *Sighting { return &f.NoPipeliningBehindDot }
func noBDAT(f *Facts) *Sighting                { return &f.NoBDAT }

// has reports whether a fact is in force.
func (q *quirks) has(f fact) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return f(&q.facts).Holds(q.now())
}

// suspect notes a sighting: the fact is in force at once.
func (q *quirks) suspect(f fact) { q.change(f, Sighting.Again) }

// prove notes that a message passed where the fact was in force, after it had
// failed where it was not.
func (q *quirks) prove(f fact) {
	q.change(f, func(_ Sighting, now time.Time) Sighting { return Sighting{At: now, Count: 2} })
}

// dismiss takes back a fact that rests on one sighting: what it was to explain
// happens without it, too.
func (q *quirks) dismiss(f fact) {
	q.change(f, func(s Sighting, _ time.Time) Sighting {
		if s.Count > 1 {
			return s
		}
		return Sighting{}
	})
}

// suspicion is what a message may have failed for on one session: that it was
// sent as if a fact were not so.
type suspicion struct {
	fact    fact              // nil: none that could be named
	refusal forwarder.Outcome // the reply, if there was one
}

// exists reports whether there is one.
func (s suspicion) exists() bool { return s.fact != nil || s.refusal.Code != 0 }

// judge proves or dismisses what a message was suspected to have failed for, now
// that it has an outcome: the same reply as before is about the message, and any
// other shows that the last suspicion was right.
func (q *quirks) judge(suspicions []suspicion, out []forwarder.Outcome) {
	if len(suspicions) == 0 {
		return
	}
	last := suspicions[len(suspicions)-1]
	for _, o := range out {
		switch {
		case o.Kind != forwarder.Accepted && o.Kind != forwarder.Refused:
			return // nobody knows
		case o.Kind == forwarder.Refused && o.Code == last.refusal.Code:
			for _, s := range suspicions {
				if s.fact != nil {
					q.dismiss(s.fact)
				}
			}
			return
		}
	}
	if last.fact != nil {
		q.prove(last.fact)
	}
}

func (q *quirks) change(f fact, to func(Sighting, time.Time) Sighting) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := f(&q.facts)
	*s = to(*s, q.now())
}

// methodRefused reports whether the server offers a login method that it does
// not have.
func (q *quirks) methodRefused(m login.Method) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.facts.RefusedAuth[m].Holds(q.now())
}

// refuseMethod notes that the server does not have a method that it offers.
func (q *quirks) refuseMethod(m login.Method) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.facts.RefusedAuth == nil {
		q.facts.RefusedAuth = make(map[login.Method]Sighting)
	}
	q.facts.RefusedAuth[m] = q.facts.RefusedAuth[m].Again(q.now())
}

// loggedIn notes that a login by a method succeeded: the server has it, and those
// that it has refused were refused for what they are.
func (q *quirks) loggedIn(m login.Method) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.facts.RefusedAuth, m)
	for r, seen := range q.facts.RefusedAuth {
		if seen.Holds(q.now()) {
			q.facts.RefusedAuth[r] = Sighting{At: seen.At, Count: 2}
		}
	}
}

// limitSessions notes that the server refuses more than n sessions at a time.
func (q *quirks) limitSessions(n int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.facts.SessionLimit = q.facts.Refused(n, q.now())
}

// maxSessions is how many sessions may be open, of those that are configured.
func (q *quirks) maxSessions(configured int) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.facts.Most(configured, q.now())
}

// all returns a copy of the facts.
func (q *quirks) all() Facts {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.copy()
}

func (q *quirks) copy() Facts {
	f := q.facts
	f.RefusedAuth = maps.Clone(f.RefusedAuth)
	return f
}
