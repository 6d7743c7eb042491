package app

import (
	"context"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/forwarder"
)

// instrumented counts the transactions of a destination.
type instrumented struct {
	fetcher.Forwarder
	name    string
	metrics *web.Metrics
}

// instrument has a destination's transactions counted in m, unless m is nil.
func instrument(f fetcher.Forwarder, name string, m *web.Metrics) fetcher.Forwarder {
	if m == nil {
		return f
	}
	return &instrumented{f, name, m}
}

// Submit implements fetcher.Forwarder.
func (i *instrumented) Submit(m *forwarder.Message) fetcher.Delivery {
	return &instrumentedDelivery{i.Forwarder.Submit(m), i}
}

// instrumentedDelivery counts the transactions of one message.
type instrumentedDelivery struct {
	fetcher.Delivery
	destination *instrumented
}

// Wait implements fetcher.Delivery.
func (d *instrumentedDelivery) Wait(ctx context.Context, intend func(context.Context, forwarder.Mark) error) ([]forwarder.Outcome, error) {
	return d.destination.count(ctx, intend, d.Delivery.Wait)
}

// Resend implements fetcher.Delivery.
func (d *instrumentedDelivery) Resend(ctx context.Context, m *forwarder.Message, intend func(context.Context, forwarder.Mark) error) ([]forwarder.Outcome, error) {
	return d.destination.count(ctx, intend, func(ctx context.Context, intend func(context.Context, forwarder.Mark) error) ([]forwarder.Outcome, error) {
		return d.Delivery.Resend(ctx, m, intend)
	})
}

// count counts a transaction. Its time begins when a session is ready.
func (i *instrumented) count(ctx context.Context, intend func(context.Context, forwarder.Mark) error,
	wait func(context.Context, func(context.Context, forwarder.Mark) error) ([]forwarder.Outcome, error)) ([]forwarder.Outcome, error) {
	var began time.Time
	outcomes, err := wait(ctx, func(ctx context.Context, at forwarder.Mark) error {
		if err := intend(ctx, at); err != nil {
			return err
		}
		began = time.Now()
		return nil
	})
	if !began.IsZero() {
		i.metrics.Transaction(i.name, time.Since(began))
	}
	if ctx.Err() == nil { // that popferry was stopped is not an error of the destination
		i.metrics.Delivery(i.name, outcomes, err)
	}
	return outcomes, err
}

// Expect creates the metrics of a configuration's accounts and destinations at
// zero.
func Expect(m *web.Metrics, cfg *config.Config) {
	var accounts, destinations []string
	for _, a := range cfg.Accounts {
		accounts = append(accounts, a.Name)
	}
	for _, d := range cfg.Forward {
		destinations = append(destinations, d.Name)
	}
	m.Expect(accounts, destinations)
}
