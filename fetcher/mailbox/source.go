package mailbox

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Source is the POP3 side of an account.
type Source struct {
	Host string // as configured: it stands in the trace line
	Addr string // host and port, for errors
	// Dial returns a connection, with TLS done where it is implicit.
	Dial func(context.Context) (net.Conn, error)
	// StartTLS, if set, upgrades the connection by STLS before anything else is
	// said; see pop3.Config.
	StartTLS func(context.Context, net.Conn) (net.Conn, error)
	// Secure reports whether TLS is used, implicit or by STLS.
	Secure      bool
	Credentials pop3.Credentials
	Timeout     time.Duration // for each read and write
	MaxListing  int           // as in pop3.Options
	// Hides reports that the server is known not to give a message a second
	// time, whatever it says itself.
	Hides bool
	// Trace, where set, receives the dialogue, as in pop3.Options.
	Trace func(sent bool, line string)
}

// RetrHides reports whether the server will not give a message a second time:
// as configured (Gmail), because it says so (EXPIRE 0, RFC 2449 6.7), or because
// it was seen to do so.
func (s Source) RetrHides(facts *ledger.ServerFacts, now time.Time) bool {
	return s.Hides || facts.Expires.Get(now) || facts.RetrHides.Get(now)
}

// The steps of a session after those of pop3.Open.
const (
	StepListing pop3.Step = "listing"
	StepRetr    pop3.Step = "RETR"
	StepTop     pop3.Step = "TOP"
	StepDele    pop3.Step = "DELE"
	StepQuit    pop3.Step = "QUIT"
)

// Error is a failure of the POP3 side: what was tried where, and what happened.
type Error struct {
	Source string // user and address
	Step   pop3.Step
	Err    error
}

func (e *Error) Error() string {
	if e.Step == pop3.StepConnect {
		return e.Err.Error() // it names the address and how far it came
	}
	return fmt.Sprintf("%s (%s): %v", e.Step, e.Source, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// Error is a failure at this source.
func (s Source) Error(step pop3.Step, err error) error {
	return &Error{Source: s.Credentials.Username + " at " + s.Addr, Step: step, Err: err}
}
