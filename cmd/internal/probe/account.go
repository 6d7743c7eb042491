package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3"
)

// Mailbox is a mailbox to be tried.
type Mailbox struct {
	Dialer      *dial.Dialer
	Credentials pop3.Credentials
	Timeout     time.Duration // for each read and write; a minute if zero
	// NoLogin, where set, is why nobody may log in now: the probe ends before.
	NoLogin string
	// LoginOnly leaves the listing out.
	LoginOnly bool
	// Judge, where set, is asked about the listing: its words, or what is wrong.
	Judge func(pop3.Listing) (note string, err error)
	// Trace, where set, is told the dialogue, as pop3.Options has it.
	Trace func(sent bool, line string)
}

// Account tries a mailbox and tells each step as it is done: name, connect,
// tls, greeting, login, listing. It logs in once, for servers lock out who tries
// too often, and asks for no message. The error is that of the last step.
func Account(ctx context.Context, m Mailbox, told func(Step)) error {
	v := visit{Mailbox: m, path: newPath(told)}
	err := v.open(ctx, true)
	if errors.Is(err, errHungUp) {
		// There are servers that hang up on CAPA: once more without, as a poll
		// does. What was told before is not told again, but a failure is.
		v.path = newPath(func(s Step) {
			if s.Err != nil {
				told(s)
			}
		})
		err = v.open(ctx, false)
		v.path = newPath(told)
	}
	if v.client != nil {
		defer v.client.Close()
	}
	if err != nil {
		return err
	}
	if m.NoLogin != "" {
		v.passed(StepLogin, "not tried: "+m.NoLogin)
		_ = v.client.Quit(ctx)
		return nil
	}
	if err := v.login(ctx); err != nil {
		return err
	}
	if !m.LoginOnly {
		if err := v.list(ctx); err != nil {
			return err
		}
	}
	_ = v.client.Quit(ctx) // nothing hangs on it
	return nil
}

// errHungUp: the server ended the connection at CAPA.
var errHungUp = errors.New("hung up on CAPA")

// visit is one session with the mailbox's server.
type visit struct {
	Mailbox
	*path
	client *pop3.Client
	caps   pop3.Capabilities
}

// fails tells of a step that failed where a poll would have been at another.
func (v *visit) fails(name string, at fetcher.Step, err error) error {
	return v.failed(name, &fetcher.SourceError{Source: v.Credentials.Username + " at " + v.Dialer.Addr(), Step: at, Err: err})
}

// open is the session up to where it can log in.
func (v *visit) open(ctx context.Context, capa bool) error {
	conn, err := v.Dialer.DialTold(ctx, v.dialed)
	if err != nil {
		return v.fails(stepOf(err), fetcher.StepConnect, err)
	}
	if t, ok := conn.(*tls.Conn); ok {
		v.encrypted(t.ConnectionState())
	}
	v.client = pop3.New(conn, pop3.Options{Timeout: v.Timeout, Trace: v.Trace})
	greeting, err := v.client.Greeting(ctx)
	if err != nil {
		return v.fails(StepGreeting, fetcher.StepGreeting, err)
	}
	v.passed(StepGreeting, greeting)
	if config := v.Dialer.StartTLSConfig(); config != nil {
		if err := v.startTLS(ctx, config); err != nil {
			return err
		}
	}
	if !capa {
		return nil
	}
	v.caps, err = v.client.Capa(ctx)
	var refused *pop3.Error
	switch {
	case err == nil, errors.As(err, &refused): // a server of before 1998
		return nil
	case errors.Is(err, io.ErrUnexpectedEOF):
		_ = v.client.Close()
		return errHungUp
	}
	return v.fails(StepLogin, fetcher.StepCapa, err)
}

func (v *visit) startTLS(ctx context.Context, config *tls.Config) error {
	if err := v.client.StartTLS(ctx, config); err != nil {
		return v.fails(StepTLS, fetcher.StepSTLS, err)
	}
	state, _ := v.client.TLS()
	v.encrypted(state)
	return nil
}

func (v *visit) login(ctx context.Context) error {
	beyondASCII := strings.ContainsFunc(v.Credentials.Username, func(r rune) bool { return r > 127 })
	if v.caps.Has("UTF8") && beyondASCII {
		_ = v.client.UTF8(ctx) // RFC 6856 2; if it is refused, then without
	}
	if err := v.client.Login(ctx, v.Credentials); err != nil {
		return v.fails(StepLogin, fetcher.StepLogin, err)
	}
	v.passed(StepLogin, "")
	return nil
}

func (v *visit) list(ctx context.Context) error {
	listing, err := v.client.Listing(ctx)
	if errors.Is(err, pop3.ErrNoUIDL) && v.client.Err() == nil {
		var entries []pop3.Entry
		if entries, err = v.client.List(ctx); err == nil {
			listing = pop3.Listing{Entries: entries}
		}
	}
	if err != nil {
		return v.fails(StepListing, fetcher.StepListing, err)
	}
	note := ""
	if v.Judge != nil {
		if note, err = v.Judge(listing); err != nil {
			return v.fails(StepListing, fetcher.StepListing, err)
		}
	}
	v.passed(StepListing, note)
	return nil
}
