package smtp

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/popferry/popferry/forwarder"
)

// fit tells what the server's offer and the form of the addresses rule out: it
// returns an outcome for each recipient, with Kind 0 for those that can be
// tried. ok tells that there are some.
func (o offer) fit(m *forwarder.Message) (out []forwarder.Outcome, ok bool) {
	out = make([]forwarder.Outcome, len(m.Recipients))
	whole := o.fitMessage(m)
	for i, to := range m.Recipients {
		out[i] = whole
		if whole.Kind == 0 {
			out[i] = o.fitAddress(to, forwarder.StageRcpt)
		}
		out[i].Recipient = to
		ok = ok || out[i].Kind == 0
	}
	return out, ok
}

// fitMessage tells what rules out the message for all its recipients.
func (o offer) fitMessage(m *forwarder.Message) forwarder.Outcome {
	switch {
	case o.size > 0 && m.Size > o.size:
		return impossible(forwarder.StageMail, 552, forwarder.EnhancedCode{5, 3, 4},
			fmt.Sprintf("the message has %d octets, the server announces a limit of %d", m.Size, o.size))
	case (m.EightBit || m.UTF8) && !o.eightBit:
		// SMTPUTF8 is not demanded for a raw 8-bit header alone: it is common,
		// and nearly all servers with 8BITMIME take it.
		return impossible(forwarder.StageMail, 554, forwarder.EnhancedCode{5, 6, 3},
			"the message has 8-bit octets, the server does not announce 8BITMIME")
	}
	return o.fitAddress(m.Sender, forwarder.StageMail)
}

// fitAddress tells what rules out one address of the envelope.
func (o offer) fitAddress(addr string, stage forwarder.Stage) forwarder.Outcome {
	if strings.ContainsFunc(addr, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		detail := 3
		if stage == forwarder.StageMail {
			detail = 7
		}
		return impossible(stage, 553, forwarder.EnhancedCode{5, 1, detail}, "the address has control characters")
	}
	if !isASCII(addr) && !o.utf8 {
		return impossible(stage, 553, forwarder.EnhancedCode{5, 6, 7},
			"the address is not ASCII, the server does not announce SMTPUTF8")
	}
	return forwarder.Outcome{}
}

// impossible is an outcome without its recipient, in our words.
func impossible(s forwarder.Stage, code int, e forwarder.EnhancedCode, text string) forwarder.Outcome {
	return forwarder.Outcome{Kind: forwarder.Impossible, Stage: s, Code: code, Enhanced: e, Text: text}
}

// mailCommand writes MAIL with the parameters that the message needs and the
// server understands.
func (o offer) mailCommand(m *forwarder.Message) string {
	var b strings.Builder
	b.WriteString("MAIL FROM:<" + m.Sender + ">")
	if o.sizes {
		b.WriteString(" SIZE=" + strconv.FormatInt(m.Size, 10))
	}
	if o.eightBit && (m.EightBit || m.UTF8) {
		b.WriteString(" BODY=8BITMIME")
	}
	if o.utf8 && needsUTF8(m) {
		b.WriteString(" SMTPUTF8")
	}
	return b.String()
}

// needsUTF8 tells whether the message's header or envelope has more than ASCII
// (RFC 6531 3.4).
func needsUTF8(m *forwarder.Message) bool {
	utf8 := m.UTF8 || !isASCII(m.Sender)
	for _, to := range m.Recipients {
		utf8 = utf8 || !isASCII(to)
	}
	return utf8
}

// isASCII tells whether s has no octet above 127.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
}
