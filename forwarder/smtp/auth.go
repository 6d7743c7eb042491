package smtp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	gosmtp "github.com/emersion/go-smtp"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
)

// maxCommand is how long a command's line may be, in octets with its CRLF (RFC 5321
// 4.5.3.1.4). It holds for AUTH with an initial response, too (RFC 4954 4).
const maxCommand = 512

// login asks for the password or token and logs in. Where a token is refused, it is
// asked for once more: it may have ended in the meantime.
func (s *session) login(ctx context.Context, c *gosmtp.Client) *Error {
	s.mask = new(login.Mask)
	s.mask.Hide(s.Refused) // the server knows it, and this session does not yet
	if s.trace != nil {
		s.trace.mask = s.mask
	}
	s.trace.loggingIn(true)
	defer s.trace.loggingIn(false)
	secret, err := s.secret(ctx)
	if err != nil {
		return &Error{Stage: forwarder.StageAuth, Err: err}
	}
	fail := s.loginWith(c, secret)
	if fail == nil || s.Refused != "" || !fail.Token {
		return fail
	}
	s.Refused = secret
	fresh, err := s.secret(login.WithRefused(ctx, secret))
	switch {
	case err != nil:
		return &Error{Stage: forwarder.StageAuth, Err: err}
	case fresh == secret:
		return fail
	}
	s.OtherLogin = true
	return s.loginWith(c, fresh)
}

// secret asks for the password or token, if the method needs one.
func (s *session) secret(ctx context.Context) (string, error) {
	if s.o.Secret == nil || !s.o.Auth.Secret() {
		return "", nil
	}
	secret, err := s.o.Secret(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", login.SecretName(s.o.Token), err)
	}
	// Now and not only in a response: some servers repeat the line that they refuse,
	// and some name the secret long after the login.
	s.mask.Hide(secret)
	s.mask.HideResponse([]byte("\x00" + s.o.Username + "\x00" + secret)) // RFC 4616
	return secret, nil
}

// loginWith logs in. Some servers offer a method that they do not have, so the next
// one is tried then, each once.
func (s *session) loginWith(c *gosmtp.Client, secret string) *Error {
	methods := s.methods()
	fail := &Error{Stage: forwarder.StageAuth, Err: s.noMethod()}
	for _, m := range methods {
		if fail = s.loginBy(c, m, secret); fail == nil {
			s.quirk.LoggedIn(m)
			return nil
		}
		if !fail.refusesMethod() || len(methods) == 1 {
			return fail
		}
		s.quirk.RefuseMethod(m)
		s.OtherLogin = true
	}
	return fail
}

// noMethod is the error of a session without methods.
func (s *session) noMethod() error {
	if len(s.ext.auth) == 0 {
		return ErrNoAuth
	}
	return fmt.Errorf("%w (wanted: %s; offered: %s)", ErrNoMethod, login.Wanted(s.o.Auth, s.o.Token), shown(nil, strings.Join(s.ext.auth, " ")))
}

// methods are the login methods that are wanted and offered, in the order in
// which to try them: last those that the server was seen not to have.
func (s *session) methods() []login.Method {
	if s.o.Auth != login.Auto {
		if !s.ext.offers(s.o.Auth) {
			return nil
		}
		return []login.Method{s.o.Auth}
	}
	return login.RefusedLast(login.Order(s.ext.offers, login.Secure(s.conn), s.o.Token), s.quirk.MethodRefused)
}

// loginBy logs in by one method.
func (s *session) loginBy(c *gosmtp.Client, m login.Method, secret string) *Error {
	client, err := login.NewClient(m, s.o.Username, secret, s.mask)
	if err != nil {
		return &Error{Stage: forwarder.StageAuth, Err: &mechanismError{err.Error()}}
	}
	e := &exchange{Client: client}
	err = c.Auth(e)
	var refused *gosmtp.SMTPError
	switch {
	case err == nil && client.Proved():
		return nil
	case err == nil:
		err = fmt.Errorf("%w: the server did not prove that it knows the password", ErrProtocol)
	case e.failed(err):
		err = &mechanismError{fmt.Sprintf("AUTH %s: %s", m.Mechanism(), shown(s.mask, err.Error()))}
	case errors.As(err, &refused) && client.Explanation() != "":
		explained := *refused
		explained.Message += " " + client.Explanation()
		err = &explained
	}
	fail := s.failed(forwarder.StageAuth, err)
	fail.Token = fail.Code == 535 && (m == login.XOAuth2 || m == login.OAuthBearer) && !fail.refusesMethod()
	return fail
}

// refusesMethod reports whether a login failed for its method, not for the
// credentials: the server does not have it, or the mechanism cannot go on.
func (e *Error) refusesMethod() bool {
	var failed *mechanismError
	return errors.As(e.Err, &failed) || e.Outcome().RefusesMethod()
}

// mechanismError is why a mechanism could not go on, as it may be shown. The session
// stands.
type mechanismError struct{ text string }

func (e *mechanismError) Error() string { return e.text }

// exchange is a mechanism as go-smtp's client runs it.
type exchange struct {
	*login.Client
	first []byte // the initial response, if it is too long for the command
	err   error  // of the mechanism
}

// Start implements sasl.Client. An initial response that is too long for the line is
// left for the first challenge, which is empty then (RFC 4954 4).
func (e *exchange) Start() (name string, first []byte, err error) {
	name, first, err = e.Client.Start()
	e.err = err
	if len("AUTH ")+len(name)+1+base64.StdEncoding.EncodedLen(len(first))+2 > maxCommand {
		e.first, first = first, nil
	}
	return name, first, err
}

// Next implements sasl.Client.
func (e *exchange) Next(challenge []byte) (response []byte, err error) {
	if response, e.first = e.first, nil; response != nil {
		return response, nil
	}
	response, e.err = e.Client.Next(challenge)
	return response, e.err
}

// failed reports whether go-smtp has ended the exchange because of the mechanism, or
// of a challenge that is not base64.
func (e *exchange) failed(err error) bool {
	var corrupt base64.CorruptInputError
	return e.err != nil || errors.As(err, &corrupt)
}
