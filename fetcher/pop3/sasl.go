package pop3

import (
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/popferry/popferry/fetcher/login"
)

const (
	// maxCommand is how long a command's line may be, in octets with its CRLF
	// (RFC 2449 section 4). Microsoft hangs up on longer ones.
	maxCommand = 255
	// maxRounds is how many challenges a login may have.
	maxRounds = 10
)

// mechanismError: an exchange could not be gone through with, for a reason other
// than the credentials. The session stands.
type mechanismError struct{ error }

func (e *mechanismError) Unwrap() error { return e.error }

// authenticate runs AUTH (RFC 5034 section 4). The initial response is sent with
// the command unless the line would be too long; then it waits for an empty
// challenge. A mechanism that fails cancels the exchange.
func (c *Client) authenticate(m *login.Client) error {
	mech, first, err := m.Start()
	if err != nil {
		return &mechanismError{fmt.Errorf("AUTH: %w", err)}
	}
	p := pending{name: "AUTH " + mech, challenge: true}
	line := p.name
	if first != nil && len(line)+1+max(1, base64.StdEncoding.EncodedLen(len(first)))+2 <= maxCommand {
		line += " " + encode(first, "=")
		first = nil
	}
	r, err := c.exchange(p, line)
	for round := 0; err == nil && r.status == statusChallenge; round++ {
		if round == maxRounds {
			return c.fail(&ProtocolError{Command: p.name, Text: "too many challenges"})
		}
		response := first
		if first = nil; response == nil {
			response, err = answer(m, r.text)
		}
		if err != nil {
			return c.cancel(p, err)
		}
		r, err = c.exchange(p, encode(response, ""))
	}
	return c.outcome(m, p, err)
}

// outcome adds what the mechanism knows to the result of an exchange.
func (c *Client) outcome(m *login.Client, p pending, err error) error {
	var refused *Error
	if why := m.Explanation(); why != "" && errors.As(err, &refused) {
		*refused = *c.refusal(refused.Command, refused.Code, refused.words()+" "+why)
	}
	if err == nil && !m.Proved() {
		return c.fail(&ProtocolError{Command: p.name, Text: "the server did not prove that it knows the password"})
	}
	return err
}

// answer asks the mechanism for the response to a challenge.
func answer(m *login.Client, challenge string) ([]byte, error) {
	octets, err := base64.StdEncoding.DecodeString(challenge)
	if err != nil {
		return nil, errors.New("the challenge is not base64")
	}
	return m.Next(octets)
}

// cancel ends an exchange that the mechanism failed in (RFC 5034 section 4). A
// server that answers it with +OK breaks the session. The mechanism's error
// quotes the server, which may quote the password.
func (c *Client) cancel(p pending, why error) error {
	why = fmt.Errorf("%s: %s", p.name, c.shown(why.Error()))
	var refused *Error
	_, err := c.exchange(pending{name: p.name}, "*")
	switch {
	case err == nil:
		return c.fail(why)
	case errors.As(err, &refused):
		return &mechanismError{why}
	}
	return err
}

// encode is a response in base64. empty is the form of an empty one: "=" with the
// command, else "".
func encode(response []byte, empty string) string {
	if len(response) == 0 {
		return empty
	}
	return base64.StdEncoding.EncodeToString(response)
}
