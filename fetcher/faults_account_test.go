package fetcher_test

import (
	"context"
	"io"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
)

// drawKeeping draws how long messages stay on their server.
func drawKeeping(r *rng) identify.Policy {
	return oneOf(r, identify.Policy{}, identify.Policy{Keep: true}, identify.Policy{Keep: true, KeepFor: time.Duration(1+r.n(3)) * 24 * time.Hour})
}

// joinKeeping has a user who edits leave_on_server.
func joinKeeping(c *chaos, r *rng) {
	c.names, c.keepingEdited = append(c.names, "leave_on_server edited"), true
	c.events = append(c.events, func() {
		if r.one(3) {
			p := drawKeeping(r)
			c.account.Policy.Keep, c.account.Policy.KeepFor = p.Keep, p.KeepFor
		}
	})
}

// joinFirstAge has an account that leaves alone what is old at first.
func joinFirstAge(c *chaos, _ *rng) {
	c.names = append(c.names, "first_run: 1h")
	c.account.Policy.FirstAge = time.Hour
}

// joinLimits has an account whose polls may fetch only so much, in an order of its own,
// for a destination that takes only so much.
func joinLimits(c *chaos, r *rng) {
	c.names = append(c.names, "limits")
	p, d := &c.account.Policy, &c.account.Destination
	p.MaxMessages, p.Order = r.n(4), oneOf(r, identify.Listed, identify.NewestFirst, identify.SmallFirst)
	if r.one(2) {
		limit := ledger.Amount{Messages: int64(1 + r.n(6))}
		if r.one(3) {
			limit = ledger.Amount{Octets: int64(20_000 + r.n(100_000))}
		}
		d.Quota = ledger.Quota{Key: "smtp.example.org leo", Limits: []ledger.Limit{{Amount: limit, Per: 24 * time.Hour}}, Accounts: 1}
	}
	c.ends = append(c.ends, func() { p.MaxMessages, d.Quota = 0, ledger.Quota{} })
}

// joinFilter has an account whose filter comes and goes.
func joinFilter(c *chaos, r *rng) {
	c.names = append(c.names, "filter")
	c.events = append(c.events, func() {
		if r.one(2) {
			c.account.Filter = oneOf[fetcher.Filter](r, nil, shakyFilter{c, r})
		}
	})
}

// shakyFilter is a filter that fails at times.
type shakyFilter struct {
	*chaos
	rng *rng
}

// Look implements fetcher.Filter.
func (f shakyFilter) Look(_ context.Context, message io.Reader) (v fetcher.Verdict, err error) {
	if f.on.Load() && f.rng.one(4) {
		return v, errTest
	}
	_, err = io.Copy(io.Discard, message)
	return v, err
}
