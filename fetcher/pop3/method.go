package pop3

import "fmt"

// Method is a way to log in.
type Method string

// The methods, by the words of the configuration.
const (
	MethodAuto        Method = "auto"          // the best that is offered and safe here
	MethodPlain       Method = "plain"         // PLAIN (RFC 4616)
	MethodLogin       Method = "login"         // LOGIN (draft-murchison-sasl-login)
	MethodUser        Method = "user"          // USER and PASS (RFC 1939 section 7)
	MethodAPOP        Method = "apop"          // APOP (RFC 1939 section 7)
	MethodCRAMMD5     Method = "cram-md5"      // CRAM-MD5 (RFC 2195)
	MethodSCRAMSHA1   Method = "scram-sha-1"   // SCRAM-SHA-1 (RFC 5802)
	MethodSCRAMSHA256 Method = "scram-sha-256" // SCRAM-SHA-256 (RFC 7677)
	MethodXOAuth2     Method = "xoauth2"       // XOAUTH2, of Google and Microsoft
	MethodOAuthBearer Method = "oauthbearer"   // OAUTHBEARER (RFC 7628)
	MethodExternal    Method = "external"      // EXTERNAL (RFC 4422 appendix A), by TLS's client certificate
)

// saslNames are the names of the methods that AUTH knows.
var saslNames = map[Method]string{
	MethodPlain: "PLAIN", MethodLogin: "LOGIN", MethodCRAMMD5: "CRAM-MD5", MethodSCRAMSHA1: "SCRAM-SHA-1",
	MethodSCRAMSHA256: "SCRAM-SHA-256", MethodXOAuth2: "XOAUTH2", MethodOAuthBearer: "OAUTHBEARER", MethodExternal: "EXTERNAL",
}

// Under TLS the password is safe, and what every server gets right comes
// first. In clear it must not be readable on the way, if that can be had.
var (
	orderTLS   = []Method{MethodPlain, MethodUser, MethodLogin, MethodSCRAMSHA256, MethodSCRAMSHA1, MethodCRAMMD5}
	orderClear = []Method{MethodSCRAMSHA256, MethodSCRAMSHA1, MethodCRAMMD5, MethodPlain, MethodUser, MethodLogin}
	// With a token: Microsoft has XOAUTH2 only, Google has both.
	orderToken = []Method{MethodXOAuth2, MethodOAuthBearer}
)

// choose settles the method. For MethodAuto it is the first of the order that
// is offered, and USER and PASS if nothing is: many servers don't list them,
// and those without CAPA have nothing else. APOP is never chosen: many greet
// with a timestamp and refuse it. With a token it is XOAUTH2 unless only
// OAUTHBEARER is offered.
func (c *Client) choose(cr Credentials) (Method, error) {
	m := cr.Method
	if m == "" || m == MethodAuto {
		order, last := orderClear, MethodUser
		if _, ok := c.TLS(); ok {
			order = orderTLS
		}
		if cr.Token {
			order, last = orderToken, MethodXOAuth2
		}
		for _, o := range order {
			if c.caps.offers(saslNames[o]) || o == MethodUser && c.caps.Has("USER") {
				return o, nil
			}
		}
		return last, nil
	}
	if _, ok := saslNames[m]; !ok && m != MethodUser && m != MethodAPOP {
		return "", fmt.Errorf("%w: %q is none of them", ErrMethod, string(m))
	}
	return m, nil
}
