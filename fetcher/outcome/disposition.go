package outcome

import "github.com/popferry/popferry/forwarder"

// Disposition is what one outcome asks for. The later in this list, the more it
// says about a transaction with several outcomes.
type Disposition uint8

const (
	// Delivered: this recipient has the message.
	Delivered Disposition = iota + 1
	// Retry: deferred, with a back-off of its own.
	Retry
	// Refused: held until the user decides.
	Refused
	// Unknown: it may have arrived. It is sent again with the same octets.
	Unknown
	// Requeue: the connection ended, and nothing was said against the message.
	// It is due at once, behind the others; if it ends every connection it
	// waits.
	Requeue
	// DestinationFault: the destination is at fault. No message is marked.
	DestinationFault
)

var dispositions = [...]string{Delivered: "delivered", Retry: "retry", Refused: "refused", Unknown: "unknown", Requeue: "requeue", DestinationFault: "destination fault"}

// String names the disposition in lower case.
func (d Disposition) String() string {
	if int(d) < len(dispositions) {
		return dispositions[d]
	}
	return ""
}

// Envelope is what has to be known of a transaction to judge its outcomes.
type Envelope struct {
	// OwnSender reports that the reverse-path was the message's own, not the
	// configured one: a refusal of it is a refusal of the message.
	OwnSender bool
	// Several reports that there are several recipients, of whom some get the
	// message, now or before: a refusal of one is not the destination's fault.
	Several bool
}

// Judge says what one outcome asks for. The first case that fits decides.
func Judge(o forwarder.Outcome, e Envelope) Disposition {
	inEnvelope := o.Stage == forwarder.StageMail || o.Stage == forwarder.StageRcpt
	switch {
	case o.Kind == forwarder.Accepted:
		return Delivered
	case o.Kind == forwarder.Unusable:
		return DestinationFault
	case o.Kind == forwarder.InDoubt:
		return Unknown
	case o.Kind == forwarder.Impossible && o.AboutAddress():
		return judgeEnvelope(o, e)
	case o.Kind == forwarder.Impossible:
		return Refused
	case o.Kind == forwarder.Broken, o.Code == 421, o.OutOfSync():
		return Requeue
	case inEnvelope && o.MailboxFull() && !e.Several:
		return DestinationFault
	case inEnvelope && o.MailboxFull():
		return Retry
	case o.AboutContent():
		return Refused
	case inEnvelope:
		return judgeEnvelope(o, e)
	case o.Code >= 500:
		return Refused
	default:
		return Retry
	}
}

// judgeEnvelope judges a refusal of MAIL or RCPT that is not about content.
func judgeEnvelope(o forwarder.Outcome, e Envelope) Disposition {
	switch {
	case e.OwnSender && o.AboutSender() && o.Code >= 500 && o.Enhanced != forwarder.EnhancedCode{}:
		return Refused
	case e.OwnSender && o.AboutSender():
		// Not certain, or not for good; but one sender without a domain must not
		// hold up all other mail.
		return Retry
	case o.Stage == forwarder.StageRcpt && e.Several && o.Code >= 500:
		return Refused
	case o.Stage == forwarder.StageRcpt && e.Several:
		return Retry
	default: // the configured addresses are at fault, for every message alike
		return DestinationFault
	}
}

// RefusesMessage reports whether an outcome is about the message rather than
// about a recipient, for whom another form of it would be no better.
func RefusesMessage(o forwarder.Outcome, e Envelope) bool {
	switch {
	case o.Kind == forwarder.Impossible:
		return !o.AboutAddress()
	case o.Kind != forwarder.Refused:
		return false
	case o.Stage == forwarder.StageMail || o.Stage == forwarder.StageRcpt:
		return o.AboutContent() || e.OwnSender && o.AboutSender()
	default:
		return true
	}
}
