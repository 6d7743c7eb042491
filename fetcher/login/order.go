package login

import "slices"

// Under TLS the password is safe, so the methods that every server gets right
// come first. In clear, those that do not reveal it come first.
var (
	orderTLS       = []Method{Plain, User, Login, SCRAMSHA256, SCRAMSHA1, CRAMMD5}
	orderChallenge = []Method{SCRAMSHA256, SCRAMSHA1, CRAMMD5}
	orderClear     = []Method{Plain, User, Login}
	// Microsoft has XOAUTH2 only, Google has both.
	orderToken = []Method{XOAuth2, OAuthBearer}
)

// Order returns the methods for Auto that a server offers, in the order in which to
// try them. Where the connection has no TLS, a server that offers methods that do
// not reveal the password gets no other: anyone in between could else have it by
// refusing them. APOP is never chosen, because many servers greet with a timestamp
// and refuse it, nor is External, which needs a certificate.
func Order(offered func(Method) bool, secure, token bool) []Method {
	among := func(order []Method) []Method {
		return slices.DeleteFunc(slices.Clone(order), func(m Method) bool { return !offered(m) })
	}
	if token {
		return among(orderToken)
	}
	if secure {
		return among(orderTLS)
	}
	if safe := among(orderChallenge); len(safe) > 0 {
		return safe
	}
	return among(orderClear)
}

// Wanted names the methods that may be used where m is configured, for an error.
func Wanted(m Method, token bool) string {
	switch {
	case m != Auto:
		return string(m)
	case token:
		return "xoauth2 or oauthbearer"
	}
	return "one with a password"
}

// RefusedLast puts methods that a server has refused before behind the others.
func RefusedLast(methods []Method, refused func(Method) bool) []Method {
	first := slices.DeleteFunc(slices.Clone(methods), refused)
	for _, m := range methods {
		if refused(m) {
			first = append(first, m)
		}
	}
	return first
}

// Reveals reports whether a method shows the password to whoever reads the
// connection.
func (m Method) Reveals() bool { return slices.Contains(orderClear, m) }
