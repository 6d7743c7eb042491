package queue

import (
	"context"
	"errors"
)

// Attempt is what an attempt to open a session leaves for the next one.
type Attempt struct {
	// OtherLogin: a login failed, and another way of logging in was tried.
	OtherLogin bool
	// Refused is the token that was refused; "": none was.
	Refused string
}

// Attempted is the attempt itself, for the sessions that embed it.
func (a *Attempt) Attempted() Attempt { return *a }

// Opening is a session that is not open yet.
type Opening interface {
	// Connect connects and logs in. After a failure the connection is closed.
	Connect(context.Context) Failure
	// Attempted is how far it came, as far as the next attempt has to know.
	Attempted() Attempt
}

// Dial opens a session. start begins one on a new connection, which is told of the
// attempt before. There is one more try after a TLS handshake whose error asks for it,
// by a method NewConnection that returns true, and where the server hangs up after a
// login method that it offers and does not have, or a token that has ended.
func Dial[S Opening](ctx context.Context, start func(Attempt) S) (S, Failure) {
	s := start(Attempt{})
	fail := s.Connect(ctx)
	var again interface{ NewConnection() bool }
	if fail != nil && ctx.Err() == nil && errors.As(fail, &again) && again.NewConnection() {
		s = start(Attempt{})
		fail = s.Connect(ctx)
	}
	if before := s.Attempted(); fail != nil && ctx.Err() == nil && before.OtherLogin && hungUp(fail.Outcome().Code) {
		s = start(Attempt{Refused: before.Refused})
		fail = s.Connect(ctx)
	}
	return s, fail
}

// hungUp reports whether a server that said this, or nothing, has ended the session.
func hungUp(code int) bool { return code == 0 || code == 421 }
