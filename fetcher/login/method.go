package login

// Method is a way to log in.
type Method string

// The methods, named as in the configuration.
const (
	Auto        Method = "auto"          // the best one that is offered and safe; see Order
	Plain       Method = "plain"         // PLAIN (RFC 4616)
	Login       Method = "login"         // LOGIN (draft-murchison-sasl-login); at IMAP the command (RFC 9051 6.2.3)
	User        Method = "user"          // of POP3 alone: USER and PASS (RFC 1939 7)
	APOP        Method = "apop"          // of POP3 alone (RFC 1939 7)
	CRAMMD5     Method = "cram-md5"      // CRAM-MD5 (RFC 2195)
	SCRAMSHA1   Method = "scram-sha-1"   // SCRAM-SHA-1 (RFC 5802)
	SCRAMSHA256 Method = "scram-sha-256" // SCRAM-SHA-256 (RFC 7677)
	XOAuth2     Method = "xoauth2"       // XOAUTH2, of Google and Microsoft
	OAuthBearer Method = "oauthbearer"   // OAUTHBEARER (RFC 7628)
	External    Method = "external"      // EXTERNAL (RFC 4422 appendix A), by TLS's client certificate
)

// names are those of the mechanisms.
var names = map[Method]string{
	Plain: "PLAIN", Login: "LOGIN", CRAMMD5: "CRAM-MD5", SCRAMSHA1: "SCRAM-SHA-1", SCRAMSHA256: "SCRAM-SHA-256",
	XOAuth2: "XOAUTH2", OAuthBearer: "OAUTHBEARER", External: "EXTERNAL",
}

// Mechanism is the name of the method's SASL mechanism; "" if it is none.
func (m Method) Mechanism() string { return names[m] }

// Mechanisms are all methods that are SASL mechanisms, in no order.
func Mechanisms() []Method {
	all := make([]Method, 0, len(names))
	for m := range names {
		all = append(all, m)
	}
	return all
}

// SecretName is what a login needs, for messages: an access token, or a password.
func SecretName(token bool) string {
	if token {
		return "access token"
	}
	return "password"
}

// Secret reports whether the method needs a password or token.
func (m Method) Secret() bool { return m != External }
