// Package facts keeps what was learnt of a server that mail is delivered to. Each fact
// has a date and an end (forwarder.Sighting), so that all of them can be kept between
// processes as plain data.
package facts

import (
	"maps"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
)

// Common is what there is to learn of any server. The zero value is one that keeps
// its word.
type Common struct {
	// RefusedAuth are the login methods that it offers and does not have.
	RefusedAuth map[login.Method]forwarder.Sighting `json:"refused_auth,omitempty"`
	forwarder.SessionLimit
}

// Fact picks one fact out of those that a protocol has.
type Fact[F any] func(*F) *forwarder.Sighting

// Book is the facts of one server, which its sessions share. Its methods may be
// called from several goroutines.
type Book[F any] struct {
	now    func() time.Time
	common func(*F) *Common

	mu    sync.Mutex
	facts F
}

// NewBook begins with what was known before. common is where the common facts are.
func NewBook[F any](known F, common func(*F) *Common, now func() time.Time) *Book[F] {
	b := &Book[F]{now: now, common: common, facts: known}
	b.facts = b.copy() // the map is the caller's
	return b
}

// All returns a copy of the facts.
func (b *Book[F]) All() F {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.copy()
}

func (b *Book[F]) copy() F {
	f := b.facts
	c := b.common(&f)
	c.RefusedAuth = maps.Clone(c.RefusedAuth)
	return f
}

// Has reports whether a fact is in force.
func (b *Book[F]) Has(f Fact[F]) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return f(&b.facts).Holds(b.now())
}

// Suspect notes a sighting: the fact is in force at once.
func (b *Book[F]) Suspect(f Fact[F]) { b.change(f, forwarder.Sighting.Again) }

// Prove notes that a message passed where the fact was in force, after it had
// failed where it was not.
func (b *Book[F]) Prove(f Fact[F]) {
	b.change(f, func(_ forwarder.Sighting, now time.Time) forwarder.Sighting {
		return forwarder.Sighting{At: now, Count: 2}
	})
}

// Dismiss takes back a fact that rests on one sighting: what it was to explain
// happens without it, too.
func (b *Book[F]) Dismiss(f Fact[F]) {
	b.change(f, func(s forwarder.Sighting, _ time.Time) forwarder.Sighting {
		if s.Count > 1 {
			return s
		}
		return forwarder.Sighting{}
	})
}

// Disprove takes a fact back, however often it was seen: what it forbids has just
// worked.
func (b *Book[F]) Disprove(f Fact[F]) {
	b.change(f, func(forwarder.Sighting, time.Time) forwarder.Sighting { return forwarder.Sighting{} })
}

func (b *Book[F]) change(f Fact[F], to func(forwarder.Sighting, time.Time) forwarder.Sighting) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := f(&b.facts)
	*s = to(*s, b.now())
}

// MethodRefused reports whether the server offers a login method that it does not
// have.
func (b *Book[F]) MethodRefused(m login.Method) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.common(&b.facts).RefusedAuth[m].Holds(b.now())
}

// RefuseMethod notes that the server does not have a method that it offers.
func (b *Book[F]) RefuseMethod(m login.Method) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.common(&b.facts)
	if c.RefusedAuth == nil {
		c.RefusedAuth = make(map[login.Method]forwarder.Sighting)
	}
	c.RefusedAuth[m] = c.RefusedAuth[m].Again(b.now())
}

// LoggedIn notes that a login by a method succeeded: the server has it, and those
// that it has refused were refused for what they are.
func (b *Book[F]) LoggedIn(m login.Method) {
	b.mu.Lock()
	defer b.mu.Unlock()
	refused := b.common(&b.facts).RefusedAuth
	delete(refused, m)
	for r, seen := range refused {
		if seen.Holds(b.now()) {
			refused[r] = forwarder.Sighting{At: seen.At, Count: 2}
		}
	}
}

// LimitSessions notes that the server refuses more than n sessions at a time.
func (b *Book[F]) LimitSessions(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.common(&b.facts)
	c.SessionLimit = c.Refused(n, b.now())
}

// MaxSessions is how many sessions may be open, of those that are configured.
func (b *Book[F]) MaxSessions(configured int) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.common(&b.facts).Most(configured, b.now())
}
