package ledger

import "time"

// RouteKey tells one way of mail from every other. A destination that was given
// another server, or an account that was given other recipients, is another one
// and does not wait for what the old one did.
type RouteKey struct {
	Destination string // the name in the configuration
	Server      string // where it is
	// Recipients are the envelope recipients; "" is the destination itself, for
	// all its recipients.
	Recipients string
}

// Route is what is remembered of a way of mail, so that a restart keeps its
// back-off. Times are zero where nothing has happened yet.
type Route struct {
	RouteKey
	Failures int // consecutive
	// NotBefore is when it may be tried again, or once it is not as Tried any more.
	NotBefore   time.Time
	Tried       Tried
	Cause       Cause // of the last failure, zero after a success
	LastSuccess time.Time
	// Facts are what was learnt of the destination's server, as the forwarder
	// writes it. The route of the destination itself has them.
	Facts string
}

// Refusals are the messages in a row that a destination refused for good after
// they were sent, or for all recipients that were chosen for them alone, with none
// accepted in between. Each of them is held; that it refuses everything is for the user
// to know.
type Refusals struct {
	Count int       `json:"count,omitempty"`
	Since time.Time `json:"since,omitzero"` // when the first was refused
	// RetryAt is when one of them is tried again, to see whether the destination
	// accepts mail now.
	RetryAt time.Time `json:"retry_at,omitzero"`
	// Chosen reports that recipients of some of them were refused. It may be the
	// destination: it relays for nobody, say, or cannot look addresses up.
	Chosen bool `json:"chosen,omitempty"`
}

// ManyRefusals is the number of refusals in a row from which a destination
// counts as refusing everything.
const ManyRefusals = 10

// fewRefusals is the number from which it may be the destination that refuses the
// recipients of single messages.
const fewRefusals = 3

// Everything reports whether the destination seems to refuse everything.
func (r Refusals) Everything() bool { return r.Count >= ManyRefusals }

// Doubtful reports whether the destination may be at fault, and not each message: one of
// them is tried again from time to time, and all once one is accepted.
func (r Refusals) Doubtful() bool { return r.Everything() || r.Chosen && r.Count >= fewRefusals }

// Reconsider makes a held message due again that was refused while its
// destination refused everything. It reports false, and changes nothing, if it
// is not one of those that were refused since then.
func (r *Record) Reconsider(since, now time.Time) bool {
	if r.State != Held || since.IsZero() || !r.RefusedSince.Equal(since) {
		return false
	}
	r.State, r.NextAttempt, r.RefusedSince = Deferred, now, time.Time{}
	for i := range r.Recipients {
		if rc := &r.Recipients[i]; rc.State == Held {
			rc.State, rc.NextAttempt = Deferred, now
		}
	}
	return true
}
