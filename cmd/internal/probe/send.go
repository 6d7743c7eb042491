package probe

import (
	"context"

	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// Letter is a test message.
type Letter struct {
	From    string // the address in its From header
	Message *forwarder.Message
}

// ForeignFromError: the server refuses mail from others. It took a letter from
// one's own address, and not the same from another one.
type ForeignFromError struct {
	From string // the other one
	Err  error  // the refusal
}

func (e *ForeignFromError) Error() string {
	return "a message from " + e.From + " was refused, and one from your own address was accepted: " + e.Err.Error()
}

func (e *ForeignFromError) Unwrap() error { return e.Err }

// Send sends a letter as a step. If it is refused, and own is not nil, it sends
// own, too: if that is accepted, the error is a *ForeignFromError, so that a
// refusal of mail from others is known in whatever words the server puts it.
func Send(ctx context.Context, r Relay, l Letter, own *Letter, report func(Step)) error {
	silent := delivery{Relay: r, recorder: newRecorder(func(Step) {})}
	pool := smtp.New(silent.options())
	defer pool.Close()
	rec := newRecorder(report)
	reply, err := send(ctx, pool, r.Name, l)
	if err == nil {
		rec.ok(StepSend, "From: "+l.From+"; "+reply)
		return nil
	}
	if o, _, refused := outcome.AnswerIn(err); refused && own != nil && o.Kind == forwarder.Refused && o.Stage > forwarder.StageRcpt && o.Code >= 500 {
		if _, failed := send(ctx, pool, r.Name, *own); failed == nil {
			err = &ForeignFromError{l.From, err}
		}
	}
	rec.record(Step{Name: StepSend, Note: "From: " + l.From, Err: err})
	return err
}

// send sends a letter and returns the reply to it.
func send(ctx context.Context, pool *smtp.Pool, destination string, l Letter) (reply string, err error) {
	outs, err := pool.Send(ctx, l.Message)
	if err != nil {
		return "", err
	}
	for _, o := range outs {
		switch {
		case o.Kind == forwarder.Accepted:
		case o.Stage > forwarder.StageRcpt:
			return "", &outcome.MessageError{Outcome: o}
		default:
			return "", &outcome.DestinationError{Name: destination, Outcome: o}
		}
	}
	return outs[0].Reply(), nil
}
