package fetcher_test

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/multidrop"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/fetcher/spool"
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

// joinSpool has a disk below the spool that fails for a time, and all messages go there.
func joinSpool(c *chaos, r *rng) {
	c.names = append(c.names, "spool")
	dir := filepath.Join(c.t.TempDir(), "spool")
	c.spool = spool.New(dir, 0)
	fails := func(is bool) {
		if is {
			_ = os.RemoveAll(dir)
		} else {
			_ = os.MkdirAll(dir, 0o700)
		}
	}
	fails(false)
	c.events = append(c.events, func() { fails(r.one(3)) })
	c.answers = append(c.answers, func(*pop3test.Session, string, string) bool {
		if c.on.Load() && r.one(100) {
			fails(r.one(2))
		}
		return false
	})
	c.ends = append(c.ends, func() { fails(false) })
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

// joinMultidrop has an account with the mail of a domain, whose recipients the header says
// at times, by one field or another. Whoever it names, the same get it, so that nothing
// else changes.
func joinMultidrop(c *chaos, r *rng) {
	c.names, c.mail.delivered = append(c.names, "multidrop"), true
	sort := func() {
		to := c.account.Destination.Recipients
		c.account.Multidrop = oneOf(r, nil, &multidrop.Sorter{
			Header: oneOf(r, "Delivered-To", "X-Original-To", "X-Box"), Position: r.n(3), Prefix: oneOf(r, "", "box-"),
			Domains: []string{"example.org"}, Map: map[string][]string{"*": to}, Otherwise: to,
		})
	}
	c.begins = append(c.begins, sort) // the recipients are drawn by then
	c.events = append(c.events, sort)
}
