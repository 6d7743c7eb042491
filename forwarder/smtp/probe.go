package smtp

import (
	"context"

	"github.com/popferry/popferry/forwarder"
)

// Envelope is a sender and recipients to be tried.
type Envelope struct {
	Sender     string // "" is the null reverse-path
	Recipients []string
}

// probeSize is what a probe says its message would have, in octets.
const probeSize = 1000

// Probe opens a session of its own and tries envelopes by MAIL and RCPT, each
// taken back by RSET (RFC 5321 4.1.1.5): no message is sent. told is called with
// the outcome of each command as it comes: Accepted, Refused or Impossible, at
// StageMail or StageRcpt. limit is the size that the server announces for a
// message, in octets (RFC 1870); 0: none. The error is an *Error if it is about
// the server; there is nothing after it.
func Probe(ctx context.Context, o Options, envelopes []Envelope, told func(forwarder.Outcome)) (limit int64, err error) {
	o = o.withDefaults()
	s, fail := dial(ctx, &o, &quirks{})
	if fail == nil {
		defer context.AfterFunc(ctx, s.abort)()
		limit = s.offer.size
		for i := 0; fail == nil && i < len(envelopes); i++ {
			fail = prober{s, told}.try(envelopes[i])
		}
	}
	switch {
	case fail == nil:
		s.quit()
		return limit, nil
	case s != nil:
		s.abort()
	}
	if ctx.Err() != nil {
		return limit, context.Cause(ctx)
	}
	return limit, fail
}

// prober tries envelopes on a session.
type prober struct {
	*session
	told func(forwarder.Outcome)
}

// try tries one envelope and takes it back.
func (p prober) try(e Envelope) *Error {
	mail := p.offer.fitAddress(e.Sender, forwarder.StageMail)
	mail.Stage = forwarder.StageMail
	m := &forwarder.Message{Sender: e.Sender, Recipients: e.Recipients, Size: probeSize}
	ok, fail := p.ask(p.offer.mailCommand(m), mail)
	for i := 0; ok && fail == nil && i < len(e.Recipients); i++ {
		rcpt := p.offer.fitAddress(e.Recipients[i], forwarder.StageRcpt)
		rcpt.Stage, rcpt.Recipient = forwarder.StageRcpt, e.Recipients[i]
		_, fail = p.ask("RCPT TO:<"+e.Recipients[i]+">", rcpt)
	}
	if fail != nil {
		return fail
	}
	switch r, err := p.command("RSET"); {
	case err != nil:
		return failed(forwarder.StageRcpt, err)
	case !r.positive():
		return failed(forwarder.StageRcpt, r.unexpected())
	}
	return nil
}

// ask sends one command, unless its outcome is known already, and tells the
// outcome. It is ok if the server said yes.
func (p prober) ask(line string, out forwarder.Outcome) (ok bool, fail *Error) {
	if out.Kind == 0 {
		r, err := p.command(line)
		switch {
		case err != nil:
			return false, failed(out.Stage, err)
		case r.closing():
			return false, &Error{Stage: out.Stage, Code: r.code, Enhanced: r.enhanced, Text: r.text}
		case !r.refusal() && !r.positive():
			return false, failed(out.Stage, r.unexpected())
		}
		out.Kind, out.Code, out.Enhanced, out.Text = forwarder.Accepted, r.code, r.enhanced, r.text
		if r.refusal() {
			out.Kind = forwarder.Refused
		}
	}
	p.told(out)
	return out.Kind == forwarder.Accepted, nil
}
