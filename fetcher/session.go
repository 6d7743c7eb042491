package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
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
type Step = pop3.Step

// The steps of a session, in their order.
const (
	StepConnect  = pop3.StepConnect
	StepGreeting = pop3.StepGreeting
	StepSTLS     = pop3.StepSTLS
	StepCapa     = pop3.StepCapa
	StepLogin    = pop3.StepLogin
	StepListing  = pop3.StepListing
	StepRetr     = pop3.StepRetr
	StepTop      = pop3.StepTop
	StepDele     = pop3.StepDele
	StepQuit     = pop3.StepQuit
)

// session is one POP3 session after its login.
type session struct {
	*pop3.Client
	Source  Source
	Policy  identify.Policy
	Listing pop3.Listing
	Learnt  ledger.ServerFacts
	caps    pop3.Capabilities
	noUIDL  bool // UIDs of the listing are our own
	noTOP   bool // headers are read by RETR
	dele    bool // a deletion was asked for: only remove may send QUIT
	asked   bool // a message was asked for
	pipe    pipeline
	// loose are messages that a hiding server has given out and that are not
	// on disk yet. While there are any, no QUIT: it is what makes them vanish.
	loose int
}

// visit is what a session begins with.
type visit struct {
	Source   Source
	Policy   identify.Policy
	Learnt   ledger.ServerFacts // in earlier sessions
	Lockstep bool               // nothing is to be sent ahead
	Now      time.Time
}

// open connects, logs in and reads the listing. What it learns of the server
// is returned in any case. A server that hangs up on CAPA is asked once more,
// without, and so is one that wants UTF-8 mode for the login.
func (v visit) open(ctx context.Context) (*session, ledger.ServerFacts, error) {
	learnt := v.Learnt
	s, err := v.login(ctx)
	if again := s.Learnt; err != nil && ctx.Err() == nil && (again.NoCAPA != learnt.NoCAPA || again.UTF8 != learnt.UTF8) {
		v.Learnt = again
		s, err = v.login(ctx)
	}
	if err != nil {
		return nil, s.Learnt, err
	}
	s.Learnt.LastLogin, s.Learnt.BadLogins = v.Now, 0
	if err := s.list(ctx, v.Policy.Keep); err != nil {
		s.hangUp(ctx)
		return nil, s.Learnt, s.broken(s.Source.error(StepListing, err))
	}
	return s, s.Learnt, nil
}

// login takes a connection as far as the login. After an error the session is
// over, and only what it has learnt is of use.
func (v visit) login(ctx context.Context) (*session, error) {
	src := v.Source
	s := &session{Source: src, Policy: v.Policy, Learnt: v.Learnt, noTOP: v.Now.Before(v.Learnt.TopFailedAt.Add(lockstepFor))}
	s.pipe = pipeline{
		lockstep: v.Lockstep || v.Now.Before(v.Learnt.NoPipeliningSince.Add(lockstepFor)),
		marked:   v.Learnt.WrongSizes,
		dropped:  make(map[int]bool),
	}
	conn, err := src.Dial(ctx)
	if err != nil {
		return s, src.error(StepConnect, err)
	}
	s.Client = pop3.New(conn, pop3.Options{Timeout: src.Timeout, Trace: src.Trace})
	if err := s.begin(ctx); err != nil {
		s.hangUp(ctx)
		return s, err
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
	if err := s.utf8(ctx); err != nil {
		return src.error(StepLogin, err)
	}
	if err := s.Login(ctx, src.Credentials); err != nil {
		s.learnUTF8(err)
		return src.error(StepLogin, err)
	}
	return s.broken(s.afterLogin(ctx))
}

// afterLogin asks for the capabilities once more, and for the listing in the
// same breath.
func (s *session) afterLogin(ctx context.Context) error {
	if !s.pipelines() {
		return s.capabilities(ctx)
	}
	if err := s.send(ctx, pop3.CapaCommand(), pop3.UidlCommand(), pop3.ListCommand()); err != nil {
		return s.Source.error(StepCapa, err)
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
	var err error
	s.caps, err = s.Capa(ctx)
	var refused *pop3.Error
	switch {
	case errors.As(err, &refused):
		return nil // a server of before 1998
	case err != nil:
		s.Learnt.NoCAPA = s.Outstanding() == 0 && errors.Is(err, io.ErrUnexpectedEOF)
		return s.Source.error(StepCapa, err)
	}
	s.Learnt.LoginDelay, _ = s.caps.LoginDelay()
	days, never, ok := s.caps.Expire()
	s.Learnt.Expires, s.Learnt.ExpireDays = ok && !never && days == 0, 0
	if ok && !never {
		s.Learnt.ExpireDays = days
	}
	return nil
}

// utf8 turns UTF-8 mode on where it is offered and needed: for a user name
// beyond ASCII, or after a refusal that asked for it (RFC 6856 2 and 5).
func (s *session) utf8(ctx context.Context) error {
	ascii := !strings.ContainsFunc(s.Source.Credentials.Username, func(r rune) bool { return r > 127 })
	if !s.caps.Has("UTF8") || ascii && !s.Learnt.UTF8 {
		return nil
	}
	err := s.UTF8(ctx)
	var refused *pop3.Error
	if errors.As(err, &refused) {
		return nil // then without
	}
	return err
}

// learnUTF8 remembers that a refusal asked for UTF-8 mode.
func (s *session) learnUTF8(err error) {
	var refused *pop3.Error
	if errors.As(err, &refused) && refused.Code == "UTF8" && s.caps.Has("UTF8") {
		s.Learnt.UTF8 = true
	}
}

// hangUp ends a session that is of no use, politely if it still stands.
func (s *session) hangUp(ctx context.Context) {
	if s.Err() == nil && !s.dele && s.loose == 0 && s.Outstanding() == 0 && !s.given() {
		_ = s.Quit(ctx)
	}
	_ = s.Close()
}

// bye ends a session on whose end nothing hangs, without a wait for the answer.
func (s *session) bye(ctx context.Context) {
	_ = s.Ahead(ctx, pop3.QuitCommand())
	_ = s.Close()
}
