package smtp

import (
	"fmt"
	"strconv"
	"strings"

	gosmtp "github.com/emersion/go-smtp"
	"github.com/popferry/popferry/forwarder"
)

// extensions are those in the server's reply to EHLO that matter here.
type extensions struct {
	size       int64 // its limit (RFC 1870), in octets; 0: none is known
	sizeParam  bool  // MAIL takes SIZE=
	eightBit   bool  // 8BITMIME (RFC 6152)
	utf8       bool  // SMTPUTF8 (RFC 6531)
	pipelining bool  // RFC 2920
	chunking   bool  // RFC 3030
}

// readExtensions reads them from the reply to EHLO.
func readExtensions(c *gosmtp.Client) extensions {
	size, _ := c.MaxMessageSize()
	e := extensions{size: int64(size)}
	e.sizeParam, _ = c.Extension("SIZE")
	e.eightBit, _ = c.Extension("8BITMIME")
	e.utf8, _ = c.Extension("SMTPUTF8")
	e.pipelining, _ = c.Extension("PIPELINING")
	e.chunking, _ = c.Extension("CHUNKING")
	return e
}

// check returns an outcome for each recipient: Impossible where the extensions
// or the form of the addresses rule the message out, Kind 0 where it can be
// tried. ok reports whether there are any of the latter.
func (e extensions) check(m *forwarder.Message) (out []forwarder.Outcome, ok bool) {
	out = make([]forwarder.Outcome, len(m.Recipients))
	whole := e.checkMessage(m)
	for i, to := range m.Recipients {
		out[i] = whole
		if whole.Kind == 0 {
			out[i] = e.checkAddress(to, forwarder.StageRcpt)
		}
		out[i].Recipient = to
		ok = ok || out[i].Kind == 0
	}
	return out, ok
}

// checkMessage returns what rules the message out for all its recipients.
func (e extensions) checkMessage(m *forwarder.Message) forwarder.Outcome {
	switch {
	case e.size > 0 && m.Size > e.size:
		return impossible(forwarder.StageMail, 552, forwarder.EnhancedCode{5, 3, 4},
			fmt.Sprintf("the message has %d octets, the server announces a limit of %d", m.Size, e.size))
	case (m.EightBit || m.UTF8) && !e.eightBit:
		// SMTPUTF8 is not demanded for a raw 8-bit header alone: such headers are
		// common, and nearly all servers with 8BITMIME take them.
		return impossible(forwarder.StageMail, 554, forwarder.EnhancedCode{5, 6, 3},
			"the message has 8-bit octets, the server does not announce 8BITMIME")
	}
	return e.checkAddress(m.Sender, forwarder.StageMail)
}

// checkAddress returns what rules out one address of the envelope.
func (e extensions) checkAddress(addr string, stage forwarder.Stage) forwarder.Outcome {
	if strings.ContainsFunc(addr, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		detail := 3
		if stage == forwarder.StageMail {
			detail = 7
		}
		return impossible(stage, 553, forwarder.EnhancedCode{5, 1, detail}, "the address has control characters")
	}
	if !isASCII(addr) && !e.utf8 {
		return impossible(stage, 553, forwarder.EnhancedCode{5, 6, 7},
			"the address is not ASCII, the server does not announce SMTPUTF8")
	}
	return forwarder.Outcome{}
}

// impossible is an outcome without its recipient, in our words.
func impossible(s forwarder.Stage, code int, e forwarder.EnhancedCode, text string) forwarder.Outcome {
	return forwarder.Outcome{Kind: forwarder.Impossible, Stage: s, Code: code, Enhanced: e, Text: text}
}

// mailCommand is MAIL with the parameters that the message needs and the server
// understands.
func (e extensions) mailCommand(m *forwarder.Message) string {
	var b strings.Builder
	b.WriteString("MAIL FROM:<" + m.Sender + ">")
	if e.sizeParam {
		b.WriteString(" SIZE=" + strconv.FormatInt(m.Size, 10))
	}
	if e.eightBit && (m.EightBit || m.UTF8) {
		b.WriteString(" BODY=8BITMIME")
	}
	if e.utf8 && needsUTF8(m) {
		b.WriteString(" SMTPUTF8")
	}
	return b.String()
}

// needsUTF8 reports whether the message's header or envelope is not all ASCII
// (RFC 6531 3.4).
func needsUTF8(m *forwarder.Message) bool {
	utf8 := m.UTF8 || !isASCII(m.Sender)
	for _, to := range m.Recipients {
		utf8 = utf8 || !isASCII(to)
	}
	return utf8
}

// isASCII reports whether s has no octet above 127.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
}
