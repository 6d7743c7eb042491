package fetcher

import (
	"context"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
)

// recognise looks at a message before it is sent: under its UID there may be
// another one than before, it may be one of its rivals, or in a loop.
func (r *run) recognise(ctx context.Context, m *fetched) (*fetched, error) {
	known, err := r.compare(ctx, m)
	if err != nil || known {
		m.Item.Release()
		if known {
			r.safe()
		}
		return nil, err
	}
	if m.row == nil {
		m.row = r.newRow(m.Entry)
	}
	if m.row.Size < 0 {
		m.row.Size = m.Octets // not listed, but something to tell it by
	}
	m.row.Fingerprint, m.row.MessageSize, m.row.BrokenAt = m.Header.Fingerprint(), m.Octets, 0
	m.row.Excerpt = m.Header.Excerpt()
	if r.hides() {
		if err := r.keep(ctx, m); err != nil {
			return nil, err
		}
	}
	if err := r.a.origin().CheckLoop(m.Header); err != nil {
		m.Item.Release()
		m.row.State, m.row.Cause = ledger.Held, r.Describe(err)
		return nil, r.failed(ctx, m.row, err)
	}
	return m, nil
}

// compare finds the row that a message really is. known tells that nothing is
// to be done for it.
func (r *run) compare(ctx context.Context, m *fetched) (known bool, err error) {
	if m.row != nil && m.row.Fingerprint != "" && m.row.Fingerprint != m.Header.Fingerprint() {
		// The server gave the UID to another message. The one that it belonged to
		// has left.
		if err := r.dismiss(ctx, m); err != nil {
			return false, err
		}
	}
	for _, k := range m.Others {
		if r.claimed[k.ID] || !m.mayBe(k) || !identify.Matches(k, m.Header.Fingerprint(), m.Size) {
			continue
		}
		r.claimed[k.ID] = true
		if m.row != nil {
			if err := r.dismiss(ctx, m); err != nil {
				return false, err
			}
		}
		if !k.State.Due() && k.State != ledger.Gone {
			r.log.Debug("message is known by its header", "uid", shown(m.UID), "outcome", k.State.String())
			return true, nil
		}
		if m.row, err = r.lease.Record(ctx, k.ID); err != nil {
			return false, r.ourFault(err)
		}
	}
	return false, nil
}

// dismiss notes that a row is not that of this message: its own has left.
func (r *run) dismiss(ctx context.Context, m *fetched) error {
	m.row.State = ledger.Gone
	if err := r.lease.Put(ctx, m.row); err != nil {
		return r.ourFault(err)
	}
	m.row = nil
	return nil
}

// mayBe tells whether a rival is in question: its message has no row yet, or
// one that proves less than the rival's would.
func (m *fetched) mayBe(k ledger.Known) bool {
	return m.row == nil || m.row.Fingerprint == "" && k.Fingerprint != "" && k.ID != m.row.ID
}
