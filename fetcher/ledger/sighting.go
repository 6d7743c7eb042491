package ledger

import "time"

// FactLife is how long popferry goes by what was seen of a server. Then it looks
// again.
const FactLife = 30 * 24 * time.Hour

// Sighting is something that a server was seen to do, and that a fault of the
// network can look like. It counts at once for the rest of the poll, and for
// FactLife once a second poll has seen it.
type Sighting struct {
	Polls int       `json:"polls"` // that saw it
	Last  time.Time `json:"last"`
	now   bool      // seen in this poll; not stored
}

// See notes that it was seen.
func (s *Sighting) See(now time.Time) {
	switch {
	case s.now:
	case fresh(s.Last, now):
		s.Polls++
	default:
		s.Polls = 1
	}
	s.Last, s.now = now, true
}

// Counts reports whether to go by it.
func (s Sighting) Counts(now time.Time) bool { return s.now || s.Polls >= 2 && fresh(s.Last, now) }

// fresh reports whether something that was seen then may still be so.
func fresh(then, now time.Time) bool { return now.Sub(then).Abs() < FactLife }
