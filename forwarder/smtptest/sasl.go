package smtptest

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/subtle"
	"encoding/hex"
	"strings"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/xdg-go/scram"
)

// reason is what the server says of a token that it refuses (RFC 7628 3.2.2), as
// Google does.
const reason = `{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}`

// mechanism returns the server's side of a mechanism, which calls in once its client
// has shown that it knows the user and the password or token.
func mechanism(name, username, password string, in func()) (sasl.Server, error) {
	check := func(u, p string) error {
		if u != username || subtle.ConstantTimeCompare([]byte(p), []byte(password)) == 0 {
			return gosmtp.ErrAuthFailed
		}
		in()
		return nil
	}
	switch name {
	case sasl.Plain:
		return sasl.NewPlainServer(func(_, u, p string) error { return check(u, p) }), nil
	case sasl.Login:
		return &loginServer{check: check}, nil
	case sasl.External: // the certificate is not looked at
		return sasl.NewExternalServer(func(u string) error { return check(u, password) }), nil
	case "CRAM-MD5":
		return &cramServer{username: username, password: password, check: check}, nil
	case "SCRAM-SHA-1":
		return newSCRAM(scram.SHA1, username, password, in)
	case "SCRAM-SHA-256":
		return newSCRAM(scram.SHA256, username, password, in)
	case "XOAUTH2", sasl.OAuthBearer:
		return &bearerServer{check: check}, nil
	}
	return nil, gosmtp.ErrAuthUnknownMechanism
}

// loginServer is the LOGIN mechanism (draft-murchison-sasl-login). go-sasl has
// only its client.
type loginServer struct {
	check    func(username, password string) error
	username *string
}

// Next implements sasl.Server.
func (l *loginServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil:
		return []byte("Username:"), false, nil
	case l.username == nil:
		username := string(response)
		l.username = &username
		return []byte("Password:"), false, nil
	}
	return nil, true, l.check(*l.username, string(response))
}

// cramServer is CRAM-MD5 (RFC 2195), whose client must be named here.
type cramServer struct {
	username, password string
	check              func(username, password string) error
	asked              bool
}

// challenge is what cramServer asks.
const challenge = "<1896.697170952@smtptest.example>"

// Next implements sasl.Server.
func (c *cramServer) Next(response []byte) (question []byte, done bool, err error) {
	if !c.asked {
		c.asked = true
		return []byte(challenge), false, nil
	}
	h := hmac.New(md5.New, []byte(c.password))
	h.Write([]byte(challenge))
	if string(response) != c.username+" "+hex.EncodeToString(h.Sum(nil)) {
		return nil, true, gosmtp.ErrAuthFailed
	}
	return nil, true, c.check(c.username, c.password)
}

// scramServer is SCRAM (RFC 5802). Its last message goes out as a challenge, with an
// empty response (RFC 4954 4).
type scramServer struct {
	conv *scram.ServerConversation
	in   func()
}

func newSCRAM(hash scram.HashGeneratorFcn, username, password string, in func()) (sasl.Server, error) {
	server, err := hash.NewServer(func(u string) (scram.StoredCredentials, error) {
		client, err := hash.NewClient(username, password, "")
		if err != nil || u != username {
			return scram.StoredCredentials{}, gosmtp.ErrAuthFailed
		}
		return client.GetStoredCredentialsWithError(scram.KeyFactors{Salt: "salt", Iters: 4096})
	})
	if err != nil {
		return nil, err
	}
	return &scramServer{conv: server.NewConversation(), in: in}, nil
}

// Next implements sasl.Server.
func (s *scramServer) Next(response []byte) (question []byte, done bool, err error) {
	switch {
	case s.conv.Done() && s.conv.Valid():
		s.in()
		return nil, true, nil
	case response == nil:
		return nil, false, nil
	}
	message, err := s.conv.Step(string(response))
	if err != nil {
		return nil, true, gosmtp.ErrAuthFailed
	}
	return []byte(message), false, nil
}

// bearerServer is XOAUTH2 and OAUTHBEARER (RFC 7628). It says why it refuses a token
// in a challenge, and refuses the login after any response to that.
type bearerServer struct {
	check   func(username, password string) error
	refused error
}

// Next implements sasl.Server.
func (b *bearerServer) Next(response []byte) (question []byte, done bool, err error) {
	switch {
	case b.refused != nil:
		return nil, true, b.refused
	case response == nil:
		return nil, false, nil
	}
	who, token, _ := strings.Cut(string(response), "\x01auth=Bearer ")
	_, who, _ = strings.Cut(strings.TrimSuffix(who, ","), "=") // "user=leo" or "n,a=leo,"
	if b.refused = b.check(who, strings.TrimSuffix(token, "\x01\x01")); b.refused != nil {
		return []byte(reason), false, nil //nolint:nilerr // the refusal follows the client's answer
	}
	return nil, true, nil
}
