package smtp

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
	gosmtp "github.com/emersion/go-smtp"
	"github.com/popferry/popferry/forwarder"
)

// mechanism returns the SASL client for the method, of those that the server
// offers. Its error is ErrNoAuth if there is none.
func mechanism(c *gosmtp.Client, m Method, username, secret string) (sasl.Client, error) {
	for _, try := range []struct {
		method Method
		client sasl.Client
	}{
		{Plain, sasl.NewPlainClient("", username, secret)},
		{Login, &loginClient{answers: []string{username, secret}}},
	} {
		if (m == Auto || m == try.method) && c.SupportsAuth(string(try.method)) {
			return try.client, nil
		}
	}
	_, offered := c.Extension("AUTH")
	if offered == "" {
		offered = "none"
	}
	return nil, fmt.Errorf("%w (wanted: %s, offered: %s)", ErrNoAuth, m, forwarder.OneLine(offered))
}

// loginClient is the LOGIN mechanism. go-sasl's sends the name with the AUTH
// command and accepts only the challenge "Password:". Servers differ in both,
// but all of them ask for the name first and for the password second.
type loginClient struct {
	answers []string
}

// Start implements sasl.Client.
func (l *loginClient) Start() (string, []byte, error) { return sasl.Login, nil, nil }

// Next implements sasl.Client.
func (l *loginClient) Next([]byte) ([]byte, error) {
	if len(l.answers) == 0 {
		return nil, sasl.ErrUnexpectedServerChallenge
	}
	answer := l.answers[0]
	l.answers = l.answers[1:]
	return []byte(answer), nil
}

// secretForms are a password and the forms in which it is sent.
func secretForms(username, secret string) []string {
	if secret == "" {
		return nil
	}
	encode := base64.StdEncoding.EncodeToString
	return []string{encode([]byte("\x00" + username + "\x00" + secret)), encode([]byte(secret)), secret}
}

// hideSecret keeps the password out of a login's error: some servers repeat the
// line that they refuse.
func hideSecret(err error, username, secret string) error {
	for _, f := range secretForms(username, secret) {
		if !strings.Contains(err.Error(), f) {
			continue
		}
		const hidden = "(not shown because it contains the password)"
		var r *gosmtp.SMTPError
		if errors.As(err, &r) {
			return &gosmtp.SMTPError{Code: r.Code, EnhancedCode: r.EnhancedCode, Message: hidden}
		}
		return fmt.Errorf("%w: %s", ErrProtocol, hidden)
	}
	return err
}
