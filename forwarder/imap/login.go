package imap

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"

	"github.com/popferry/popferry/fetcher/printable"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
)

// maxChallenges is how many a login may have.
const maxChallenges = 5

// mechanisms are the SASL names of the methods; Login is a command.
var mechanisms = map[Method]string{Plain: "PLAIN", XOAuth2: "XOAUTH2", OAuthBearer: sasl.OAuthBearer}

// login asks for the password or token and logs in. Some servers offer a method
// that they do not have, so the next one is tried then, each once. No method is
// weaker than another here: all send the secret as it is.
func (s *session) login(ctx context.Context) *Error {
	secret := ""
	if s.o.Secret != nil {
		var err error
		if secret, err = s.o.Secret(ctx); err != nil {
			return failed(forwarder.StageAuth, fmt.Errorf("password: %w", err))
		}
	}
	s.Hidden().Hide(secret)
	s.Hidden().HideResponse([]byte("\x00" + s.o.Username + "\x00" + secret)) // RFC 4616
	methods := s.methods()
	for i, m := range methods {
		r, err := s.loginBy(m, secret)
		switch {
		case err != nil:
			return s.broken(forwarder.StageAuth, err)
		case r.OK():
			s.quirk.loggedIn(m)
			return nil
		}
		fail := refused(translateLogin(r, s.Said(r)))
		if s.o.Token && fail.Code == 535 {
			fail.Err = ErrToken
		}
		if !fail.methodRefused() || i == len(methods)-1 {
			return fail
		}
		s.quirk.refuseMethod(m)
		s.refusedAuth = append(s.refusedAuth, m)
	}
	return failed(forwarder.StageAuth, fmt.Errorf("%w (wanted: %s, offered: %s)", ErrNoAuth, s.o.Auth, s.offered()))
}

// methodRefused reports whether a login was refused for its method, not for the
// credentials.
func (e *Error) methodRefused() bool { return e.Code == 504 }

// offered are the ways to log in that the server offers, for an error.
func (s *session) offered() string {
	var all []string
	for c := range s.caps() {
		if name, ok := strings.CutPrefix(c, "AUTH="); ok {
			all = append(all, name)
		}
	}
	if s.offers(Login) {
		all = append(all, "LOGIN")
	}
	return cmp.Or(printable.Reply(strings.Join(all, " ")), "none")
}

// offers reports whether the server offers a method (RFC 9051 6.2).
func (s *session) offers(m Method) bool {
	caps := s.caps()
	if m == Login {
		return !caps.Has("LOGINDISABLED")
	}
	return caps.Has("AUTH=" + mechanisms[m])
}

// methods are the login methods that are wanted and offered, in the order in
// which to try them: last those that the server was seen not to have.
func (s *session) methods() []Method {
	wanted := []Method{s.o.Auth}
	switch {
	case s.o.Auth == Auto && s.o.Token:
		wanted = []Method{XOAuth2, OAuthBearer}
	case s.o.Auth == Auto:
		wanted = []Method{Plain, Login}
	}
	var methods, refused []Method
	for _, m := range wanted {
		switch {
		case !s.offers(m):
		case s.quirk.methodRefused(m):
			refused = append(refused, m)
		default:
			methods = append(methods, m)
		}
	}
	return append(methods, refused...)
}

// loginBy logs in by one method. The error is the connection's.
func (s *session) loginBy(m Method, secret string) (*wire.Response, error) {
	switch m {
	case Login:
		return s.loginCommand(s.o.Username, secret)
	case XOAuth2:
		return s.authenticate(mechanisms[m], xoauth2(s.o.Username, secret), "")
	case OAuthBearer:
		return s.authenticate(mechanisms[m], oauthBearer(s.o.Username, secret), "\x01")
	default:
		_, first, err := sasl.NewPlainClient("", s.o.Username, secret).Start()
		if err != nil {
			return nil, err
		}
		return s.authenticate(mechanisms[m], string(first), "")
	}
}

// xoauth2 is the response of Google's and Microsoft's XOAUTH2.
func xoauth2(username, token string) string {
	return "user=" + username + "\x01auth=Bearer " + token + "\x01\x01"
}

// oauthBearer is the response of OAUTHBEARER (RFC 7628 3.1).
func oauthBearer(username, token string) string {
	_, first, _ := sasl.NewOAuthBearerClient(&sasl.OAuthBearerOptions{Username: username, Token: token}).Start() // never fails
	return string(first)
}

// authenticate runs AUTHENTICATE (RFC 9051 6.2.2) with a mechanism that has one
// response; it goes with the command where the server permits (RFC 4959). A server
// that refuses a token says why in a challenge, and NO only after an answer to it
// (RFC 7628 3.2.3).
func (s *session) authenticate(mechanism, first, after string) (*wire.Response, error) {
	c := &wire.Command{Wait: s.o.Timeout, Asking: true}
	line := "AUTHENTICATE " + mechanism
	shown := line
	answers := []string{first}
	if caps := s.caps(); caps.Has("SASL-IR") || caps.Has("IMAP4REV2") {
		line += " " + cmp.Or(base64.StdEncoding.EncodeToString([]byte(first)), "=")
		shown += " ***"
		answers = nil
	}
	err := s.Start(c, line, shown)
	if err == nil {
		err = s.Flush()
	}
	why := ""
	for range maxChallenges {
		if err != nil {
			return nil, err
		}
		challenge, ok := s.Requested(c)
		if !ok {
			r, err := s.Await(c)
			if err == nil && why != "" {
				r.Text += " " + why
			}
			return r, err
		}
		answer := after
		if len(answers) > 0 {
			answer, answers = answers[0], nil
		} else if octets, err := base64.StdEncoding.DecodeString(challenge); err == nil {
			why = string(octets)
		}
		s.Ask(c)
		if err = s.Line(base64.StdEncoding.EncodeToString([]byte(answer)), "***"); err == nil {
			err = s.Flush()
		}
	}
	return nil, cmp.Or(err, errChallenges)
}

// errChallenges is for a server that never comes to an end.
var errChallenges = fmt.Errorf("%w: a login with more than %d challenges, which is the limit", wire.ErrProtocol, maxChallenges)

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
