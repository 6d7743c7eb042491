package outcome

import (
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// Verdict is what a whole transaction means for its message.
type Verdict struct {
	// Recipients of the transaction with their new states.
	Recipients []ledger.Recipient
	// Blame is what is at fault other than the message: Throttled, NoRoom,
	// RouteFault or DestinationFault; 0: nothing.
	Blame Disposition
	// Effect is what the transaction did beyond its recipients.
	Effect Effect
	// Remaining are the recipients who get the message in another transaction at
	// once, because this one had too many.
	Remaining []string
	// Accepted reports whether the destination accepted the message for some
	// recipient now.
	Accepted bool
	// Quarantined are the recipients who refused the message and for whom it
	// now is in quarantine.
	Quarantined []string
	// NotThere are the recipients who do not exist at the destination.
	NotThere []string
	// Outcome is the one that decided, for the log.
	Outcome forwarder.Outcome
}

// Effect is what a transaction did to the connection or left open. The later in
// this list, the graver.
type Effect uint8

const (
	// NoEffect: every recipient has an answer.
	NoEffect Effect = iota
	// ConnectionLost: the connection ended in the middle.
	ConnectionLost
	// InDoubt: the message may have arrived.
	InDoubt
	// Rollback: the message stays as if it had not been tried.
	Rollback
)

// maxLost is how often a message may end its connection and be tried again
// without a wait.
const maxLost = 3

// Evaluate says what the outcomes of one transaction mean for the message.
// before is what was known of its recipients. No outcomes: there was no one left
// to send it to.
func Evaluate(outs []forwarder.Outcome, e Envelope, before []ledger.Recipient, a Attempt) Verdict {
	v := Verdict{Accepted: slices.ContainsFunc(outs, func(o forwarder.Outcome) bool { return o.Kind == forwarder.Accepted })}
	has := v.Accepted || someoneHas(before)
	e.Several = has || othersDecided(before, outs) || len(outs) > 1 && !nobodyAccepted(outs)
	var worst Disposition
	sent := false // some recipient has it, or may have it
	for _, o := range outs {
		d := Judge(o, e)
		if has && (d == NoRoom || d == Throttled) {
			d = Retry // others have it, so it is this recipient's alone
		}
		switch d {
		case Delivered:
			sent = true
		case Unknown:
			sent = true
			v.Effect = max(v.Effect, InDoubt)
		case Requeue:
			v.Effect = max(v.Effect, ConnectionLost)
		case NextTransaction:
			v.Remaining = append(v.Remaining, o.Recipient)
		case Throttled, NoRoom, RouteFault, DestinationFault:
			v.Blame = max(v.Blame, d)
		case Retry, Refused:
		}
		if d > worst {
			worst, v.Outcome = d, o
		}
		if d == Refused && o.NoSuchRecipient() {
			v.NotThere = append(v.NotThere, o.Recipient)
		}
		v.Recipients = append(v.Recipients, recipient(o, d, Find(before, o.Recipient), a))
	}
	if v.Blame != 0 && !sent {
		v.Effect = Rollback
	}
	return v
}

// recipient is the new row of a recipient.
func recipient(o forwarder.Outcome, d Disposition, before ledger.Recipient, a Attempt) ledger.Recipient {
	r := row{ledger.Recipient{Address: o.Recipient, Code: o.Code, Text: o.Reply(), Attempts: before.Attempts + 1}}
	switch d {
	case Delivered:
		r.State = ledger.Forwarded
	case Refused:
		r.State = ledger.Held
	case Unknown:
		r.doubt(ledger.Unknown, before, a)
	case Requeue:
		r.State, r.NextAttempt = ledger.Deferred, a.Now
		if r.Attempts >= maxLost {
			r.NextAttempt = a.Next()
		}
	case NextTransaction:
		r.State, r.NextAttempt, r.Attempts, r.Doubts = ledger.Deferred, a.Now, before.Attempts, before.Doubts
	case Retry, Throttled, NoRoom, RouteFault, DestinationFault:
		r.State, r.NextAttempt = ledger.Deferred, a.Next()
		if o.Unexplained() {
			r.doubt(ledger.Deferred, before, a)
		}
	}
	return r.Recipient
}

// row is a row that is being written.
type row struct{ ledger.Recipient }

// doubt puts the row into a state in which it is not known what is with the message.
// The third time in a row it is held, if others have passed meanwhile.
func (r *row) doubt(state ledger.State, before ledger.Recipient, a Attempt) {
	r.State, r.NextAttempt, r.Doubts = state, a.Next(), 1
	if before.State == state {
		r.Doubts += before.Doubts
	}
	if r.Doubts >= ledger.MaxDoubts && a.OthersPassed {
		r.State, r.NextAttempt = ledger.Held, time.Time{}
	}
}

// PossiblyDelivered reports whether a recipient has the message, or may have it.
func (v Verdict) PossiblyDelivered() bool {
	return slices.ContainsFunc(v.Recipients, func(rc ledger.Recipient) bool {
		return rc.State == ledger.Forwarded || rc.State == ledger.Unknown
	})
}

// Refused are the recipients who refused the message for good.
func (v Verdict) Refused() []string {
	var refused []string
	for _, rc := range v.Recipients {
		if rc.State == ledger.Held {
			refused = append(refused, rc.Address)
		}
	}
	return refused
}

// Deferred is the verdict with those who refused the message to be asked again.
func (v Verdict) Deferred(a Attempt) Verdict {
	v.Recipients = slices.Clone(v.Recipients)
	for i := range v.Recipients {
		if rc := &v.Recipients[i]; rc.State == ledger.Held {
			rc.State, rc.NextAttempt = ledger.Deferred, a.Next()
		}
	}
	return v
}

// Diverted is the verdict with these recipients instead of those that do not exist,
// and those of them who are still to get the message. From then on the others have
// nothing more to get.
func (v Verdict) Diverted(instead []string, before []ledger.Recipient, a Attempt) (w Verdict, to []string) {
	v.Recipients = slices.Clone(v.Recipients)
	for i, rc := range v.Recipients {
		if slices.Contains(v.NotThere, rc.Address) && !slices.Contains(instead, rc.Address) {
			v.Recipients[i].State, v.Recipients[i].NextAttempt = ledger.Forwarded, time.Time{}
			v.Recipients[i].Text = "not there, so it goes to " + strings.Join(instead, ", ") + ": " + rc.Text
		}
	}
	for _, address := range instead {
		if Find(v.Recipients, address).State == 0 && Find(before, address).State != ledger.Forwarded {
			v.Recipients = append(v.Recipients, ledger.Recipient{Address: address, State: ledger.Deferred, NextAttempt: a.Now})
			to = append(to, address)
		}
	}
	v.NotThere = nil
	return v, to
}

// NotRemaining is the verdict with the remaining recipients to be tried later.
func (v Verdict) NotRemaining(a Attempt) Verdict {
	v.Recipients = slices.Clone(v.Recipients)
	for i, rc := range v.Recipients {
		if slices.Contains(v.Remaining, rc.Address) {
			v.Recipients[i].NextAttempt = a.Next()
		}
	}
	v.Remaining = nil
	return v
}

// And is the verdict after another transaction for some of the recipients, with
// the verdict w on that.
func (v Verdict) And(w Verdict) Verdict {
	v.Recipients = slices.Clone(v.Recipients)
	for i, rc := range v.Recipients {
		if n := Find(w.Recipients, rc.Address); n.State != 0 {
			v.Recipients[i] = n
		}
	}
	v.Blame, v.Remaining, v.Accepted = w.Blame, w.Remaining, v.Accepted || w.Accepted
	v.NotThere = slices.Concat(v.NotThere, w.NotThere)
	if w.Effect != Rollback { // the first transaction did happen
		v.Effect = max(v.Effect, w.Effect)
	}
	if w.Outcome.Kind != forwarder.Accepted {
		v.Outcome = w.Outcome // the present obstacle
	}
	return v
}

// Wrapped is And for a refused message that was sent once more as an attachment.
func (v Verdict) Wrapped(w Verdict) Verdict {
	for i, rc := range w.Recipients {
		if rc.State == ledger.Forwarded {
			w.Recipients[i].Text = "sent as an attachment, after: " + v.Outcome.Reply()
		}
	}
	return v.And(w)
}

// Quarantine notes that the message is in quarantine at path for these
// recipients.
func (v *Verdict) Quarantine(path string, refused []string) {
	for i, rc := range v.Recipients {
		if slices.Contains(refused, rc.Address) {
			v.Recipients[i].State = ledger.Forwarded
			v.Recipients[i].Text = "in quarantine: " + path + ", after: " + v.Outcome.Reply()
		}
	}
	v.Quarantined = refused
}

// someoneHas reports whether a recipient has the message already.
func someoneHas(rows []ledger.Recipient) bool {
	return slices.ContainsFunc(rows, func(rc ledger.Recipient) bool { return rc.State == ledger.Forwarded })
}

// othersDecided reports whether there are recipients, other than those of these
// outcomes, who have the message or have refused it: what is said now is about
// one of several.
func othersDecided(rows []ledger.Recipient, outs []forwarder.Outcome) bool {
	return slices.ContainsFunc(rows, func(rc ledger.Recipient) bool {
		return (rc.State == ledger.Forwarded || rc.State == ledger.Held) &&
			!slices.ContainsFunc(outs, func(o forwarder.Outcome) bool { return o.Recipient == rc.Address })
	})
}

// nobodyAccepted reports whether every recipient was refused before DATA: then
// the fault is the configuration's or the destination's, not one address's.
func nobodyAccepted(outs []forwarder.Outcome) bool {
	return !slices.ContainsFunc(outs, func(o forwarder.Outcome) bool {
		return o.Kind != forwarder.Refused || o.Stage > forwarder.StageRcpt
	})
}

// Find returns the row of a recipient, or one with the address alone.
func Find(rows []ledger.Recipient, address string) ledger.Recipient {
	for _, r := range rows {
		if r.Address == address {
			return r
		}
	}
	return ledger.Recipient{Address: address}
}
