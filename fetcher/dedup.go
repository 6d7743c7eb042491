package fetcher

import (
	"context"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
)

// note puts into a message's row what it shows.
func (m *fetched) note() {
	if m.row.Size < 0 {
		m.row.Size = m.Octets // not listed, but something to compare it by
	}
	m.row.Fingerprint, m.row.MessageSize, m.row.BrokenAt = m.Header.Fingerprint(), m.Octets, 0
	m.row.Excerpt = m.Header.Excerpt()
}

// fresh reports whether the message has had its row only since it was fetched.
func (m *fetched) fresh() bool { return m.Known.ID == 0 }

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
	m.note()
	if err := s.confirmed(ctx, m); err != nil {
		m.Release()
		return nil, err
	}
	if s.box.Hides() {
		if err := s.retain(ctx, m); err != nil {
			m.Release()
			return nil, err
		}
		s.box.Durable(m.Number)
	}
	if err := s.origin().CheckLoop(m.Header); err != nil {
		m.Release()
		m.row.State, m.row.Cause = ledger.Held, s.Describe(err)
		return nil, s.notFetched(ctx, m.row, err)
	}
	return m, nil
}

// confirmed notes that a message is whole that was not before. A copy that was kept
// of it meanwhile goes, unless the server hides what it gave.
func (s *session) confirmed(ctx context.Context, m *fetched) error {
	if m.row.Cause.Code != ledger.CauseIncomplete {
		return nil
	}
	m.row.Cause = ledger.Cause{}
	name := m.row.CopyFile
	if name == "" || s.box.Hides() {
		return nil
	}
	m.row.CopyFile = ""
	if err := s.lease.Put(ctx, m.row); err != nil {
		return s.tally.abort(err)
	}
	s.dropCopy(name)
	return nil
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
		return s.isRow(ctx, m, k, false)
	}
	if m.Header.Unique() && (m.row == nil || m.fresh() || m.row.Fingerprint == "") {
		for _, k := range s.awayRows()[fingerprint] {
			if !s.matched[k.ID] {
				return s.isRow(ctx, m, k, true)
			}
		}
	}
	return false, nil
}

// isRow notes that a message is that of a row: under another UID than before, if
// moved. known reports that nothing is to be done for it.
func (s *session) isRow(ctx context.Context, m *fetched, k ledger.Known, moved bool) (known bool, err error) {
	s.matched[k.ID] = true
	if m.row != nil {
		if err := s.markGone(ctx, m); err != nil {
			return false, err
		}
	}
	known = !k.State.Due() && k.State != ledger.Gone
	if known {
		s.log.Debug("message is known by its header", "uid", shown(m.UID), "outcome", k.State.String(), "moved", moved)
	}
	if known && !moved {
		return true, nil
	}
	rec, err := s.lease.Record(ctx, k.ID)
	if err != nil {
		return false, s.tally.abort(err)
	}
	if moved {
		s.takeOver(rec, m.Entry)
	}
	if known {
		return true, s.put(ctx, []*ledger.Record{rec})
	}
	m.row = rec
	return false, nil
}

// awayRows are the rows whose messages are not listed.
func (s *session) awayRows() map[string][]ledger.Known {
	if s.away == nil {
		s.away = identify.Away(&s.view)
	}
	return s.away
}

// markGone notes that a row is not that of this message: its own has left. A copy
// of that one stays and is sent; one that was kept of this message, or a part of it,
// goes.
func (s *session) markGone(ctx context.Context, m *fetched) error {
	rec := m.row
	m.row = nil
	switch {
	case m.fresh() || identify.MayBePart(rec.Known):
		s.dropCopy(rec.CopyFile)
		rec.State, rec.CopyFile = ledger.Gone, ""
	case rec.CopyFile != "":
		rec.Cause = ledger.Cause{}
	default:
		rec.State = ledger.Gone
	}
	if err := s.lease.Put(ctx, rec); err != nil {
		return s.tally.abort(err)
	}
	return nil
}

// couldBe reports whether another row comes into question: the message has no row
// yet, or one that proves less than the other would.
func (m *fetched) couldBe(k ledger.Known) bool {
	return m.row == nil || m.row.Fingerprint == "" && k.Fingerprint != "" && k.ID != m.row.ID
}
