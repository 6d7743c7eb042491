package pop3

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/emersion/go-sasl"
	"github.com/xdg-go/scram"
)

// mechanism returns the SASL client of a method.
func mechanism(m Method, username, secret string) (sasl.Client, error) {
	switch m {
	case MethodPlain:
		return sasl.NewPlainClient("", username, secret), nil
	case MethodLogin:
		return &loginMechanism{username: username, password: secret}, nil
	case MethodCRAMMD5:
		return &cramMD5{username: username, password: secret}, nil
	case MethodSCRAMSHA1, MethodSCRAMSHA256:
		return newSCRAM(m, username, secret)
	case MethodXOAuth2:
		return &bearer{name: saslNames[m], first: fmt.Sprintf("user=%s\x01auth=Bearer %s\x01\x01", username, secret)}, nil
	case MethodOAuthBearer:
		return &bearer{name: saslNames[m], first: fmt.Sprintf("n,a=%s,\x01auth=Bearer %s\x01\x01", saslName(username), secret), last: []byte{1}}, nil
	case MethodExternal:
		return sasl.NewExternalClient(username), nil
	}
	return nil, fmt.Errorf("%w: %q is not a mechanism of AUTH", ErrMethod, string(m))
}

// saslName escapes a name for OAUTHBEARER (RFC 5801 section 4).
func saslName(s string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s)
}

// loginMechanism is LOGIN. The library requires the exact words of the
// challenges, but these differ between servers; only their order does not.
type loginMechanism struct {
	username, password string
	asked              int
}

// Start begins without an initial response: not every server accepts one.
func (l *loginMechanism) Start() (string, []byte, error) {
	return sasl.Login, nil, nil
}

// Next answers the first challenge with the name, the second with the password.
func (l *loginMechanism) Next([]byte) ([]byte, error) {
	l.asked++
	switch l.asked {
	case 1:
		return []byte(l.username), nil
	case 2:
		return []byte(l.password), nil
	}
	return nil, sasl.ErrUnexpectedServerChallenge
}

// cramMD5 is CRAM-MD5 (RFC 2195), which the library does not have.
type cramMD5 struct {
	username, password string
	asked              bool
}

// Start begins without an initial response: the server speaks first.
func (m *cramMD5) Start() (string, []byte, error) {
	return saslNames[MethodCRAMMD5], nil, nil
}

// Next answers the one challenge with the name and the keyed digest of it.
func (m *cramMD5) Next(challenge []byte) ([]byte, error) {
	if m.asked || len(challenge) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	m.asked = true
	h := hmac.New(md5.New, []byte(m.password))
	h.Write(challenge)
	return []byte(m.username + " " + hex.EncodeToString(h.Sum(nil))), nil
}

// bearer is XOAUTH2 and OAUTHBEARER (RFC 7628). A server that refuses the token
// says why in a challenge, and sends -ERR only after a response to it. The
// library stops before that, and some servers then hang up.
type bearer struct {
	name  string
	first string // the initial response
	last  []byte // the response to the server's reason (RFC 7628 section 3.2.3)
	why   string
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

// explanation is the reason in the server's JSON.
func (b *bearer) explanation() string {
	return b.why
}

// maxIterations limits the work that a server may demand with SCRAM. OWASP
// recommends 600,000; a hostile server could keep the client busy for hours.
const maxIterations = 2_000_000

// scramMechanism is SCRAM (RFC 5802, RFC 7677) without channel binding.
type scramMechanism struct {
	name string
	conv *scram.ClientConversation
}

// newSCRAM prepares a conversation. Passwords that SASLprep (RFC 4013) forbids
// are used as they are, as most servers do.
func newSCRAM(m Method, username, password string) (*scramMechanism, error) {
	hash := scram.SHA256
	if m == MethodSCRAMSHA1 {
		hash = scram.SHA1
	}
	client, err := hash.NewClient(username, password, "")
	if err != nil {
		client, err = hash.NewClientUnprepped(username, password, "")
	}
	if err != nil {
		return nil, err
	}
	return &scramMechanism{name: saslNames[m], conv: client.NewConversation()}, nil
}

// Start begins with the client's first message.
func (s *scramMechanism) Start() (string, []byte, error) {
	first, err := s.conv.Step("")
	return s.name, []byte(first), err
}

// Next answers the server's first message with the proof, and its final one,
// after verifying it, with an empty response.
func (s *scramMechanism) Next(challenge []byte) ([]byte, error) {
	if err := affordable(string(challenge)); err != nil {
		return nil, err
	}
	response, err := s.conv.Step(string(challenge))
	return []byte(response), err
}

// verified reports whether the server's final message came and was right.
func (s *scramMechanism) verified() bool {
	return s.conv.Valid()
}

// affordable refuses a server's message that demands too many iterations.
func affordable(message string) error {
	for _, field := range strings.Split(message, ",") {
		i, ok := strings.CutPrefix(field, "i=")
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(i); err != nil || n > maxIterations {
			return fmt.Errorf("the server demands more than %d iterations", maxIterations)
		}
	}
	return nil
}
