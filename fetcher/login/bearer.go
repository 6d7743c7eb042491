package login

import (
	"strings"

	"github.com/emersion/go-sasl"
)

// bearer is XOAUTH2 and OAUTHBEARER (RFC 7628). A server that refuses the token
// says why in a challenge, and refuses the login only after a response to it. The
// library stops before that, and some servers then hang up.
type bearer struct {
	name  string
	first string // the initial response
	last  []byte // the response to the server's reason (RFC 7628 section 3.2.3)
	why   string
}

func newXOAuth2(username, token string) *bearer {
	return &bearer{name: XOAuth2.Mechanism(), first: "user=" + username + "\x01auth=Bearer " + token + "\x01\x01"}
}

func newOAuthBearer(username, token string) *bearer {
	return &bearer{name: OAuthBearer.Mechanism(), first: "n,a=" + saslName(username) + ",\x01auth=Bearer " + token + "\x01\x01", last: []byte{1}}
}

// saslName escapes a name for OAUTHBEARER (RFC 5801 section 4).
func saslName(s string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s)
}

// Start begins with the token.
func (b *bearer) Start() (string, []byte, error) {
	return b.name, []byte(b.first), nil
}

// Next keeps the server's reason.
func (b *bearer) Next(challenge []byte) ([]byte, error) {
	if b.why != "" {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	b.why = string(challenge)
	return b.last, nil
}
