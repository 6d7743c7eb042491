package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Config says how Open begins a session.
type Config struct {
	// Dial returns a new connection, with TLS done where it is implicit.
	Dial func(context.Context) (net.Conn, error)
	// StartTLS, where set, does the TLS handshake of STLS, which follows the
	// greeting; without STLS the session ends. An error with a method
	// NewConnection that returns true asks for one more try.
	StartTLS    func(context.Context, net.Conn) (net.Conn, error)
	Credentials Credentials
	Options     Options
	Facts       Facts // from earlier sessions with this server
	// Until is the last step: StepSTLS ends before CAPA, StepCapa before the
	// login. The zero value is StepLogin.
	Until Step
	// ListAhead sends UIDL and LIST together with the CAPA after the login,
	// where the server offers PIPELINING and does not expire what it gives
	// out. Client.Listing has to be called next: it reads their replies.
	ListAhead bool
}

// Facts are what a session learns of its server that later ones need.
type Facts struct {
	NoCAPA     bool          // it hangs up on CAPA
	UTF8       bool          // it refuses logins or messages outside of UTF-8 mode (RFC 6856 section 5)
	LoginDelay time.Duration // least time between logins (RFC 2449 section 6.5); 0: none
	Expires    bool          // EXPIRE 0 (RFC 2449 section 6.7): a retrieved message is gone after QUIT
	ExpireDays int           // EXPIRE n: messages are deleted after so many days; 0: not known
}

// OpenError is the error of Open.
type OpenError struct {
	Step Step
	// Pipelined reports whether the session broke while several commands were
	// outstanding, which may be why.
	Pipelined bool
	Err       error
}

// Error names the step; a Dial's own error says how far the connection came.
func (e *OpenError) Error() string {
	if e.Step == StepConnect {
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %v", e.Step, e.Err)
}

// Unwrap returns the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// Open begins a session: connection, greeting, STLS, CAPA, UTF-8 mode where it
// is needed, login, and CAPA again, because capabilities may differ after the
// login (RFC 2449 section 5). A server that hangs up on CAPA, or wants UTF-8
// mode for the login, is tried once more on a new connection, with that known;
// so is one that StartTLS wants to try again.
//
// report, unless nil, is called after each step, at most once for each; text is
// the greeting's. The facts are those of cfg with what was learnt now, also
// after an error. Every error is an *OpenError, and the connection is closed.
func Open(ctx context.Context, cfg Config, report func(step Step, text string)) (*Client, Facts, error) {
	o := opener{Config: cfg, report: report, reported: make(map[Step]bool)}
	c, err := o.try(ctx)
	if asksAgain(err) && ctx.Err() == nil {
		c, err = o.try(ctx)
	}
	if err != nil && ctx.Err() == nil && (o.Facts.NoCAPA != cfg.Facts.NoCAPA || o.Facts.UTF8 != cfg.Facts.UTF8) {
		c, err = o.try(ctx)
	}
	if err != nil {
		return nil, o.Facts, err
	}
	return c, o.Facts, nil
}

// asksAgain reports whether an error of Config.StartTLS asks for one more try.
func asksAgain(err error) bool {
	var e interface{ NewConnection() bool }
	return errors.As(err, &e) && e.NewConnection()
}

// opener is one call of Open.
type opener struct {
	Config   // with the facts that were learnt so far
	report   func(Step, string)
	reported map[Step]bool
}

// done reports a step, unless an earlier connection has.
func (o *opener) done(s Step, text string) {
	if o.report != nil && !o.reported[s] {
		o.reported[s] = true
		o.report(s, text)
	}
}

// try opens one session on a new connection. One that fails is ended politely
// if it still stands.
func (o *opener) try(ctx context.Context) (*Client, error) {
	conn, err := o.Dial(ctx)
	if err != nil {
		return nil, &OpenError{Step: StepConnect, Err: err}
	}
	o.done(StepConnect, "")
	c := newClient(conn, o.Options)
	if err := o.begin(ctx, c); err != nil {
		if c.Err() == nil && c.Outstanding() == 0 {
			_ = c.Quit(ctx)
		}
		_ = c.Close()
		return nil, err
	}
	return c, nil
}

// begin is the dialogue up to the last step.
func (o *opener) begin(ctx context.Context, c *Client) error {
	greeting, err := c.greeting(ctx)
	if err != nil {
		return &OpenError{Step: StepGreeting, Err: err}
	}
	o.done(StepGreeting, greeting)
	if o.StartTLS != nil {
		// STLS is sent without a look at CAPA: it is required, and an answer
		// in clear could be forged either way.
		if err := c.startTLS(ctx, o.StartTLS); err != nil {
			return &OpenError{Step: StepSTLS, Err: err}
		}
		o.done(StepSTLS, "")
	}
	if o.Until == StepSTLS {
		return nil
	}
	if err := o.capa(ctx, c); err != nil {
		return &OpenError{Step: StepCapa, Err: err}
	}
	o.done(StepCapa, "")
	if o.Until == StepCapa {
		return nil
	}
	ahead := o.ListAhead && c.caps.Pipelining() && !o.Facts.Expires // Login forgets the capabilities
	if err := o.login(ctx, c); err != nil {
		return &OpenError{Step: StepLogin, Err: err}
	}
	o.done(StepLogin, "")
	return o.afterLogin(ctx, c, ahead)
}

// capa asks for the capabilities, unless the server hangs up on it.
func (o *opener) capa(ctx context.Context, c *Client) error {
	if o.Facts.NoCAPA {
		return nil
	}
	caps, err := c.capa(ctx)
	var refused *Error
	switch {
	case errors.As(err, &refused):
		return nil // a server older than RFC 2449
	case err != nil:
		o.Facts.NoCAPA = c.Outstanding() == 0 && errors.Is(err, io.ErrUnexpectedEOF)
		return err
	}
	o.Facts.LoginDelay, _ = caps.loginDelay()
	days, never, ok := caps.expire()
	o.Facts.Expires, o.Facts.ExpireDays = false, 0
	if ok && !never {
		o.Facts.Expires, o.Facts.ExpireDays = days == 0, days
	}
	return nil
}

// login turns UTF-8 mode on where it is offered and needed, for a user name
// beyond ASCII or after a refusal that asked for it (RFC 6856 sections 2 and
// 5), and logs in.
func (o *opener) login(ctx context.Context, c *Client) error {
	var refused *Error
	offered := c.caps.Has("UTF8")
	beyondASCII := strings.ContainsFunc(o.Credentials.Username, func(r rune) bool { return r > 127 })
	if offered && (beyondASCII || o.Facts.UTF8) {
		if err := c.utf8(ctx); err != nil && !errors.As(err, &refused) {
			return err
		}
	}
	err := c.login(ctx, o.Credentials)
	if offered && errors.As(err, &refused) && refused.Code == "UTF8" {
		o.Facts.UTF8 = true
	}
	return err
}

// afterLogin asks for the capabilities once more, and for the listing in the
// same breath if ahead.
func (o *opener) afterLogin(ctx context.Context, c *Client, ahead bool) error {
	if ahead {
		if err := c.Ahead(ctx, capaCommand(), uidlCommand(), listCommand()); err != nil {
			return &OpenError{Step: StepCapa, Err: err}
		}
	}
	if err := o.capa(ctx, c); err != nil {
		return &OpenError{Step: StepCapa, Pipelined: ahead && c.Err() != nil, Err: err}
	}
	return nil
}

// Step is a part of a POP3 session, named as reports and errors name it.
type Step string

// The steps of Open, in their order.
const (
	StepConnect  Step = "connect"
	StepGreeting Step = "greeting"
	StepSTLS     Step = "STLS"
	StepCapa     Step = "CAPA"
	StepLogin    Step = "login"
)
