package facts_test

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/facts"
)

func newBook(known facts.Common, now *time.Time) *facts.Book[facts.Common] {
	return facts.NewBook(known, func(c *facts.Common) *facts.Common { return c }, func() time.Time { return *now })
}

// TestMaxSessions: a server that refused more gets one more an hour.
func TestMaxSessions(t *testing.T) {
	t.Parallel()
	seen := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	now := seen
	b := newBook(facts.Common{}, &now)
	if got := b.MaxSessions(4); got != 4 {
		t.Errorf("nothing was seen: %d sessions, want 4", got)
	}
	b.LimitSessions(1)
	for after, want := range map[time.Duration]int{
		0: 1, 59 * time.Minute: 1, time.Hour: 2, 2 * time.Hour: 3, 3 * time.Hour: 4, 1000 * time.Hour: 4,
		-time.Hour:                 1, // the clock was set back
		-70 * 365 * 24 * time.Hour: 4, // it was far ahead
	} {
		now = seen.Add(after)
		if got := b.MaxSessions(4); got != want {
			t.Errorf("after %v: %d sessions, want %d", after, got, want)
		}
	}
	now = seen
	if b.LimitSessions(0); b.MaxSessions(4) != 1 {
		t.Error("no session, want at least one")
	}
}

// TestMethods: a method that was refused counts as such for an hour, for a month once
// another one worked, and no longer than until it works itself.
func TestMethods(t *testing.T) {
	t.Parallel()
	seen := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	now := seen
	b := newBook(facts.Common{}, &now)
	want := func(when string, refused bool) {
		t.Helper()
		if got := b.MethodRefused(login.Plain); got != refused {
			t.Errorf("%s: refused is %v, want %v", when, got, refused)
		}
	}
	want("never seen", false)
	b.RefuseMethod(login.Plain)
	want("just seen", true)
	now = now.Add(2 * time.Hour)
	want("two hours later", false)
	b.RefuseMethod(login.Plain)
	b.LoggedIn(login.Login)
	now = now.Add(2 * time.Hour)
	want("two hours after another one worked", true)
	b.LoggedIn(login.Plain)
	want("once it worked", false)
}

// TestBookKeepsItsFacts: neither what it began with nor what it gives away changes
// with it.
func TestBookKeepsItsFacts(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	known := facts.Common{RefusedAuth: map[login.Method]forwarder.Sighting{}}
	b := newBook(known, &now)
	before := b.All()
	b.RefuseMethod(login.Plain)
	if len(known.RefusedAuth)+len(before.RefusedAuth) != 0 {
		t.Error("a copy of the facts has changed with them")
	}
	if len(b.All().RefusedAuth) != 1 {
		t.Error("the method is not among the facts")
	}
}
