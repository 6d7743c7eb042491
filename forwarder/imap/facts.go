package imap

import (
	"maps"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
)

// Facts are what was learnt of a server. They are plain data with an end, so that
// they can be kept between processes. The zero value is a server that keeps its
// word.
type Facts struct {
	// NoPipelining: it loses or refuses a command that is sent before it has
	// answered the one in front of it (RFC 9051 5.5).
	NoPipelining forwarder.Sighting `json:"no_pipelining,omitzero"`
	// NoStrays: it refuses messages with a CR that is not part of a line end.
	NoStrays forwarder.Sighting `json:"no_strays,omitzero"`
	// RefusedAuth are the login methods that it offers and does not have.
	RefusedAuth map[login.Method]forwarder.Sighting `json:"refused_auth,omitempty"`
	forwarder.SessionLimit
}

// quirks are the facts of a pool, which its sessions share.
type quirks struct {
	now func() time.Time

	mu    sync.Mutex
	facts Facts
}

func newQuirks(o *Options) *quirks {
	q := &quirks{now: o.Now, facts: o.Facts}
	q.facts = q.copy() // the map is the caller's
	return q
}

// fact is one of the facts that are sightings.
type fact func(*Facts) *forwarder.Sighting

func noPipelining(f *Facts) *forwarder.Sighting { return &f.NoPipelining }
func noStrays(f *Facts) *forwarder.Sighting     { return &f.NoStrays }

// has reports whether a fact is in force.
func (q *quirks) has(f fact) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return f(&q.facts).Holds(q.now())
}

// suspect notes a sighting: the fact is in force at once.
func (q *quirks) suspect(f fact) {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := f(&q.facts)
	*s = s.Again(q.now())
}

// dismiss takes a fact back: what it forbids has just worked.
func (q *quirks) dismiss(f fact) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*f(&q.facts) = forwarder.Sighting{}
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
		q.facts.RefusedAuth = make(map[login.Method]forwarder.Sighting)
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
			q.facts.RefusedAuth[r] = forwarder.Sighting{At: seen.At, Count: 2}
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
