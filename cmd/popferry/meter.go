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

// Deliver implements fetcher.Forwarder. The time counts from when a session is
// ready: that of the transaction alone.
func (m *metered) Deliver(ctx context.Context, msg *forwarder.Message, begin func(context.Context) error) ([]forwarder.Outcome, error) {
	var began time.Time
	outcomes, err := m.Forwarder.Deliver(ctx, msg, func(ctx context.Context) error {
		if err := begin(ctx); err != nil {
			return err
		}
		began = time.Now()
		return nil
	})
	if !began.IsZero() {
		m.metrics.Transaction(m.name, time.Since(began))
	}
	if ctx.Err() == nil { // that we were stopped is nobody's error
		m.metrics.Delivery(m.name, outcomes, err)
	}
	return outcomes, err
}
