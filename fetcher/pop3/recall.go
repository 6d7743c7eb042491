package pop3

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// OffersNothing is Facts.Offers of a server without CAPA.
const OffersNothing = "none"

// The words of Facts.Offers: those of CAPA that a session depends on before it can
// ask, and whether they were said under TLS.
const (
	wordCAPA       = "CAPA"
	wordTLS        = "TLS"
	wordUTF8       = "UTF8"
	wordPipelining = "PIPELINING"
)

// offersOf is Facts.Offers of a server that listed these capabilities in this session.
func (c *Client) offersOf(caps Capabilities) string {
	words := []string{wordCAPA}
	if _, secure := c.tlsState(); secure {
		words = append(words, wordTLS)
	}
	for _, w := range []string{wordUTF8, wordPipelining} {
		if caps.Has(w) {
			words = append(words, w)
		}
	}
	return strings.Join(words, " ")
}

// recall takes what is known of the server for its answer to CAPA, and reports whether
// anything is. What it said in clear does not count under TLS, nor the other way round.
// What is known must not hide what protects mail: EXPIRE and LOGIN-DELAY are announced
// after the login, too (RFC 2449 sections 6.5 and 6.7), where CAPA is asked for in each
// session. Nothing is recalled of a server that cannot be asked there. One that says them
// before the login only is heard once a day.
func (o *opener) recall(c *Client) bool {
	words := strings.Fields(o.Facts.Offers)
	_, secure := c.tlsState()
	switch {
	case o.Until == StepCapa || len(words) == 0 || o.Facts.Skip.has(CommandCapaAfterLogin):
		return false
	case o.Facts.Offers != OffersNothing && slices.Contains(words, wordTLS) != secure:
		return false
	}
	o.recalled = true
	c.caps = parseCapabilities(words...)
	return true
}

// remember notes what CAPA offers, for the next session to recall, now that this one is
// open. One that had to leave out a command has not shown all.
func (o *opener) remember(before Facts) {
	if !o.recalled && o.offers != "" && o.Facts.Skip == before.Skip {
		o.Facts.Offers = o.offers
	}
}

// compare takes back what is known where CAPA says otherwise after the login. UTF8 need
// not be among it then, for it can no longer be used (RFC 6856 section 2). A server that
// knows CAPA only then is not one without.
func (o *opener) compare(after Capabilities) {
	known := strings.Fields(o.Facts.Offers)
	switch {
	case !o.recalled && o.offers == OffersNothing:
		o.offers = ""
	case o.recalled && o.Facts.Offers == OffersNothing:
		o.Facts.Offers = ""
	case o.recalled && (after.Pipelining() != slices.Contains(known, wordPipelining) || after.Has(wordUTF8) && !slices.Contains(known, wordUTF8)):
		o.Facts.Offers = ""
	}
}

// mistaken looks into a login that failed after recall: what is known may no longer be
// so. It asks for CAPA then, once, and reports whether the method that was used is no
// longer there, so that another one is to be tried. A server that hung up is asked on a
// new connection: see inVain.
func (o *opener) mistaken(ctx context.Context, c *Client, m Method, err error) (retry bool) {
	var refused *Error
	var failed *mechanismError
	isRefused := errors.As(err, &refused)
	passes := isRefused && refused.passing()
	tooSoon := passes && refused.Kind() == KindTooOften && o.Facts.LoginDelay == 0 // CAPA tells how soon it may be
	switch {
	case !o.recalled || err == nil || ctx.Err() != nil, passes && !tooSoon:
		return false
	case !isRefused && !errors.As(err, &failed) && !unanswered(err):
		return false // it is not about the server
	}
	is := attempt{m, o.lists(m), err}
	o.recalled, o.Facts.Offers = false, ""
	_, secure := c.tlsState()
	switch {
	case !secure && !m.Reveals(): // CAPA may be forged in clear: it leads from no challenge to a password
		return false
	case c.Err() != nil:
		o.again = is.listed && o.Credentials.auto()
		o.unsure = is
		return false
	}
	caps, capaErr := c.capa(ctx)
	var unknown *Error
	if errors.As(capaErr, &unknown) && unknown.passing() || capaErr != nil && c.Err() != nil {
		return false
	}
	o.noteCapa(c, caps, capaErr == nil)
	return o.Credentials.auto() && !tooSoon && o.replaced(c, is)
}

// Recheck asks for the capabilities in a session for which Open has not, because the
// server is known to have no CAPA (OffersNothing): it may have it by now. The facts are
// those given with what was learnt, also after an error, which breaks the session; Skip
// has CommandCapaAfterLogin then if CAPA is why, and another session is to do without.
func (c *Client) Recheck(ctx context.Context, facts Facts) (Facts, error) {
	o := opener{Config: Config{Facts: facts}, recalled: true, capaCut: CommandCapaAfterLogin}
	o.Facts.Answered = 0
	err := o.capa(ctx, c, CommandCapaAfterLogin)
	return o.Facts, err
}

// attempt is a login that has failed.
type attempt struct {
	method Method
	listed bool // by CAPA, as far as was known
	err    error
}

// inVain is the login at which the connection before this one ended, unless CAPA shows
// now that what was known was wrong: it is not repeated then, for servers count logins
// that fail. The method is "" if there is none.
func (o *opener) inVain(c *Client) (Method, error) {
	was := o.unsure
	o.unsure = attempt{}
	if was.err == nil || o.replaced(c, was) {
		return "", nil
	}
	return was.method, was.err
}

// replaced reports whether the method of a login is no longer listed, and another one
// takes its turn.
func (o *opener) replaced(c *Client, a attempt) bool {
	next := o.method(c)
	return a.listed && !o.lists(a.method) && next != "" && next != a.method
}

// lists reports whether the server lists a login method, as far as is known.
func (o *opener) lists(m Method) bool {
	return slices.Contains(strings.Fields(o.Facts.Logins), string(m))
}

// noteCapa notes the answer to CAPA before the login; without listed the server does not
// know it (RFC 2449).
func (o *opener) noteCapa(c *Client, caps Capabilities, listed bool) {
	o.Facts.Answered |= CommandCapa
	o.Facts.Logins, o.offers = "", OffersNothing
	if listed {
		o.Facts.Logins, o.offers = caps.logins(), c.offersOf(caps)
		o.limits(caps, CommandCapa)
	}
}
