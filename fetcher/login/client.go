package login

import (
	"fmt"
	"strings"

	"github.com/emersion/go-sasl"
)

// Client is one login by a SASL mechanism (RFC 4422 section 3). It implements
// sasl.Client; what it returns is never nil but for a missing initial response. Its
// mask hides the responses from when they are known.
type Client struct {
	mechanism sasl.Client
	mask      *Mask
}

// NewClient returns the client of a method's mechanism. The mask hides the secret
// and all responses; nil hides nothing. It is an error if the method is not a
// mechanism, or if user name or secret have a NUL, which ends them in PLAIN.
func NewClient(m Method, username, secret string, mask *Mask) (*Client, error) {
	if strings.ContainsRune(username+secret, 0) {
		return nil, fmt.Errorf("%s: the user name or password has a NUL, which cannot be sent", m)
	}
	c, err := mechanism(m, username, secret)
	if err != nil {
		return nil, err
	}
	if mask == nil {
		mask = new(Mask)
	}
	mask.Hide(secret)
	return &Client{mechanism: c, mask: mask}, nil
}

// mechanism returns the library's client, or ours where that does not suit servers.
func mechanism(m Method, username, secret string) (sasl.Client, error) {
	switch m {
	case Plain:
		return sasl.NewPlainClient("", username, secret), nil
	case Login:
		return &loginMechanism{username: username, password: secret}, nil
	case CRAMMD5:
		return &cramMD5{username: username, password: secret}, nil
	case SCRAMSHA1, SCRAMSHA256:
		return newSCRAM(m, username, secret)
	case XOAuth2:
		return newXOAuth2(username, secret), nil
	case OAuthBearer:
		return newOAuthBearer(username, secret), nil
	case External:
		return sasl.NewExternalClient(username), nil
	}
	return nil, fmt.Errorf("%q is not a mechanism", string(m))
}

// Start implements sasl.Client: the mechanism's name, and the initial response, nil
// if there is none.
func (c *Client) Start() (name string, first []byte, err error) {
	name, first, err = c.mechanism.Start()
	c.mask.HideResponse(first)
	return name, first, err
}

// Next implements sasl.Client: the response to a challenge. The error is why the
// mechanism cannot go on; it may quote the server.
func (c *Client) Next(challenge []byte) ([]byte, error) {
	response, err := c.mechanism.Next(challenge)
	c.mask.HideResponse(response)
	if err == nil && response == nil {
		response = []byte{}
	}
	return response, err
}

// Explanation is why the server refused a token, in its JSON (RFC 7628 section
// 3.2.2); "" if it did not say.
func (c *Client) Explanation() string {
	if b, ok := c.mechanism.(*bearer); ok {
		return b.why
	}
	return ""
}

// Proved reports whether the server has done all that the mechanism demands of it:
// after SCRAM it must have proved that it knows the password too. Ask at the end.
func (c *Client) Proved() bool {
	s, ok := c.mechanism.(*scramMechanism)
	return !ok || s.conv.Valid()
}
