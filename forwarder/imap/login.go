package imap

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/fetcher/printable"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
)

// maxChallenges is how many a login may have.
const maxChallenges = 5

// errChallenges is for a server that never comes to an end.
var errChallenges = fmt.Errorf("%w: a login with more than %d challenges, which is the limit", wire.ErrProtocol, maxChallenges)

// mechanismError is why a mechanism could not go on, as it may be shown. The session
// stands.
type mechanismError struct{ text string }

func (e *mechanismError) Error() string { return e.text }

// login asks for the password or token and logs in. Where a token is refused, it is
// asked for once more: it may have ended in the meantime.
func (s *session) login(ctx context.Context) *Error {
	s.Hidden().Hide(s.Refused) // the server knows it, and this session does not yet
	secret, err := s.secret(ctx)
	if err != nil {
		return failed(forwarder.StageAuth, err)
	}
	fail := s.loginWith(secret)
	if fail == nil || s.Refused != "" || !fail.Token {
		return fail
	}
	s.Refused = secret
	fresh, err := s.secret(login.WithRefused(ctx, secret))
	switch {
	case err != nil:
		return failed(forwarder.StageAuth, err)
	case fresh == secret:
		return fail
	}
	s.OtherLogin = true
	return s.loginWith(fresh)
}

// secret asks for the password or token, if the method needs one. From then on it is
// hidden.
func (s *session) secret(ctx context.Context) (string, error) {
	if s.o.Secret == nil || !s.o.Auth.Secret() {
		return "", nil
	}
	secret, err := s.o.Secret(ctx)
	if err != nil {
		return "", fmt.Errorf("%s: %w", login.SecretName(s.o.Token), err)
	}
	s.Hidden().Hide(secret)
	s.Hidden().HideResponse([]byte("\x00" + s.o.Username + "\x00" + secret)) // RFC 4616
	return secret, nil
}

// loginWith logs in. Some servers offer a method that they do not have, so the next
// one is tried then, each once.
func (s *session) loginWith(secret string) *Error {
	methods := s.methods()
	for i, m := range methods {
		fail := s.loginBy(m, secret)
		if fail == nil {
			s.quirk.LoggedIn(m)
			return nil
		}
		if !fail.refusesMethod() || i == len(methods)-1 {
			return fail
		}
		s.quirk.RefuseMethod(m)
		s.OtherLogin = true
	}
	return failed(forwarder.StageAuth, s.noMethod())
}

// noMethod is the error of a session without methods.
func (s *session) noMethod() error {
	offered := s.offered()
	if offered == "" {
		return ErrNoAuth
	}
	return fmt.Errorf("%w (wanted: %s; offered: %s)", ErrNoMethod, login.Wanted(s.o.Auth, s.o.Token), offered)
}

// refusesMethod reports whether a login failed for its method, not for the
// credentials: the server does not have it, or the mechanism cannot go on.
func (e *Error) refusesMethod() bool {
	var failed *mechanismError
	return errors.As(e.Err, &failed) || e.Outcome().RefusesMethod()
}

// offered are the ways to log in that the server offers, for an error.
func (s *session) offered() string {
	var all []string
	for c := range s.caps() {
		if name, ok := strings.CutPrefix(c, "AUTH="); ok {
			all = append(all, name)
		}
	}
	if s.offers(login.Login) {
		all = append(all, "LOGIN")
	}
	return printable.Reply(strings.Join(all, " "))
}

// offers reports whether the server offers a method (RFC 9051 6.2).
func (s *session) offers(m login.Method) bool {
	caps := s.caps()
	if m == login.Login {
		return !caps.Has("LOGINDISABLED")
	}
	return m.Mechanism() != "" && caps.Has("AUTH="+m.Mechanism())
}

// methods are the login methods that are wanted and offered, in the order in
// which to try them: last those that the server was seen not to have.
func (s *session) methods() []login.Method {
	if s.o.Auth != login.Auto {
		if !s.offers(s.o.Auth) {
			return nil
		}
		return []login.Method{s.o.Auth}
	}
	return login.RefusedLast(login.Order(s.offers, login.Secure(s.Below()), s.o.Token), s.quirk.MethodRefused)
}

// loginBy logs in by one method.
func (s *session) loginBy(m login.Method, secret string) *Error {
	r, err := s.run(m, secret)
	var why *mechanismError
	switch {
	case errors.As(err, &why):
		return failed(forwarder.StageAuth, err)
	case err != nil:
		return s.broken(forwarder.StageAuth, err)
	case r.OK():
		return nil
	}
	fail := refused(translateLogin(r, s.Said(r)))
	fail.Token = fail.Code == 535 && (m == login.XOAuth2 || m == login.OAuthBearer)
	return fail
}

// run runs a method. The error is a *mechanismError, or the connection's.
func (s *session) run(m login.Method, secret string) (*wire.Response, error) {
	if m == login.Login {
		return s.loginCommand(s.o.Username, secret)
	}
	return s.authenticate(m, secret)
}

// authenticate runs AUTHENTICATE (RFC 9051 6.2.2). The initial response goes with
// the command where the server permits (RFC 4959), else it answers the first
// challenge. A mechanism that cannot go on cancels the command.
func (s *session) authenticate(m login.Method, secret string) (*wire.Response, error) {
	client, err := login.NewClient(m, s.o.Username, secret, s.Hidden())
	if err != nil {
		return nil, &mechanismError{err.Error()}
	}
	name, first, err := client.Start()
	if err != nil {
		return nil, &mechanismError{name + ": " + err.Error()}
	}
	c := &wire.Command{Wait: s.o.Timeout, Asking: true}
	line := "AUTHENTICATE " + name
	shown := line
	if caps := s.caps(); first != nil && (caps.Has("SASL-IR") || caps.Has("IMAP4REV2")) {
		line += " " + cmp.Or(base64.StdEncoding.EncodeToString(first), "=")
		shown += " " + login.Hidden
		first = nil
	}
	if err = s.Start(c, line, shown); err == nil {
		err = s.Flush()
	}
	for range maxChallenges {
		if err != nil {
			return nil, err
		}
		challenge, ok := s.Requested(c)
		if !ok {
			return s.concluded(c, client)
		}
		response := first
		if first = nil; response == nil {
			if response, err = respond(client, challenge); err != nil {
				return nil, s.cancel(c, name, err)
			}
		}
		err = s.answer(c, base64.StdEncoding.EncodeToString(response), login.Hidden)
	}
	return nil, cmp.Or(err, errChallenges)
}

// respond is the response to a challenge.
func respond(client *login.Client, challenge string) ([]byte, error) {
	octets, err := base64.StdEncoding.DecodeString(challenge)
	if err != nil {
		return nil, errors.New("the challenge is not base64")
	}
	return client.Next(octets)
}

// answer sends a line for which the server has asked.
func (s *session) answer(c *wire.Command, line, shown string) error {
	s.Ask(c)
	err := s.Line(line, shown)
	if err == nil {
		err = s.Flush()
	}
	return err
}

// concluded is the answer to the command, with what the mechanism knows: why a token
// was refused (RFC 7628 3.2.3), and whether the server is what it says.
func (s *session) concluded(c *wire.Command, client *login.Client) (*wire.Response, error) {
	r, err := s.Await(c)
	switch {
	case err != nil:
		return nil, err
	case r.OK() && !client.Proved():
		return nil, fmt.Errorf("%w: the server did not prove that it knows the password", ErrProtocol)
	case !r.OK() && client.Explanation() != "":
		r.Text += " " + client.Explanation()
	}
	return r, nil
}

// cancel ends a command that the mechanism failed in (RFC 9051 6.2.2). Its error may
// quote the server, which may quote the password.
func (s *session) cancel(c *wire.Command, name string, why error) error {
	if err := s.answer(c, "*", "*"); err != nil {
		return err
	}
	text := name + ": " + printable.Reply(s.Hidden().Text(why.Error()))
	r, err := s.Await(c)
	switch {
	case err != nil:
		return err
	case r.OK():
		return fmt.Errorf("%w: %s, and the server lets us in nevertheless", ErrProtocol, text)
	}
	return &mechanismError{text}
}

// loginCommand runs LOGIN (RFC 9051 6.2.3). What cannot be quoted goes as a
// literal.
func (s *session) loginCommand(username, secret string) (*wire.Response, error) {
	if wire.Quotable(username) && wire.Quotable(secret) {
		c := s.command(nil)
		err := s.Start(c, "LOGIN "+wire.Quote(username)+" "+wire.Quote(secret), "LOGIN ***")
		if err == nil {
			err = s.Flush()
		}
		if err != nil {
			return nil, err
		}
		return s.Await(c)
	}
	if strings.ContainsAny(username+secret, "\x00\r\n") {
		return nil, errors.New("the user name or password has a line end or NUL, which LOGIN cannot send")
	}
	c := &wire.Command{Wait: s.o.Timeout, Asking: true}
	err := s.Start(c, fmt.Sprintf("LOGIN {%d}", len(username)), "LOGIN ***")
	for i, part := range []string{fmt.Sprintf("%s {%d}", username, len(secret)), secret} {
		if err == nil {
			err = s.Flush()
		}
		if err != nil {
			return nil, err
		}
		if _, ok := s.Requested(c); !ok {
			return s.Await(c)
		}
		if i == 0 {
			s.Ask(c)
		}
		err = s.Line(part, "***")
	}
	if err == nil {
		err = s.Flush()
	}
	if err != nil {
		return nil, err
	}
	return s.Await(c)
}
