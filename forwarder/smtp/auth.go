package smtp

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"

	"github.com/popferry/popferry/fetcher/login"
)

// login asks for the password and logs in. Some servers offer a method that they
// do not have, so the next one is tried then, each once. No method is weaker than
// another here: both send the password as it is.
func (s *session) login(ctx context.Context, c *gosmtp.Client) error {
	secret := ""
	if s.o.Secret != nil {
		var err error
		if secret, err = s.o.Secret(ctx); err != nil {
			return fmt.Errorf("password: %w", err)
		}
	}
	s.hide(secret)
	s.trace.loggingIn(true)
	defer s.trace.loggingIn(false)
	methods := s.methods()
	err := fmt.Errorf("%w (wanted: %s, offered: %s)", ErrNoAuth, s.o.Auth, cmp.Or(shown(nil, strings.Join(s.ext.auth, " ")), "none"))
	for _, m := range methods {
		if err = c.Auth(mechanism(m, s.o.Username, secret)); err == nil {
			s.quirk.loggedIn(m)
			return nil
		}
		if !methodRefused(err) || len(methods) == 1 {
			return err
		}
		s.quirk.refuseMethod(m)
		s.refusedAuth = append(s.refusedAuth, m)
	}
	return err
}

// methods are the login methods that are wanted and offered, in the order in
// which to try them: last those that the server was seen not to have.
func (s *session) methods() []Method {
	var methods, refused []Method
	for _, m := range []Method{Plain, Login} {
		switch {
		case s.o.Auth != Auto && s.o.Auth != m, !s.ext.offers(m):
		case s.quirk.methodRefused(m):
			refused = append(refused, m)
		default:
			methods = append(methods, m)
		}
	}
	return append(methods, refused...)
}

// methodRefused reports whether a login was refused for its method, not for the
// credentials, which are 535 (RFC 4954 4, 6): 504 5.7.4 as a rule, and 500 to 502
// by servers that do not know the command in this form. A status code about
// security says otherwise.
func methodRefused(err error) bool {
	var r *gosmtp.SMTPError
	if !errors.As(err, &r) {
		return false
	}
	e := r.EnhancedCode
	return r.Code >= 500 && r.Code <= 504 && r.Code != 503 && (e[1] != 7 || e[2] == 4)
}

// mechanism returns the SASL client for a method.
func mechanism(m Method, username, secret string) sasl.Client {
	if m == Login {
		return &loginClient{answers: []string{username, secret}}
	}
	return sasl.NewPlainClient("", username, secret)
}

// loginClient is the LOGIN mechanism. go-sasl's sends the name with the AUTH
// command and accepts only the challenge "Password:". Servers differ in both,
// but all of them ask for the name first and for the password second.
type loginClient struct {
	answers []string
}

// Start implements sasl.Client.
func (l *loginClient) Start() (string, []byte, error) { return sasl.Login, nil, nil }

// Next implements sasl.Client.
func (l *loginClient) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return []byte(answer), nil
}

// hide keeps the secret out of everything that is shown of the session, to its end:
// some servers repeat the line that they refuse, and some name it long after the
// login.
func (s *session) hide(secret string) {
	s.mask = new(login.Mask)
	s.mask.Hide(secret)
	s.mask.HideResponse([]byte("\x00" + s.o.Username + "\x00" + secret)) // RFC 4616
	if s.trace != nil {
		s.trace.mask = s.mask
	}
}
