package fetcher_test

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// inboxFaults is a destination that can be asked which messages it has. Nothing comes
// twice there, also not what was in doubt, unless it cannot be asked for too long.
type inboxFaults struct {
	*chaos
	rng    *rng
	shaky  bool        // at times it cannot be asked
	failed atomic.Bool // it was not asked once, or could not be
}

func joinInbox(c *chaos, r *rng) {
	c.names = append(c.names, "inbox that can be asked")
	c.inbox = &inboxFaults{chaos: c, rng: r, shaky: r.one(3)}
	c.account.Destination.Recipients, c.account.Destination.Finder = []string{"me@example.org"}, c.inbox
	c.before = append(c.before, func() { must(c.t, c.smtp.WaitIdle(c.t.Context())) }) // as the minutes do for which popferry waits
}

// askable reports whether the destination can be asked what it has, and always was.
func (c *chaos) askable() bool { return c.inbox != nil && !c.inbox.failed.Load() }

// forwarder is the destination's side of a poll.
func (c *chaos) forwarder(p *smtp.Pool) fetcher.Forwarder {
	if c.inbox == nil {
		return destination{p}
	}
	return marking{destination{p}}
}

// Find implements doubt.Finder.
func (i *inboxFaults) Find(ctx context.Context, sought []forwarder.Sought) ([]bool, error) {
	traces, err := i.Traces(ctx, "")
	found := make([]bool, len(sought))
	for n, m := range sought {
		found[n] = traces[m.Trace]
	}
	return found, err
}

// Traces implements doubt.Finder.
func (i *inboxFaults) Traces(context.Context, string) (map[string]bool, error) {
	if i.shaky && i.on.Load() && i.rng.one(3) {
		i.failed.Store(true)
		return nil, errTest
	}
	traces := make(map[string]bool)
	for _, m := range i.smtp.Messages() {
		trace, _ := withoutTrace(m)
		traces[trace] = true
	}
	return traces, nil
}

// marking says at each intent that the message can be looked for.
type marking struct{ fetcher.Forwarder }

func (m marking) Submit(message *forwarder.Message) fetcher.Delivery {
	return markingDelivery{m.Forwarder.Submit(message)}
}

type markingDelivery struct{ fetcher.Delivery }

type intend = func(context.Context, forwarder.Mark) error

func (d markingDelivery) Wait(ctx context.Context, f intend) ([]forwarder.Outcome, error) {
	return d.Delivery.Wait(ctx, marked(f))
}

func (d markingDelivery) Resend(ctx context.Context, m *forwarder.Message, f intend) ([]forwarder.Outcome, error) {
	return d.Delivery.Resend(ctx, m, marked(f))
}

func marked(f intend) intend {
	at := forwarder.Mark{Folder: forwarder.Place{Name: "INBOX", Next: 1}}
	return func(ctx context.Context, _ forwarder.Mark) error { return f(ctx, at) }
}

// keepsTraces reports whether a ledger that was set back gives each message the trace
// that it had.
func (c *chaos) keepsTraces() bool {
	return !slices.ContainsFunc(c.names, func(name string) bool {
		return !slices.Contains([]string{"clock", "ignores DELE", "inbox that can be asked", "backups", "leave_on_server edited", "first_run new", "first_run: 1h", "limits", "filter", "spool", "multidrop"}, name)
	})
}
