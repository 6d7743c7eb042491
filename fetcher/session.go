package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// SourceError is a failure of the POP3 side: what was tried where, and what
// came of it.
type SourceError struct {
	Source string // user and address
	Step   Step
	Err    error
}

func (e *SourceError) Error() string {
	if e.Step == StepConnect {
		return e.Err.Error() // it names the address and how far it came
	}
	return fmt.Sprintf("%s (%s): %v", e.Step, e.Source, e.Err)
}

func (e *SourceError) Unwrap() error { return e.Err }

// error is a failure at this source.
func (s Source) error(step Step, err error) error {
	return &SourceError{Source: s.Credentials.Username + " at " + s.Addr, Step: step, Err: err}
}

// Step is a part of a POP3 session.
type Step string

// The steps of a session, in their order.
const (
	StepConnect  Step = "connect"
	StepGreeting Step = "greeting"
	StepSTLS     Step = "STLS"
	StepCapa     Step = "CAPA"
	StepLogin    Step = "login"
	StepListing  Step = "listing"
	StepRetr     Step = "RETR"
	StepTop      Step = "TOP"
	StepDele     Step = "DELE"
	StepQuit     Step = "QUIT"
)

// session is one POP3 session after its login.
type session struct {
	*pop3.Client
	Source  Source
	Listing pop3.Listing
	Learnt  ledger.Server
}

// open connects, logs in and reads the listing. A server that hangs up on
// CAPA is asked once more, without, and that is remembered.
func open(ctx context.Context, src Source, learnt ledger.Server, now time.Time) (*session, error) {
	s, err := login(ctx, src, learnt)
	var se *SourceError
	if errors.As(err, &se) && se.Step == StepCapa && !learnt.NoCAPA && ctx.Err() == nil {
		learnt.NoCAPA = true
		s, err = login(ctx, src, learnt)
	}
	if err != nil {
		return nil, err
	}
	s.Learnt.LastLogin = now
	if s.Listing, err = s.Client.Listing(ctx); err == nil && s.Listing.Junk > 0 && len(s.Listing.Entries) == 0 {
		err = &pop3.ProtocolError{Command: "UIDL", Text: "no line of the listing makes sense"}
	}
	if err != nil {
		s.hangUp(ctx)
		return nil, src.error(StepListing, err)
	}
	return s, nil
}

// login takes a connection as far as the login.
func login(ctx context.Context, src Source, learnt ledger.Server) (*session, error) {
	conn, err := src.Dial(ctx)
	if err != nil {
		return nil, src.error(StepConnect, err)
	}
	s := &session{Client: pop3.New(conn, pop3.Options{Timeout: src.Timeout}), Source: src, Learnt: learnt}
	if err := s.begin(ctx); err != nil {
		s.hangUp(ctx)
		return nil, err
	}
	return s, nil
}

// begin is the dialogue up to the login and the capabilities behind it.
func (s *session) begin(ctx context.Context) error {
	src := s.Source
	if _, err := s.Greeting(ctx); err != nil {
		return src.error(StepGreeting, err)
	}
	if src.StartTLS != nil {
		// Not asked first whether it is offered: it is demanded, and an answer
		// in clear could be forged either way.
		if err := s.StartTLS(ctx, src.StartTLS); err != nil {
			return src.error(StepSTLS, err)
		}
	}
	if err := s.capabilities(ctx); err != nil {
		return err
	}
	if err := s.Login(ctx, src.Credentials); err != nil {
		return src.error(StepLogin, err)
	}
	return s.capabilities(ctx)
}

// capabilities asks for them where the server stands it: before the login for
// the mechanisms, after it because some lists and limits differ then
// (RFC 2449 5 and 6.5).
func (s *session) capabilities(ctx context.Context) error {
	if s.Learnt.NoCAPA {
		return nil
	}
	caps, err := s.Capa(ctx)
	var refused *pop3.Error
	switch {
	case errors.As(err, &refused):
		return nil // a server of before 1998
	case err != nil:
		return s.Source.error(StepCapa, err)
	}
	s.Learnt.LoginGap, _ = caps.LoginDelay()
	days, never, ok := caps.Expire()
	s.Learnt.Expires = ok && !never && days == 0
	return nil
}

// hangUp ends a session that is of no use, politely if it still stands.
func (s *session) hangUp(ctx context.Context) {
	if s.Err() == nil {
		_ = s.Quit(ctx) // nothing was deleted in it
	}
	_ = s.Close()
}

// asking is RETR, or TOP for the header alone.
type asking func(ctx context.Context, number int) (*pop3.Body, error)

// Top0 asks for the header of a message (RFC 1939 7, TOP).
func (s *session) Top0(ctx context.Context, number int) (*pop3.Body, error) {
	return s.Top(ctx, number, 0)
}

// print is the fingerprint of a message by its header, "" if the server won't
// show it. Its error is that of a broken session.
func (s *session) print(ctx context.Context, ask asking, number int) (string, error) {
	body, err := ask(ctx, number)
	if err == nil {
		in := intake{w: io.Discard}
		if _, err = io.Copy(&in, body); err == nil {
			return in.header().print(), nil
		}
	}
	if broken := s.Err(); broken != nil {
		return "", s.Source.error(StepTop, broken)
	}
	return "", nil
}
