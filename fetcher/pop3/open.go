package pop3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
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

// Facts are what a session learns of its server that later ones need. How long
// that counts is for the caller to decide.
type Facts struct {
	Skip     Commands // optional commands that are left out, because the server did not answer them, or too much
	Answered Commands // those that this Open saw answered; input is ignored
	// Offers is what CAPA said before the login, as far as Open depends on it; "": it is
	// not known. Where it is, CAPA is asked for after the login only. Open makes it, and
	// takes it back where it is wrong.
	Offers string
	// Logins are the login methods that CAPA listed last, separated by spaces.
	// Where CAPA is left out, they still count.
	Logins string
	// Refused are those that the server lists and does not have.
	Refused    string
	UTF8       bool          // it refuses logins or messages outside of UTF-8 mode (RFC 6856 section 5)
	LoginDelay time.Duration // least time between logins (RFC 2449 section 6.5); 0: none
	Expires    bool          // EXPIRE 0 (RFC 2449 section 6.7): a retrieved message is gone after QUIT
	ExpireDays int           // EXPIRE n: messages are deleted after so many days; 0: not known
}

// Commands is a set of optional commands of Open.
type Commands uint8

// The optional commands. Without CommandCapa there is no CommandCapaAfterLogin
// either.
const (
	CommandCapa           Commands = 1 << iota // CAPA before the login, and after STLS
	CommandCapaAfterLogin                      // CAPA once more
	CommandUTF8                                // UTF8
)

func (c Commands) has(command Commands) bool { return c&command != 0 }

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

// maxConnections is how many connections an Open may take.
const maxConnections = 4

// Open begins a session: connection, greeting, STLS, CAPA, UTF-8 mode where it
// is offered, login, and CAPA again, because capabilities may differ after the
// login (RFC 2449 section 5). With Facts.Offers it does without the first CAPA; if
// the login then fails, and not for a reason that passes, CAPA is asked for all the
// same, and decides whether another method is tried.
//
// An optional command that is not answered, or exceeds its budget, ends the
// connection; it is left out on a new one. A login method that is listed and turns
// out not to be there is followed by the next. So is one more try on a new
// connection where StartTLS wants it.
//
// report, unless nil, is called after each step, at most once for each; text is
// the greeting's. The facts are those of cfg with what was learnt now, also
// after an error. Every error is an *OpenError, and the connection is closed.
func Open(ctx context.Context, cfg Config, report func(step Step, text string)) (*Client, Facts, error) {
	o := opener{Config: cfg, report: report, reported: make(map[Step]bool), tried: make(map[Method]bool)}
	o.Facts.Answered = 0
	for n := 1; ; n++ {
		o.again, o.loginAnswered, o.recalled = false, false, false
		c, err := o.try(ctx)
		if asksAgain(err) && !o.helloAgain {
			o.again, o.helloAgain = true, true
		}
		switch {
		case err == nil:
			o.remember(cfg.Facts)
			return c, o.Facts, nil
		case o.again && n < maxConnections && ctx.Err() == nil:
			continue
		case !o.loginAnswered: // without the command it came no further: the network may be to blame
			o.Facts.Skip = cfg.Facts.Skip
		}
		return nil, o.Facts, err
	}
}

// asksAgain reports whether an error of Config.StartTLS asks for one more try.
func asksAgain(err error) bool {
	var e interface{ NewConnection() bool }
	return errors.As(err, &e) && e.NewConnection()
}

// opener is one call of Open.
type opener struct {
	Config       // with the facts that were learnt so far
	report       func(Step, string)
	reported     map[Step]bool
	again        bool     // another connection may do better
	helloAgain   bool     // StartTLS has had its second try
	capaCut      Commands // CAPAs at which a connection ended
	expireBefore bool     // the CAPA before the login says EXPIRE 0
	offers       string   // what that CAPA offers, as Facts.Offers has it
	recalled     bool     // what is known took the place of that CAPA
	unsure       attempt  // the login of a connection that ended before CAPA could be asked for after it
	// loginAnswered reports whether the last connection had a reply to its login.
	loginAnswered bool
	tried         map[Method]bool // login methods that failed, but not because of the credentials
	renewed       bool            // the token was asked for once more, after a refusal
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
	if !o.Facts.Skip.has(CommandCapa) && !o.recall(c) {
		if err := o.capa(ctx, c, CommandCapa); err != nil {
			return &OpenError{Step: StepCapa, Err: err}
		}
	}
	o.done(StepCapa, "")
	if o.Until == StepCapa {
		return nil
	}
	before := c.caps // login forgets them
	if err := o.login(ctx, c); err != nil {
		return &OpenError{Step: StepLogin, Err: err}
	}
	o.done(StepLogin, "")
	return o.afterLogin(ctx, c, before)
}

// capa asks for the capabilities. which is CommandCapa or CommandCapaAfterLogin.
func (o *opener) capa(ctx context.Context, c *Client, which Commands) error {
	caps, err := c.capa(ctx)
	days, never, ok := caps.expire()
	o.Facts.Expires = o.Facts.Expires || err != nil && ok && !never && days == 0 // it was said, whatever came of the rest
	var refused *Error
	switch {
	case errors.As(err, &refused) && refused.passing():
		return nil // for now: what is known stays
	case errors.As(err, &refused) && which == CommandCapa: // a server older than RFC 2449
		o.noteCapa(c, caps, false)
		return nil
	case errors.As(err, &refused):
		o.Facts.Answered |= which
		return nil
	case err != nil && errors.Is(err, io.ErrUnexpectedEOF) && o.capaCut&which == 0 && c.Outstanding() == 0:
		o.capaCut |= which // a server that restarts or is overloaded does the same: it is asked once more
		o.again = true
		return err
	case err != nil:
		o.leaveOut(c, which, err)
		return err
	}
	if which == CommandCapa {
		o.noteCapa(c, caps, true)
		return nil
	}
	o.Facts.Answered |= which
	o.compare(caps)
	o.limits(caps, which)
	return nil
}

// limits notes what the server says of logins and retrieved messages. After the
// login it knows the user, and only then is EXPIRE 0 taken back: one of both is
// enough for it, and a connection that ends in between says nothing.
func (o *opener) limits(caps Capabilities, which Commands) {
	if delay, ok := caps.loginDelay(); ok || which == CommandCapa {
		o.Facts.LoginDelay = delay
	}
	days, never, ok := caps.expire()
	switch {
	case which == CommandCapa:
		o.expireBefore = ok && !never && days == 0
		o.Facts.Expires = o.Facts.Expires || o.expireBefore
		if ok && !never {
			o.Facts.ExpireDays = days
		}
	case ok && !never:
		o.Facts.Expires, o.Facts.ExpireDays = days == 0, days
	case ok:
		o.Facts.Expires, o.Facts.ExpireDays = false, 0
	case !o.recalled: // else what the other CAPA said stays
		o.Facts.Expires = o.expireBefore
	}
}

// leaveOut leaves a command out on another connection if it ended this one because
// the server did not answer it, or answered more than may be: it has told nothing
// then, and its mail is fetched as from a server without that command.
func (o *opener) leaveOut(c *Client, command Commands, err error) {
	if OverBudget(err) || c.Outstanding() == 0 && unanswered(err) {
		o.Facts.Skip |= command
		o.again = true
	}
}

// unanswered reports whether a server met a command with silence, or hung up.
func unanswered(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF)
}

// afterLogin asks for the capabilities once more, and for the listing in the same
// breath where that is wanted and possible. If they are not to be asked for, those
// of before the login stay.
func (o *opener) afterLogin(ctx context.Context, c *Client, before Capabilities) error {
	ahead := o.ListAhead && before.Pipelining() && !o.Facts.Expires
	skip := o.Facts.Skip.has(CommandCapa) || o.Facts.Skip.has(CommandCapaAfterLogin) || o.recalled && o.Facts.Offers == OffersNothing
	if ahead {
		cmds := []Command{capaCommand(), uidlCommand(), listCommand()}
		if skip {
			cmds = cmds[1:]
		}
		if err := c.Ahead(ctx, cmds...); err != nil {
			return &OpenError{Step: StepCapa, Err: err}
		}
	}
	if skip {
		c.caps = before
		return nil
	}
	if err := o.capa(ctx, c, CommandCapaAfterLogin); err != nil {
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
