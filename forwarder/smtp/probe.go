package smtp

import (
	"context"

	"github.com/popferry/popferry/forwarder"
)

// Envelope is a sender and recipients to try.
type Envelope struct {
	Sender     string // "" is the null reverse-path
	Recipients []string
}

// probeSize is the size that a probe announces for its message, in octets.
const probeSize = 1000

// Probe opens a session of its own and tries envelopes by MAIL and RCPT, each
// ended by RSET (RFC 5321 4.1.1.5): no message is sent. report is called with
// the outcome of each command as it comes: Accepted, Refused or Impossible, at
// StageMail or StageRcpt. limit is the message size that the server announces,
// in octets (RFC 1870); 0: none. The error is an *Error if it is about the
// server; nothing is reported after it.
func Probe(ctx context.Context, o Options, envelopes []Envelope, report func(forwarder.Outcome)) (limit int64, err error) {
	o = o.withDefaults()
	s, fail := dial(ctx, &o, newQuirks(&o))
	if fail == nil {
		err = prober{s, report}.tryAll(ctx, envelopes)
		limit = s.ext.size
	} else {
		err = fail
	}
	if err != nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	return limit, err
}

// prober tries envelopes on a session.
type prober struct {
	*session
	report func(forwarder.Outcome)
}

// tryAll tries the envelopes and ends the session.
func (p prober) tryAll(ctx context.Context, envelopes []Envelope) error {
	defer context.AfterFunc(ctx, p.Abort)()
	for _, e := range envelopes {
		if fail := p.try(e); fail != nil {
			p.Abort()
			return fail
		}
	}
	p.Quit()
	return nil
}

// try tries one envelope and ends it by RSET.
func (p prober) try(e Envelope) *Error {
	mail := p.ext.checkAddress(e.Sender, forwarder.StageMail)
	mail.Stage = forwarder.StageMail
	m := &forwarder.Message{Sender: e.Sender, Recipients: e.Recipients, Size: probeSize}
	ok, fail := p.ask(p.ext.mailCommand(m), mail)
	for i := 0; ok && fail == nil && i < len(e.Recipients); i++ {
		rcpt := p.ext.checkAddress(e.Recipients[i], forwarder.StageRcpt)
		rcpt.Stage, rcpt.Recipient = forwarder.StageRcpt, e.Recipients[i]
		_, fail = p.ask(rcptCommand(e.Recipients[i]), rcpt)
	}
	if fail != nil {
		return fail
	}
	switch r, err := p.command("RSET"); {
	case err != nil:
		return p.failed(forwarder.StageRcpt, err)
	case !r.positive():
		return p.failed(forwarder.StageRcpt, r.unexpected())
	}
	return nil
}

// ask sends one command, unless its outcome is known already, and reports the
// outcome. ok says whether it was accepted.
func (p prober) ask(line string, out forwarder.Outcome) (ok bool, fail *Error) {
	if out.Kind == 0 {
		r, err := p.command(line)
		switch {
		case err != nil:
			return false, p.failed(out.Stage, err)
		case r.closing():
			return false, r.failure(out.Stage)
		case !r.refusal() && !r.positive():
			return false, p.failed(out.Stage, r.unexpected())
		}
		kind := forwarder.Accepted
		if r.refusal() {
			kind = forwarder.Refused
		}
		to := out.Recipient
		out = r.outcome(kind, out.Stage)
		out.Recipient = to
	}
	p.report(out)
	return out.Kind == forwarder.Accepted, nil
}
