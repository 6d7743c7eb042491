package fetcher

import (
	"context"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
)

// deduplicate looks at a message before it is sent: under its UID there may be
// another one than before, it may be known by another row, or be in a loop. It
// returns nil if the message is not to be sent.
func (s *session) deduplicate(ctx context.Context, m *fetched) (*fetched, error) {
	known, err := s.findRow(ctx, m)
	if err != nil || known {
		m.Release()
		if known {
			s.box.Durable(m.Number)
		}
		return nil, err
	}
	if m.row == nil {
		m.row = s.newRow(m.Entry)
	}
	if m.row.Size < 0 {
		m.row.Size = m.Octets // not listed, but something to compare it by
	}
	m.row.Fingerprint, m.row.MessageSize, m.row.BrokenAt = m.Header.Fingerprint(), m.Octets, 0
	m.row.Excerpt = m.Header.Excerpt()
	if s.box.Hides() {
		if err := s.retain(ctx, m); err != nil {
			m.Release()
			return nil, err
		}
	}
	if err := s.origin().CheckLoop(m.Header); err != nil {
		m.Release()
		m.row.State, m.row.Cause = ledger.Held, s.Describe(err)
		return nil, s.notFetched(ctx, m.row, err)
	}
	return m, nil
}

// findRow finds the row that a message really has. known reports that nothing is
// to be done for it.
func (s *session) findRow(ctx context.Context, m *fetched) (known bool, err error) {
	fingerprint := m.Header.Fingerprint()
	if m.row != nil && m.row.Fingerprint != "" && m.row.Fingerprint != fingerprint {
		// The server gave the UID to another message. The one that it belonged to
		// has left.
		if err := s.markGone(ctx, m); err != nil {
			return false, err
		}
	}
	for _, k := range m.Others {
		if s.matched[k.ID] || !m.couldBe(k) || !identify.Matches(k, fingerprint, m.Size) {
			continue
		}
		s.matched[k.ID] = true
		if m.row != nil {
			if err := s.markGone(ctx, m); err != nil {
				return false, err
			}
		}
		if !k.State.Due() && k.State != ledger.Gone {
			s.log.Debug("message is known by its header", "uid", shown(m.UID), "outcome", k.State.String())
			return true, nil
		}
		if m.row, err = s.lease.Record(ctx, k.ID); err != nil {
			return false, s.tally.abort(err)
		}
	}
	return false, nil
}

// markGone notes that a row is not that of this message: its own has left.
func (s *session) markGone(ctx context.Context, m *fetched) error {
	m.row.State = ledger.Gone
	if err := s.lease.Put(ctx, m.row); err != nil {
		return s.tally.abort(err)
	}
	m.row = nil
	return nil
}

// couldBe reports whether another row comes into question: the message has no row
// yet, or one that proves less than the other would.
func (m *fetched) couldBe(k ledger.Known) bool {
	return m.row == nil || m.row.Fingerprint == "" && k.Fingerprint != "" && k.ID != m.row.ID
}
