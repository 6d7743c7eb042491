package smtptest

import (
	"bytes"
	"net/mail"
	"strings"

	"github.com/popferry/popferry/forwarder"
)

// OwnFrom returns an Options.Fault of a server that takes only its user's own
// mail, as those of most big providers: after the message it refuses any whose
// From header does not have this address alone.
func OwnFrom(address string, refusal Fault) func(Event) Fault {
	return func(e Event) Fault {
		if e.Stage != forwarder.StageDot || ownFrom(e.Data, address) {
			return Fault{}
		}
		return refusal
	}
}

func ownFrom(message []byte, address string) bool {
	m, err := mail.ReadMessage(bytes.NewReader(message))
	if err != nil {
		return false
	}
	from, err := m.Header.AddressList("From")
	return err == nil && len(from) == 1 && strings.EqualFold(from[0].Address, address)
}
