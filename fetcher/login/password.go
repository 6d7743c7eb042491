package login

import (
	"crypto/hmac"
	"crypto/md5"
	"encoding/hex"

	"github.com/emersion/go-sasl"
)

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
	return CRAMMD5.Mechanism(), nil, nil
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
