package pop3

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/emersion/go-sasl"
)

const (
	// maxCommand is how long a command's line may be, in octets with its CRLF
	// (RFC 2449 section 4). Microsoft hangs up on longer ones.
	maxCommand = 255
	// maxRounds is how many challenges a login may have.
	maxRounds = 10
)

// mechanism is SASL's client for a method.
func mechanism(m Method, username, secret string) sasl.Client {
	if m == MethodLogin {
		return &loginMechanism{username: username, password: secret}
	}
	return sasl.NewPlainClient("", username, secret)
}

// authenticate runs AUTH (RFC 5034 section 4). The initial response goes with
// the command if the line is then not too long, else it waits for an empty
// challenge. A mechanism that gives up cancels the exchange.
func (c *Client) authenticate(m sasl.Client) error {
	mech, first, err := m.Start()
	if err != nil {
		return fmt.Errorf("AUTH: %w", err)
	}
	p := pending{name: "AUTH " + mech, challenge: true}
	line := p.name
	if first != nil && len(line)+1+base64.StdEncoding.EncodedLen(max(1, len(first)))+2 <= maxCommand {
		line += " " + c.encode(first, "=")
		first = nil
	}
	r, err := c.exchange(p, line)
	for round := 0; err == nil && r.status == statusChallenge; round++ {
		if round == maxRounds {
			return c.fail(&ProtocolError{Command: p.name, Text: "a login without an end"})
		}
		response := first
		if first = nil; response == nil {
			response, err = answer(m, r.text)
		}
		if err != nil {
			return c.cancel(p, err)
		}
		r, err = c.exchange(p, c.encode(response, ""))
	}
	return err
}

// answer asks the mechanism for the response to a challenge.
func answer(m sasl.Client, challenge string) ([]byte, error) {
	octets, err := base64.StdEncoding.DecodeString(challenge)
	if err != nil {
		return nil, errors.New("the challenge is not base64")
	}
	return m.Next(octets)
}

// cancel ends an exchange that the mechanism gave up on (RFC 5034 section 4).
func (c *Client) cancel(p pending, why error) error {
	refused := (*Error)(nil)
	if _, err := c.exchange(p, "*"); err != nil && !errors.As(err, &refused) {
		return err
	}
	return fmt.Errorf("%s: %w", p.name, why)
}

// encode is a response in base64, which is kept out of errors too. An empty
// one is written as given: "=" with the command, else as nothing.
func (c *Client) encode(response []byte, empty string) string {
	if len(response) == 0 {
		return empty
	}
	s := base64.StdEncoding.EncodeToString(response)
	c.hide(s)
	return s
}

// loginMechanism is SASL LOGIN. The library's insists on the exact words of
// the challenges, which differ between servers; their order does not.
type loginMechanism struct {
	username, password string
	asked              int
}

// Start begins without an initial response: not every server takes one.
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
