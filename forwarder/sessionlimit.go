package forwarder

import "time"

// SessionLimit is how many sessions a server takes at a time, as far as is known.
// The zero value is a server that has never refused any.
type SessionLimit struct {
	// Sessions is how many it took when it last refused more, at SessionsAt; 0: it
	// has never refused any.
	Sessions   int       `json:"sessions,omitempty"`
	SessionsAt time.Time `json:"sessions_at,omitzero"`
}

const (
	// moreSessionsAfter is how long the server has to go without refusing a session
	// until one more than it took is tried, and then another one.
	moreSessionsAfter = time.Hour
	// halveWithin is how soon after a refusal another one means that the server
	// takes far fewer sessions.
	halveWithin = time.Minute
)

// Refused is the limit after the server has refused more than n sessions. If it
// has refused more only just now, half of that is tried next.
func (l SessionLimit) Refused(n int, now time.Time) SessionLimit {
	if l.Sessions > n && now.Sub(l.SessionsAt).Abs() < halveWithin {
		n /= 2
	}
	return SessionLimit{max(1, n), now}
}

// Most is how many sessions may be open, of those that are configured.
func (l SessionLimit) Most(configured int, now time.Time) int {
	age := now.Sub(l.SessionsAt)
	if l.Sessions == 0 || age.Abs() >= ProvenFor { // by a clock that was ahead, too
		return configured
	}
	more := max(0, age) / moreSessionsAfter
	return int(min(time.Duration(configured), time.Duration(l.Sessions)+more))
}
