package main

import (
	"context"
	"time"

	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/forwarder"
)

// metered is a destination whose transactions are counted.
type metered struct {
	fetcher.Forwarder
	name    string
	metrics *web.Metrics
}

// meter has a destination's transactions counted, where anything is counted.
func meter(f fetcher.Forwarder, name string, m *web.Metrics) fetcher.Forwarder {
	if m == nil {
		return f
	}
	return &metered{f, name, m}
}

// Submit implements fetcher.Forwarder.
func (m *metered) Submit(msg *forwarder.Message) fetcher.Delivery {
	return &meteredDelivery{m.Forwarder.Submit(msg), m}
}

// meteredDelivery counts the transactions of one message.
type meteredDelivery struct {
	fetcher.Delivery
	m *metered
}

// Wait implements fetcher.Delivery.
func (d *meteredDelivery) Wait(ctx context.Context, intend func(context.Context) error) ([]forwarder.Outcome, error) {
	return d.m.count(ctx, intend, d.Delivery.Wait)
}

// Resend implements fetcher.Delivery.
func (d *meteredDelivery) Resend(ctx context.Context, msg *forwarder.Message, intend func(context.Context) error) ([]forwarder.Outcome, error) {
	return d.m.count(ctx, intend, func(ctx context.Context, intend func(context.Context) error) ([]forwarder.Outcome, error) {
		return d.Delivery.Resend(ctx, msg, intend)
	})
}

// count counts a transaction. Its time begins when a session is ready.
func (m *metered) count(ctx context.Context, intend func(context.Context) error,
	wait func(context.Context, func(context.Context) error) ([]forwarder.Outcome, error)) ([]forwarder.Outcome, error) {
	var began time.Time
	outcomes, err := wait(ctx, func(ctx context.Context) error {
		if err := intend(ctx); err != nil {
			return err
		}
		began = time.Now()
		return nil
	})
	if !began.IsZero() {
		m.metrics.Transaction(m.name, time.Since(began))
	}
	if ctx.Err() == nil { // that popferry was stopped is not an error of the destination
		m.metrics.Delivery(m.name, outcomes, err)
	}
	return outcomes, err
}
