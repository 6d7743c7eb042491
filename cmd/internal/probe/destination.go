package probe

import (
	"context"
	"errors"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// Relay is a destination to be tried.
type Relay struct {
	Name      string // in errors
	Dialer    *dial.Dialer
	Options   smtp.Options    // Dial, StartTLS and Passed are filled in
	Envelopes []smtp.Envelope // none: the probe ends after the login
}

// ErrRefused is the error of a probe in which some envelopes failed; the steps
// have the reasons.
var ErrRefused = errors.New("a sender or recipient was refused")

// Destination tries a server and reports each step as it is done: name, connect,
// tls, greeting, login, and mail and rcpt for each envelope. No message is sent.
// limit is the maximum message size that the server announces, in octets; 0: none.
// The error is that of the last step, or ErrRefused.
func Destination(ctx context.Context, r Relay, report func(Step)) (limit int64, err error) {
	d := delivery{Relay: r, recorder: newRecorder(report)}
	limit, err = smtp.Probe(ctx, d.options(), r.Envelopes, d.answered)
	if err != nil {
		return limit, d.sessionFailed(d.Name, err)
	}
	if d.refused {
		return limit, ErrRefused
	}
	return limit, nil
}

// delivery is one probe of a destination.
type delivery struct {
	Relay
	*recorder
	mails   int // MAILs so far
	refused bool
}

func (d *delivery) options() smtp.Options {
	o, l := d.Options, d.link(d.Dialer)
	o.Dial, o.StartTLS, o.Greeted, o.Passed = l.Dial, l.StartTLS, l.Greeted, l.Passed
	return o
}

// answered reports MAIL or RCPT.
func (d *delivery) answered(o forwarder.Outcome) {
	name, note := stepAt(o.Stage), "to <"+o.Recipient+">"
	if o.Stage == forwarder.StageMail {
		note = "from <" + d.Envelopes[d.mails].Sender + ">"
		d.mails++
	}
	if o.Kind == forwarder.Accepted {
		d.ok(name, note)
		return
	}
	d.refused = true
	d.record(Step{Name: name, Note: note, Err: &outcome.DestinationError{Name: d.Name, Outcome: o}})
}

// stepAt is the step of a stage.
func stepAt(s forwarder.Stage) string {
	switch s {
	case forwarder.StageDial:
		return StepConnect
	case forwarder.StageTLS:
		return StepTLS
	case forwarder.StageAuth:
		return StepLogin
	case forwarder.StageMail:
		return StepMail
	case forwarder.StageRcpt:
		return StepRcpt
	}
	return StepGreeting
}
