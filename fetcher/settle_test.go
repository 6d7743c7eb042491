package fetcher_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
)

// mortal is a lease that is lost once a message was put into a state. The result of
// an intent can be written all the same.
type mortal struct {
	fetcher.Lease
	at   ledger.State
	sure bool // its loss is known, not only to be feared
	once sync.Once
	lost chan struct{}
	over chan struct{}
}

func (m *mortal) Put(ctx context.Context, recs ...*ledger.Record) error {
	if m.Alive() != nil {
		return m.Alive()
	}
	err := m.Lease.Put(ctx, recs...)
	if recs[0].State == m.at {
		m.once.Do(func() {
			close(m.over)
			if m.sure {
				close(m.lost)
			}
		})
	}
	return err
}

func (m *mortal) Alive() error {
	select {
	case <-m.over:
		return ledger.ErrLost
	default:
		return nil
	}
}

func (m *mortal) Lost() <-chan struct{} { return m.lost }

// TestLeaseLost: once the lease is lost, or may be, no message is handed over for
// good, and nothing is deleted. As none was, nothing is in doubt, and the next poll
// delivers each message once.
func TestLeaseLost(t *testing.T) {
	t.Parallel()
	for name, sure := range map[string]bool{"lost": true, "may be lost": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pool: oneInFlight})
			f.account.Policy.Keep = false
			f.add("m1", "m2", "m3")
			f.lease = func(l fetcher.Lease) fetcher.Lease {
				return &mortal{Lease: l, at: ledger.Sending, sure: sure, lost: make(chan struct{}), over: make(chan struct{})}
			}
			if r := f.poll(); !errors.Is(r.Err, ledger.ErrLost) || !r.TryAgain() {
				t.Errorf("error %v, to be tried again: %v; want %v, true", r.Err, r.TryAgain(), ledger.ErrLost)
			}
			f.wantArrived()
			f.wantLeft("uid-m1", "uid-m2", "uid-m3")
			f.lease = nil
			f.poll()
			f.wantArrived("m1", "m2", "m3")
			f.wantLeft()
		})
	}
}

// TestLeaseLostInHand: the outcome of what was handed over before is written.
func TestLeaseLostInHand(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{pool: oneInFlight})
	f.add("m1")
	over := &mortal{at: ledger.Forwarded, sure: true, lost: make(chan struct{}), over: make(chan struct{})}
	f.lease = func(l fetcher.Lease) fetcher.Lease {
		over.Lease = l
		return dying{over}
	}
	f.poll()
	f.wantAll("forwarded")
	f.lease = nil
	f.poll()
	f.wantArrived("m1")
}

// dying is lost when the outcome of a message is about to be written.
type dying struct{ *mortal }

func (d dying) Put(ctx context.Context, recs ...*ledger.Record) error {
	if recs[0].State == ledger.Forwarded {
		d.once.Do(func() {
			close(d.over)
			close(d.lost)
		})
	}
	return d.mortal.Put(ctx, recs...)
}
