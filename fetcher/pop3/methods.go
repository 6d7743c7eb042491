package pop3

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/popferry/popferry/fetcher/login"
)

// maxLogins is how many login methods an Open tries. Servers lock out clients that
// fail too often.
const maxLogins = 4

// login turns UTF-8 mode on and logs in. Where a token is refused, it is asked for
// once more: it may have ended in the meantime.
func (o *opener) login(ctx context.Context, c *Client) error {
	utf8, err := o.utf8(ctx, c)
	if err != nil {
		return err
	}
	cr := o.Credentials
	cr.Secret = once(cr.Secret)
	err = o.loginWith(ctx, c, cr, utf8, true)
	if o.again || o.renewed || !cr.refusesToken(err) {
		return err
	}
	o.renewed = true
	token, _ := cr.Secret(ctx) // which was refused
	fresh, failed := o.Credentials.secret(login.WithRefused(ctx, token))
	switch {
	case failed != nil:
		return failed
	case fresh == token:
		return err
	}
	clear(o.tried) // the token was refused, not the method
	if c.Err() != nil {
		o.again = true
		return err
	}
	cr.Secret = func(context.Context) (string, error) { return fresh, nil }
	return o.loginWith(ctx, c, cr, utf8, false)
}

// refusesToken reports whether the server refused the login, and the token may be why.
func (cr Credentials) refusesToken(err error) bool {
	var refused *Error
	return cr.Token && errors.As(err, &refused) && (refused.Kind() == KindCredentials || refused.unexplained())
}

// loginWith logs in. With MethodAuto, a method that turns out not to be there is
// followed by the next, in the same session where it still stands; see fallsBack.
// first means that the session has refused no login yet.
func (o *opener) loginWith(ctx context.Context, c *Client, cr Credentials, utf8, first bool) error {
	for ; ; first = false {
		m, err := o.inVain(c)
		if cr.Method = cmp.Or(m, o.method(c)); err == nil {
			err = c.login(ctx, cr)
		}
		var refused *Error
		o.loginAnswered = err == nil || errors.As(err, &refused)
		switch {
		case err == nil:
			o.noteRefused(cr.Method)
			return nil
		case o.mistaken(ctx, c, cr.Method, err):
			continue
		case o.again:
			return err
		case refused != nil && refused.Code == "UTF8" && c.caps.Has("UTF8") && !utf8 && !o.Facts.UTF8:
			o.Facts.UTF8, o.again = true, true
			return err
		case !first && unanswered(err) && ctx.Err() == nil: // the server ended the session after it had refused a login
			o.again = true
			return err
		case !o.fallsBack(ctx, cr.Method, err):
			return noMethod(err)
		}
		o.tried[cr.Method] = true
		switch {
		case o.method(c) == "" || len(o.tried) == maxLogins:
			return noMethod(err)
		case c.Err() != nil:
			o.again = true
			return err
		}
	}
}

// noMethod adds to the error of the last method that it is about the method, if the
// server says so.
func noMethod(err error) error {
	var refused *Error
	if errors.As(err, &refused) && refused.Kind() == KindProtocol {
		return fmt.Errorf("%w: %w", ErrMethod, err)
	}
	return err
}

// utf8 turns UTF-8 mode on wherever it is offered, and reports whether it is on
// (RFC 6856 section 2.1). Outside of that mode a server gives out messages with
// UTF-8 in their headers in another form: Courier packs all that have octets above
// 127 there into a message of its own. In it user names and passwords may be UTF-8
// too; others are sent as they are.
func (o *opener) utf8(ctx context.Context, c *Client) (on bool, err error) {
	if !c.caps.Has("UTF8") || o.Facts.Skip.has(CommandUTF8) && !o.Facts.UTF8 {
		return false, nil
	}
	err = c.utf8(ctx)
	var refused *Error
	switch {
	case err == nil:
		o.Facts.Answered |= CommandUTF8
		return true, nil
	case errors.As(err, &refused):
		o.Facts.Skip |= CommandUTF8
		return false, nil
	}
	o.leaveOut(c, CommandUTF8, err)
	return false, err
}

// once is a Secret that is asked at most once.
func once(secret func(context.Context) (string, error)) func(context.Context) (string, error) {
	if secret == nil {
		return nil
	}
	var known *string
	return func(ctx context.Context) (string, error) {
		if known != nil {
			return *known, nil
		}
		s, err := secret(ctx)
		if err == nil {
			known = &s
		}
		return s, err
	}
}

// method is the next method to be tried: those that were refused in earlier
// sessions come last. It is "" if all were tried.
func (o *opener) method(c *Client) Method {
	cr := o.Credentials
	if !cr.auto() {
		if o.tried[cr.Method] {
			return ""
		}
		return cr.Method
	}
	_, secure := c.tlsState()
	refused := strings.Fields(o.Facts.Refused)
	last := Method("")
	for _, m := range methods(o.Facts.Logins, secure, cr.Token) {
		switch {
		case o.tried[m]:
		case !slices.Contains(refused, string(m)):
			return m
		case last == "":
			last = m
		}
	}
	return last
}

// fallsBack reports whether a method failed for another reason than the
// credentials, so that the next one may be tried: the server does not know it, or
// refused it without a word about the reason, or cannot go through with it, or does
// not answer. A refusal of the password itself is believed, and servers that are
// asked too often hang up.
func (o *opener) fallsBack(ctx context.Context, m Method, err error) bool {
	var refused *Error
	var failed *mechanismError
	switch {
	case !o.Credentials.auto() || ctx.Err() != nil:
		return false
	case errors.As(err, &failed):
		return true
	case errors.As(err, &refused):
		return refused.Kind() == KindProtocol || refused.unexplained() && refused.Command != "PASS"
	}
	return m.Mechanism() != "" && errors.Is(err, os.ErrDeadlineExceeded)
}

// noteRefused notes the methods that failed, now that another has worked.
func (o *opener) noteRefused(worked Method) {
	known := strings.Fields(o.Facts.Refused)
	for m := range o.tried {
		if !slices.Contains(known, string(m)) {
			known = append(known, string(m))
		}
	}
	known = slices.DeleteFunc(known, func(m string) bool { return m == string(worked) })
	slices.Sort(known)
	o.Facts.Refused = strings.Join(known, " ")
}

// methods are those for MethodAuto, in the order in which they are tried: what is
// listed, as in login.Order, and USER and PASS, because many servers do not list
// them, and those without CAPA have nothing else. Where no mechanism of AUTH is
// listed, PLAIN and LOGIN follow. With a token it is XOAUTH2 unless only OAUTHBEARER
// is listed.
func methods(listed string, secure, token bool) []Method {
	words := strings.Fields(listed)
	all := login.Order(func(m Method) bool { return slices.Contains(words, string(m)) }, secure, token)
	switch {
	case token && len(all) == 0:
		return []Method{MethodXOAuth2}
	case token, !secure && len(all) > 0 && !all[0].Reveals():
		return all
	}
	if !slices.Contains(all, MethodUser) {
		all = append(all, MethodUser)
	}
	if len(words) == 0 || listed == string(MethodUser) {
		all = append(all, MethodPlain, MethodLogin)
	}
	return all
}
