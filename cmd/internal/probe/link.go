package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
)

// Link is how a client of a destination reaches its server, and what it tells the
// probe: fields of smtp.Options, which other protocols have, too.
type Link struct {
	Dial     func(context.Context) (net.Conn, error)
	StartTLS func(context.Context, net.Conn) (net.Conn, error)
	Greeted  func(text string)
	Passed   func(stage forwarder.Stage)
}

// link is a Link that reports name, connect, tls, greeting and login.
func (r *recorder) link(d *dial.Dialer) Link {
	dialed, entered := false, false // once: a second connection is not reported
	var state tls.ConnectionState
	greeting, greeted := "", false
	return Link{
		Dial: func(ctx context.Context) (net.Conn, error) {
			if dialed {
				return d.Dial(ctx)
			}
			conn, err := d.DialStages(ctx, r.connected(d))
			dialed = err == nil
			if t, ok := conn.(*tls.Conn); ok {
				r.encrypted(t.ConnectionState())
			}
			return conn, err
		},
		StartTLS: observed(d.Upgrade(), func(s tls.ConnectionState) { state = s }),
		Greeted:  func(text string) { greeting = text },
		Passed: func(s forwarder.Stage) {
			switch {
			case entered:
			case s == forwarder.StageHello && !greeted:
				greeted = true
				r.ok(StepGreeting, greeting)
			case s == forwarder.StageTLS:
				r.encrypted(state)
			case s == forwarder.StageAuth:
				entered = true
				r.ok(StepLogin, "")
			}
		},
	}
}

// sessionFailed reports the step at which no session could be had at a
// destination, and returns its error.
func (r *recorder) sessionFailed(destination string, err error) error {
	e, ok := errors.AsType[interface {
		error
		Outcome() forwarder.Outcome
	}](err)
	if !ok {
		return r.failed(StepConnect, err)
	}
	o := e.Outcome()
	name := stepAt(o.Stage)
	if o.Stage == forwarder.StageDial || ofProxy(o.Err) {
		name = stepOf(o.Err)
	}
	return r.failed(name, &outcome.DestinationError{Name: destination, Outcome: o})
}
