package pop3

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Method is a way to log in.
type Method string

// The methods, by the words of the configuration.
const (
	MethodAuto  Method = "auto"  // the best that is offered and safe
	MethodPlain Method = "plain" // SASL PLAIN (RFC 4616)
	MethodLogin Method = "login" // SASL LOGIN (draft-murchison-sasl-login)
	MethodUser  Method = "user"  // USER and PASS (RFC 1939 section 7)
)

// Credentials are what a login needs.
type Credentials struct {
	Method   Method // "" is MethodAuto
	Username string
	// Secret gives the password or token. It is asked once for each login,
	// and not before it is known how to log in.
	Secret func(context.Context) (string, error)
}

// Login logs in. MethodAuto goes by the capabilities that Capa last read:
// SASL PLAIN where it is offered, else USER and PASS. A refusal is an *Error
// whose Kind tells wrong credentials from a server that is busy; the session
// can go on to Quit. A method that cannot be used here is an ErrMethod, with
// nothing sent. Whether the password may go out in clear is for the caller to
// decide, before New. What was known of the capabilities is forgotten after a
// login: they may be others now.
func (c *Client) Login(ctx context.Context, cr Credentials) error {
	leave, err := c.enter(ctx, "login")
	if err != nil {
		return err
	}
	defer leave()
	method, err := c.choose(cr.Method)
	if err != nil {
		return err
	}
	secret, err := cr.secret(ctx)
	if err != nil {
		return err
	}
	c.hide(secret)
	defer func() { c.secrets = nil }()
	if err := c.login(method, cr.Username, secret); err != nil {
		return err
	}
	c.caps = Capabilities{}
	return nil
}

// secret asks for the password or token.
func (cr Credentials) secret(ctx context.Context) (string, error) {
	if cr.Secret == nil {
		return "", errors.New("login: no password was given")
	}
	s, err := cr.Secret(ctx)
	if err != nil {
		return "", fmt.Errorf("login: getting the password: %w", err)
	}
	return s, nil
}

// choose settles the method.
func (c *Client) choose(m Method) (Method, error) {
	switch m {
	case "", MethodAuto:
		if c.caps.offers("PLAIN") {
			return MethodPlain, nil
		}
		return MethodUser, nil
	case MethodPlain, MethodLogin, MethodUser:
		return m, nil
	}
	return "", fmt.Errorf("%w: %q is unknown", ErrMethod, string(m))
}

// login logs in by a method that is settled.
func (c *Client) login(m Method, username, secret string) error {
	if m == MethodUser {
		return c.userPass(username, secret)
	}
	return c.authenticate(mechanism(m, username, secret))
}

// userPass logs in by USER and PASS (RFC 1939 section 7). A password may
// contain spaces: it is the rest of the line.
func (c *Client) userPass(username, password string) error {
	if _, err := c.exchange(pending{name: "USER"}, "USER "+username); err != nil {
		return err
	}
	_, err := c.exchange(pending{name: "PASS"}, "PASS "+password)
	return err
}

// hide keeps words out of the texts of errors.
func (c *Client) hide(secrets ...string) {
	for _, s := range secrets {
		if strings.TrimSpace(s) != "" {
			c.secrets = append(c.secrets, s)
		}
	}
}
