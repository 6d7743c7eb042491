package login

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/xdg-go/scram"
)

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
	if m == SCRAMSHA1 {
		hash = scram.SHA1
	}
	client, err := hash.NewClient(username, password, "")
	if err != nil {
		client, err = hash.NewClientUnprepped(username, password, "")
	}
	if err != nil {
		return nil, err
	}
	return &scramMechanism{name: m.Mechanism(), conv: client.NewConversation()}, nil
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
