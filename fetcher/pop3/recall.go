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
func (o *opener) recall(c *Client) bool {
	words := strings.Fields(o.Facts.Offers)
	_, secure := c.tlsState()
	switch {
	case o.Until == StepCapa || len(words) == 0:
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
	case o.recalled && (after.Pipelining() != slices.Contains(known, wordPipelining) || after.Has(wordUTF8) && !slices.Contains(known, wordUTF8)):
		o.Facts.Offers = ""
	}
}

// mistaken looks into a login that failed after recall: what is known may no longer be
// so. It asks for CAPA then, once, and reports whether the method that was used is no
// longer there, so that another one is to be tried. A server that hung up is asked on a
// new connection.
func (o *opener) mistaken(ctx context.Context, c *Client, m Method, err error) (retry bool) {
	var refused *Error
	var failed *mechanismError
	isRefused := errors.As(err, &refused)
	switch {
	case !o.recalled || err == nil || ctx.Err() != nil, isRefused && refused.passing():
		return false
	case !isRefused && !errors.As(err, &failed) && !unanswered(err):
		return false // it is not about the server
	}
	o.recalled, o.Facts.Offers = false, ""
	_, secure := c.tlsState()
	switch {
	case !secure && !m.Reveals(): // CAPA may be forged in clear: it leads from no challenge to a password
		return false
	case c.Err() != nil:
		o.again = true
		return false
	}
	caps, capaErr := c.capa(ctx)
	var unknown *Error
	switch {
	case errors.As(capaErr, &unknown) && unknown.passing():
		return false
	case capaErr != nil && c.Err() != nil:
		o.again = isRefused && refused.Kind() == KindProtocol // else the same might be refused twice
		return false
	}
	o.noteCapa(c, caps, capaErr == nil)
	if !o.Credentials.auto() || slices.Contains(methods(o.Facts.Logins, secure, o.Credentials.Token), m) {
		return false
	}
	return o.method(c) != ""
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
