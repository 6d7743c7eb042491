package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Mailbox is a mailbox to be tried.
type Mailbox struct {
	Dialer      *dial.Dialer
	Credentials pop3.Credentials
	Timeout     time.Duration // for each read and write; a minute if zero
	MaxListing  int           // as in pop3.Options
	// NoLogin, where set, is why no login may be tried now: the probe ends
	// before it.
	NoLogin string
	// Judge, where set, is asked about the listing: its words, or what is wrong.
	Judge func(pop3.Listing) (note string, err error)
}

// Account tries a mailbox and reports each step as it is done: name, connect,
// tls, greeting, login, listing. It opens the session as a poll does, with one
// login in all but the rarest cases, because servers lock out clients that try
// too often, and asks for no message. The error is that of the last step.
func Account(ctx context.Context, m Mailbox, report func(Step)) error {
	p := mailboxProbe{Mailbox: m, recorder: newRecorder(report)}
	c, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if m.NoLogin != "" {
		p.ok(StepLogin, "not tried: "+m.NoLogin)
	} else if err := p.list(ctx, c); err != nil {
		return err
	}
	_ = c.Quit(ctx) // nothing depends on it
	return nil
}

// mailboxProbe is one probe of a mailbox.
type mailboxProbe struct {
	Mailbox
	*recorder
	dialed   bool // connected once: a second connection is not reported
	loggedIn bool
}

// open opens the session, up to the login unless there is a reason against it.
func (p *mailboxProbe) open(ctx context.Context) (*pop3.Client, error) {
	var state tls.ConnectionState
	cfg := pop3.Config{
		Dial:        p.dial,
		StartTLS:    observed(p.Dialer.Upgrade(), func(s tls.ConnectionState) { state = s }),
		Credentials: p.Credentials,
		Options:     pop3.Options{Timeout: p.Timeout, MaxListing: p.MaxListing},
	}
	if p.NoLogin != "" {
		cfg.Until = pop3.StepCapa
	}
	c, _, err := pop3.Open(ctx, cfg, func(s pop3.Step, text string) {
		switch s {
		case pop3.StepGreeting:
			p.ok(StepGreeting, text)
		case pop3.StepSTLS:
			p.encrypted(state)
		case pop3.StepLogin:
			p.loggedIn = true
			p.ok(StepLogin, "")
		}
	})
	var failed *pop3.OpenError
	if errors.As(err, &failed) {
		return nil, p.fails(p.stepOf(failed), failed.Step, failed.Err)
	}
	return c, nil
}

// dial connects and reports it the first time.
func (p *mailboxProbe) dial(ctx context.Context) (net.Conn, error) {
	if p.dialed {
		return p.Dialer.Dial(ctx)
	}
	conn, err := p.Dialer.DialStages(ctx, p.connected(p.Dialer))
	if err != nil {
		return nil, err
	}
	p.dialed = true
	if t, ok := conn.(*tls.Conn); ok {
		p.encrypted(t.ConnectionState())
	}
	return conn, nil
}

// stepOf is the step of the probe that a failure belongs to.
func (p *mailboxProbe) stepOf(e *pop3.OpenError) string {
	switch {
	case ofProxy(e.Err):
		return StepProxy
	case e.Step == pop3.StepConnect:
		return stepOf(e.Err)
	case e.Step == pop3.StepGreeting:
		return StepGreeting
	case e.Step == pop3.StepSTLS:
		return StepTLS
	case p.loggedIn && e.Step == pop3.StepCapa:
		return StepListing
	}
	return StepLogin
}

// fails reports a step that failed; at is where a poll would have been.
func (p *mailboxProbe) fails(name string, at pop3.Step, err error) error {
	return p.failed(name, &mailbox.Error{Source: p.Credentials.Username + " at " + p.Dialer.Addr(), Step: at, Err: err})
}

func (p *mailboxProbe) list(ctx context.Context, c *pop3.Client) error {
	listing, err := c.Listing(ctx)
	if errors.Is(err, pop3.ErrNoUIDL) && c.Err() == nil {
		var entries []pop3.Entry
		if entries, err = c.List(ctx); err == nil {
			listing = pop3.Listing{Entries: entries}
		}
	}
	note := ""
	if err == nil && p.Judge != nil {
		note, err = p.Judge(listing)
	}
	if err != nil {
		return p.fails(StepListing, mailbox.StepListing, err)
	}
	p.ok(StepListing, note)
	return nil
}
