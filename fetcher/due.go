package fetcher

import (
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Due says when an account is due. That is asked under its lease: what was known
// before may be over, because another process has polled it meanwhile. With the zero
// value it is due whenever Poll is called.
type Due struct {
	// After is when the account is due after a poll that began then; zero: never. Nil:
	// always.
	After func(began time.Time) time.Time
	// Changed: it is due as well if its last poll was with other settings.
	Changed bool
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
	case d.Changed && last.Settings != "" && last.Settings != settings:
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
