package fetcher

import (
	"fmt"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// meaning is what an outcome asks for. The later in this list, the more it
// says about a transaction with several outcomes.
type meaning uint8

const (
	// delivered: this recipient has it.
	delivered meaning = iota + 1
	// tryLater: deferred, with a back-off of its own.
	tryLater
	// refused: held, a person decides.
	refused
	// doubtful: it may have arrived; sent again with the same octets.
	doubtful
	// again: the connection ended, nothing was said against the message. It is
	// due at once, behind the others; if it ends every connection it waits.
	again
	// blocked: the destination is at fault; no message is marked.
	blocked
)

// envelope is what has to be known of a transaction to judge its outcomes.
type envelope struct {
	// OwnSender tells that the reverse-path was the message's own, not our
	// fixed one: a refusal of it is a refusal of the message.
	OwnSender bool
	// Several recipients, of whom some get the message, now or before: a
	// refusal of one is not the destination's fault.
	Several bool
}

// judge says what one outcome means: the first case that fits.
func judge(o forwarder.Outcome, e envelope) meaning {
	inEnvelope := o.Stage == forwarder.StageMail || o.Stage == forwarder.StageRcpt
	switch {
	case o.Kind == forwarder.Accepted:
		return delivered
	case o.Kind == forwarder.Unusable:
		return blocked
	case o.Kind == forwarder.InDoubt:
		return doubtful
	case o.Kind == forwarder.Impossible && o.AboutAddress():
		return judgeEnvelope(o, e)
	case o.Kind == forwarder.Impossible:
		return refused
	case o.Kind == forwarder.Broken, o.Code == 421, o.OutOfSync():
		return again
	case inEnvelope && o.MailboxFull() && !e.Several:
		return blocked
	case inEnvelope && o.MailboxFull():
		return tryLater
	case o.AboutContent():
		return refused
	case inEnvelope:
		return judgeEnvelope(o, e)
	case o.Code >= 500:
		return refused
	default:
		return tryLater
	}
}

// judgeEnvelope judges a refusal of MAIL or RCPT that is not about content.
func judgeEnvelope(o forwarder.Outcome, e envelope) meaning {
	switch {
	case e.OwnSender && o.AboutSender() && o.Code >= 500 && o.Enhanced != forwarder.EnhancedCode{}:
		return refused
	case e.OwnSender && o.AboutSender():
		// Not surely, or not for good, but one sender without a domain must not
		// hold up everybody else.
		return tryLater
	case o.Stage == forwarder.StageRcpt && e.Several && o.Code >= 500:
		return refused
	case o.Stage == forwarder.StageRcpt && e.Several:
		return tryLater
	default: // our own fixed addresses are at fault, for every message alike
		return blocked
	}
}

// verdict is what a whole transaction means.
type verdict struct {
	// Recipients of the transaction with their new states.
	Recipients []ledger.Recipient
	// Blocked, if set: the destination is at fault.
	Blocked *DestinationError
	// Undo: the message stays as if it had not been tried.
	Undo bool
	// Broke: the connection ended in the middle.
	Broke bool
	// Doubt: whether the message arrived is not known.
	Doubt bool
	// Aside are the recipients who refused it and for whom it is in quarantine
	// now.
	Aside []string
	// Outcome is the one that decided, for the log.
	Outcome forwarder.Outcome
}

// settle says what the outcomes of one transaction mean for the message.
// before is what was known of its recipients. No outcomes: there was nobody
// left to send it to.
func settle(outs []forwarder.Outcome, e envelope, before []ledger.Recipient, a attempt) verdict {
	e.Several = someoneHas(before) || len(outs) > 1 && !nobodyAccepted(outs)
	var v verdict
	var worst meaning
	taken := false // some recipient has it, or may have it
	for _, o := range outs {
		m := judge(o, e)
		taken = taken || m == delivered || m == doubtful
		v.Broke = v.Broke || m == again
		v.Doubt = v.Doubt || m == doubtful
		if m == blocked {
			v.Blocked = &DestinationError{Outcome: o}
		}
		if m > worst {
			worst, v.Outcome = m, o
		}
		v.Recipients = append(v.Recipients, settleOne(o, m, earlier(before, o.Recipient), a))
	}
	v.Undo = v.Blocked != nil && !taken
	return v
}

// taken tells whether a recipient has the message, or may have it.
func (v verdict) taken() bool {
	return slices.ContainsFunc(v.Recipients, func(rc ledger.Recipient) bool {
		return rc.State == ledger.Forwarded || rc.State == ledger.Unknown
	})
}

// later is the verdict with those who refused to be asked again.
func (v verdict) later(a attempt) verdict {
	v.Recipients = slices.Clone(v.Recipients)
	for i := range v.Recipients {
		if rc := &v.Recipients[i]; rc.State == ledger.Held {
			rc.State, rc.NextAttempt = ledger.Deferred, a.next()
		}
	}
	return v
}

// someoneHas tells whether a recipient got the message in an earlier try.
func someoneHas(rs []ledger.Recipient) bool {
	return slices.ContainsFunc(rs, func(r ledger.Recipient) bool { return r.State == ledger.Forwarded })
}

// nobodyAccepted tells whether every recipient was refused before DATA: the
// fault is ours or the destination's then, not one address's.
func nobodyAccepted(outs []forwarder.Outcome) bool {
	for _, o := range outs {
		if o.Kind != forwarder.Refused || o.Stage > forwarder.StageRcpt {
			return false
		}
	}
	return true
}

// earlier is what was known of a recipient.
func earlier(before []ledger.Recipient, address string) ledger.Recipient {
	for _, r := range before {
		if r.Address == address {
			return r
		}
	}
	return ledger.Recipient{Address: address}
}

const (
	// maxDoubts is how often in a row a message may stay without a reply before
	// a person has to look: each time it may have arrived once more.
	maxDoubts = 3
	// maxBreaks is how often a message may end its connection and be tried
	// again without a wait.
	maxBreaks = 3
)

// settleOne writes down what an outcome means for its recipient.
func settleOne(o forwarder.Outcome, m meaning, before ledger.Recipient, a attempt) ledger.Recipient {
	r := ledger.Recipient{Address: o.Recipient, Code: o.Code, Text: o.Reply(), Attempts: before.Attempts + 1}
	switch m {
	case delivered:
		r.State = ledger.Forwarded
	case refused:
		r.State = ledger.Held
	case doubtful:
		r.State, r.NextAttempt = ledger.Unknown, a.next()
		if before.State != ledger.Unknown {
			r.Attempts = 1 // counts the doubts in a row
		}
		if r.Attempts >= maxDoubts {
			r.State, r.NextAttempt = ledger.Held, time.Time{}
		}
	case again:
		r.State, r.NextAttempt = ledger.Deferred, a.Now
		if r.Attempts >= maxBreaks {
			r.NextAttempt = a.next()
		}
	default:
		r.State, r.NextAttempt = ledger.Deferred, a.next()
	}
	return r
}

// DestinationError says that a destination is at fault, not a message.
type DestinationError struct {
	Name    string
	Outcome forwarder.Outcome
}

func (e *DestinationError) Error() string {
	if e.Outcome.Code != 0 {
		return fmt.Sprintf("destination %s refused %s: %s", e.Name, e.Outcome.Stage, e.Outcome.Reply())
	}
	return fmt.Sprintf("destination %s: %s: %s", e.Name, e.Outcome.Stage, e.Outcome.Reply())
}

func (e *DestinationError) Unwrap() error { return e.Outcome.Err }
