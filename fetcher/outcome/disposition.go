package outcome

import "github.com/popferry/popferry/forwarder"

// Disposition is what one outcome asks for. The later in this list, the more it
// says about a transaction with several outcomes.
type Disposition uint8

const (
	// Delivered: this recipient has the message.
	Delivered Disposition = iota + 1
	// NextTransaction: this recipient gets the message in another transaction at
	// once; this one had too many.
	NextTransaction
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
	// Throttled: the destination wants fewer connections or less at a time.
	// Nothing is marked.
	Throttled
	// NoRoom: there is no room for this message now. Whether it is this one's
	// size or the mailbox, a smaller one shows.
	NoRoom
	// RouteFault: the destination refuses the configured addresses, for every
	// message alike. No message is marked; the route waits.
	RouteFault
	// DestinationFault: the destination is at fault. No message is marked.
	DestinationFault
)

var dispositions = [...]string{
	Delivered: "delivered", NextTransaction: "next transaction", Retry: "retry", Refused: "refused", Unknown: "unknown", Requeue: "requeue",
	Throttled: "throttled", NoRoom: "no room", RouteFault: "route fault", DestinationFault: "destination fault",
}

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
	// message, now or before: a refusal of one is not the route's fault.
	Several bool
	// Chosen reports that the recipients were chosen for this message alone: a refusal
	// of one is that recipient's, and no route's.
	Chosen bool
	// Wraps reports that a refused message is sent once more as an attachment
	// from one's own address: a server that takes its user's own mail alone is no
	// obstacle then.
	Wraps bool
}

// Judge says what one outcome asks for. The first case that fits decides. Blame
// is as narrow as the evidence allows: after the message was sent, a refusal is
// the message's own, whatever its words say about popferry; only a server that
// takes mail from its own users alone is told by it.
func Judge(o forwarder.Outcome, e Envelope) Disposition {
	envelope := o.Stage == forwarder.StageMail || o.Stage == forwarder.StageRcpt
	dot := o.Stage == forwarder.StageDot
	switch {
	case o.Kind == forwarder.Accepted:
		return Delivered
	case o.Kind == forwarder.Unusable:
		return DestinationFault
	case o.Kind == forwarder.InDoubt:
		return Unknown
	case o.Kind == forwarder.Impossible:
		return judgeImpossible(o, e)
	case o.Kind == forwarder.Replaced:
		return Refused // in this form, for good
	case o.Kind == forwarder.Broken:
		return Requeue
	case o.Code == 421 && !(dot && o.AboutContent()):
		return Requeue
	case o.TooManyRecipients() && e.Several:
		return NextTransaction
	case o.NoRoom() && (e.Several && envelope || e.Chosen && o.Stage == forwarder.StageRcpt):
		return Retry
	case o.NoRoom():
		return NoRoom
	case o.Throttled():
		return Throttled
	case o.OutOfSync():
		return Requeue
	case o.AboutContent():
		return Refused
	case o.ForeignFrom() && e.Wraps:
		return Refused
	case o.ForeignFrom():
		return DestinationFault
	case envelope:
		return judgeEnvelope(o, e)
	case !dot && o.Code >= 500 && (o.WantsLogin() || o.WantsTLS() || o.Listed()):
		return DestinationFault
	case o.Code >= 500:
		return Refused
	default:
		return Retry
	}
}

// judgeImpossible judges a message that the server's EHLO reply rules out.
func judgeImpossible(o forwarder.Outcome, e Envelope) Disposition {
	switch {
	case o.AboutSender() && e.OwnSender:
		return Refused
	case o.AboutAddress() && (e.Several || e.Chosen):
		return Refused
	case o.AboutAddress():
		return RouteFault
	default:
		return Refused
	}
}

// judgeEnvelope judges a refusal of MAIL or RCPT that is not about content.
func judgeEnvelope(o forwarder.Outcome, e Envelope) Disposition {
	forGood := o.Code >= 500
	switch {
	case o.Stage == forwarder.StageMail && (o.WantsLogin() || o.WantsTLS() || o.Listed()):
		return DestinationFault // about us, and before any address of ours
	case o.Listed(), forGood && o.RefusesName():
		return DestinationFault // many servers check at RCPT what they know from the start
	case e.OwnSender && o.AboutSender() && !o.NoRelay() && !o.WantsLogin() && forGood && (o.Enhanced != forwarder.EnhancedCode{}):
		return Refused
	case e.OwnSender && o.AboutSender() && !o.NoRelay() && !o.WantsLogin():
		// Not certain, or not for good; but one sender without a domain must not
		// hold up all other mail.
		return Retry
	case o.Stage == forwarder.StageRcpt && (e.Several || e.Chosen) && forGood:
		return Refused
	case o.Stage == forwarder.StageRcpt && (e.Several || e.Chosen):
		return Retry
	case e.OwnSender && o.Stage == forwarder.StageRcpt && (!forGood || o.Enhanced == forwarder.EnhancedCode{}) && !o.NoRelay() && !o.WantsLogin():
		// It may be the sender all the same: greylisting is about both, and OpenSMTPD says
		// "550 Invalid recipient" where a rule refuses the sender.
		return Retry
	default: // the configured addresses, for every message alike
		return RouteFault
	}
}

// RefusesMessage reports whether an outcome is about the message rather than
// about a recipient, for whom another form of it would be no better.
func RefusesMessage(o forwarder.Outcome, e Envelope) bool {
	switch {
	case o.Kind == forwarder.Replaced:
		return true
	case o.Kind == forwarder.Impossible:
		return !o.AboutAddress() || e.OwnSender && o.AboutSender()
	case o.Kind != forwarder.Refused:
		return false
	case o.Stage == forwarder.StageMail || o.Stage == forwarder.StageRcpt:
		return o.AboutContent() || e.OwnSender && o.AboutSender()
	default:
		return true
	}
}
