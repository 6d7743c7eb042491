package forwarder

import "time"

// Sighting is when something was seen of a server, and how often. A fault of the
// network can look the same, so one sighting lasts for an hour only. A second one,
// or a message that got through without what was suspected, makes it ProvenFor.
// The zero value was never seen.
type Sighting struct {
	At    time.Time `json:"at"`
	Count int       `json:"count"`
}

const (
	suspectFor = time.Hour
	// ProvenFor is how long a fact lasts that was seen twice.
	ProvenFor = 30 * 24 * time.Hour
)

// Holds reports whether the fact is in force. One that comes from the future was
// noted by another clock, and lasts no longer for it.
func (s Sighting) Holds(now time.Time) bool {
	limit := suspectFor
	if s.Count > 1 {
		limit = ProvenFor
	}
	return s.Count > 0 && now.Sub(s.At).Abs() < limit
}

// Again is the fact after another sighting. Sightings while it is in force may
// have one cause, and count once.
func (s Sighting) Again(now time.Time) Sighting {
	switch {
	case s.Holds(now):
		return s
	case now.Sub(s.At).Abs() >= ProvenFor:
		return Sighting{now, 1}
	}
	return Sighting{now, s.Count + 1}
}
