package pop3

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/popferry/popferry/fetcher/login"
)

// Credentials are what a login needs.
type Credentials struct {
	Method   Method // "" is MethodAuto
	Username string
	// Secret returns the password, or the access token for MethodXOAuth2 and
	// MethodOAuthBearer. It is called once for each connection that comes to
	// the login, once more where a token is refused (login.Refused), and not at all
	// for MethodExternal.
	Secret func(context.Context) (string, error)
	// Token means that Secret returns an access token: MethodAuto is then
	// XOAUTH2 or OAUTHBEARER.
	Token bool
}

// login logs in by one method. MethodAuto is the first of methods. User names and
// passwords are octets, in whatever encoding they are. A refusal is an *Error
// whose Kind distinguishes wrong credentials from a busy server; the session can
// go on to Quit. A method that cannot be used in this session is an ErrMethod,
// and nothing was sent. Whether a password may be sent in clear is for the
// caller to decide, before Open. A login forgets the capabilities, because they
// may be others now.
func (c *Client) login(ctx context.Context, cr Credentials) error {
	release, err := c.acquire(ctx, "login")
	if err != nil {
		return err
	}
	defer release()
	method, err := c.choose(cr)
	if err != nil {
		return err
	}
	var secret string
	if method.Secret() {
		if secret, err = cr.secret(ctx); err != nil {
			return err
		}
	}
	if strings.ContainsRune(cr.Username+secret, 0) {
		return fmt.Errorf("login: %w", errLine)
	}
	c.mask.Hide(secret) // for the whole session: servers name it in later replies, too
	if err := c.loginBy(method, cr.Username, secret); err != nil {
		return err
	}
	c.caps = Capabilities{}
	return nil
}

// secret asks for the password or token.
func (cr Credentials) secret(ctx context.Context) (string, error) {
	if cr.Secret == nil {
		return "", errors.New("login: no password")
	}
	s, err := cr.Secret(ctx)
	if err != nil {
		return "", fmt.Errorf("login: getting the %s: %w", login.SecretName(cr.Token), err)
	}
	return s, nil
}

// loginBy logs in by the chosen method.
func (c *Client) loginBy(m Method, username, secret string) error {
	switch m {
	case MethodUser:
		return c.userPass(username, secret)
	case MethodAPOP:
		return c.apop(username, secret)
	}
	mech, err := login.NewClient(m, username, secret, &c.mask)
	if err != nil {
		return &mechanismError{fmt.Errorf("login: %w", err)}
	}
	return c.authenticate(mech)
}

// userPass logs in by USER and PASS (RFC 1939 section 7). A password may
// contain spaces: it is the rest of the line.
func (c *Client) userPass(username, password string) error {
	if strings.ContainsAny(password, "\r\n") {
		return fmt.Errorf("PASS: %w", errLine) // before USER is sent
	}
	if _, err := c.exchange(pending{name: "USER"}, "USER "+username); err != nil {
		return err
	}
	_, err := c.exchange(pending{name: "PASS"}, "PASS "+password)
	return err
}

// timestamp matches what a greeting contains if the server has APOP.
var timestamp = regexp.MustCompile(`<[^<>@\s]+@[^<>@\s]+>`)

// apop logs in by APOP (RFC 1939 section 7): an MD5 of the greeting's
// timestamp and the password.
func (c *Client) apop(username, password string) error {
	stamp := timestamp.FindString(c.banner)
	if stamp == "" {
		return fmt.Errorf("%w: apop: the greeting has no timestamp", ErrMethod)
	}
	sum := md5.Sum([]byte(stamp + password))
	digest := hex.EncodeToString(sum[:])
	c.mask.Hide(digest)
	_, err := c.exchange(pending{name: "APOP"}, "APOP "+username+" "+digest)
	return err
}

// Method is a way to log in.
type Method = login.Method

// The methods; see package login.
const (
	MethodAuto        = login.Auto
	MethodPlain       = login.Plain
	MethodLogin       = login.Login
	MethodUser        = login.User
	MethodAPOP        = login.APOP
	MethodCRAMMD5     = login.CRAMMD5
	MethodSCRAMSHA1   = login.SCRAMSHA1
	MethodSCRAMSHA256 = login.SCRAMSHA256
	MethodXOAuth2     = login.XOAuth2
	MethodOAuthBearer = login.OAuthBearer
	MethodExternal    = login.External
)

// choose returns the method to use: the first of methods for MethodAuto.
func (c *Client) choose(cr Credentials) (Method, error) {
	m := cr.Method
	if cr.auto() {
		_, secure := c.tlsState()
		return methods(c.caps.logins(), secure, cr.Token)[0], nil
	}
	if m.Mechanism() == "" && m != MethodUser && m != MethodAPOP {
		return "", fmt.Errorf("%w: %q is not a login method", ErrMethod, string(m))
	}
	return m, nil
}

// auto reports whether the method is for popferry to choose.
func (cr Credentials) auto() bool { return cr.Method == "" || cr.Method == MethodAuto }
