package smtp

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
	"golang.org/x/net/idna"
)

// extensions are those in the server's reply to EHLO that matter here.
type extensions struct {
	size       int64 // its limit (RFC 1870), in octets; 0: none is known
	sizeParam  bool  // MAIL takes SIZE=
	eightBit   bool  // 8BITMIME (RFC 6152)
	utf8       bool  // SMTPUTF8 (RFC 6531)
	pipelining bool  // RFC 2920
	chunking   bool  // RFC 3030
	startTLS   bool  // RFC 3207
	// auth are the login methods in upper case (RFC 4954).
	auth []string
}

// readExtensions reads them from the lines of the reply to EHLO, each with its
// code, in any case (RFC 5321 2.4, 4.1.1.1). Some old servers write "=" behind
// the keyword: "AUTH=LOGIN PLAIN".
func readExtensions(lines []string) extensions {
	var e extensions
	for _, line := range lines[min(1, len(lines)):] { // the first has the server's name
		line = strings.ReplaceAll(line[min(len("250-"), len(line)):], "=", " ")
		words := strings.Fields(strings.ToUpper(line))
		if len(words) == 0 {
			continue
		}
		switch params := words[1:]; words[0] {
		case "SIZE":
			e.sizeParam = true
			if len(params) > 0 {
				limit, _ := strconv.ParseUint(params[0], 10, 63)
				e.size = int64(limit)
			}
		case "8BITMIME":
			e.eightBit = true
		case "SMTPUTF8":
			e.utf8 = true
		case "PIPELINING":
			e.pipelining = true
		case "CHUNKING":
			e.chunking = true
		case "STARTTLS":
			e.startTLS = true
		case "AUTH":
			e.auth = append(e.auth, params...)
		}
	}
	return e
}

// offers reports whether the server takes a login method.
func (e extensions) offers(m login.Method) bool {
	return slices.Contains(e.auth, m.Mechanism())
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
			fmt.Sprintf("%d octets, the server takes only %d", m.Size, e.size))
	case m.EightBit && !e.eightBit:
		return impossible(forwarder.StageMail, 554, forwarder.EnhancedCode{5, 6, 3},
			"the message has 8-bit octets, the server does not announce 8BITMIME")
	case m.Strays == forwarder.FalseEnd && !e.chunking:
		return falseEnd("the server does not announce CHUNKING, or has refused BDAT")
	}
	return e.checkAddress(m.Sender, forwarder.StageMail)
}

// checkAddress returns what rules out one address of the envelope.
func (e extensions) checkAddress(addr string, stage forwarder.Stage) forwarder.Outcome {
	invalid := func(text string) forwarder.Outcome {
		detail := 3
		if stage == forwarder.StageMail {
			detail = 7
		}
		return impossible(stage, 553, forwarder.EnhancedCode{5, 1, detail}, text)
	}
	switch {
	case strings.ContainsFunc(addr, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return invalid("the address has control characters")
	case !utf8.ValidString(addr): // Latin-1, for instance; SMTPUTF8 is for UTF-8 (RFC 6531 3.3)
		return invalid("the address has octets that are not UTF-8")
	case !forwarder.IsMailbox(addr) && (addr != "" || stage != forwarder.StageMail): // it could end the path, and parameters follow
		return invalid(fmt.Sprintf("%.200q is not a mail address (RFC 5321 4.1.2)", addr))
	case strings.ContainsAny(addr, "<>"): // in quotes, which not every server reads
		return invalid("the address has angle brackets")
	case needsUTF8(addr) && !e.utf8:
		return impossible(stage, 553, forwarder.EnhancedCode{5, 6, 7}, "the address is not ASCII, the server does not announce SMTPUTF8")
	}
	return forwarder.Outcome{}
}

// encodeAddress writes an address as the envelope has it. An internationalised
// domain becomes its A-label (RFC 5890), which every server understands, and so
// does every server behind it. If the local part is not ASCII, only SMTPUTF8
// can carry the address, and it stays as it is.
func encodeAddress(addr string) string {
	at := strings.LastIndexByte(addr, '@')
	if isASCII(addr) || at < 0 || !isASCII(addr[:at]) {
		return addr
	}
	domain, err := idna.Lookup.ToASCII(addr[at+1:])
	if err != nil {
		return addr
	}
	return addr[:at+1] + domain
}

// impossible is an outcome without its recipient, in our words.
func impossible(s forwarder.Stage, code int, e forwarder.EnhancedCode, text string) forwarder.Outcome {
	return forwarder.Outcome{Kind: forwarder.Impossible, Stage: s, Code: code, Enhanced: e, Text: text}
}

// falseEnd is the outcome of a message that cannot go by DATA, nor by BDAT because
// of why.
func falseEnd(why string) forwarder.Outcome {
	return impossible(forwarder.StageMail, 554, forwarder.EnhancedCode{5, 6, 0},
		"the message has a dot between stray CRs or NULs, which a server may take for its end and the rest for commands; only BDAT is safe, and "+why)
}

// mailCommand is MAIL with the parameters that the message needs and the server
// understands. SMTPUTF8 is asked for by the envelope alone (RFC 6531 3.4), never
// by a raw 8-bit header: such headers are common, often Latin-1, and a server
// that has accepted the parameter bounces the message where the next server does
// not offer it.
func (e extensions) mailCommand(m *forwarder.Message) string {
	var b strings.Builder
	b.WriteString("MAIL FROM:<" + encodeAddress(m.Sender) + ">")
	if e.sizeParam {
		b.WriteString(" SIZE=" + strconv.FormatInt(m.Size, 10))
	}
	if e.eightBit && m.EightBit {
		b.WriteString(" BODY=8BITMIME")
	}
	if e.utf8 && (needsUTF8(m.Sender) || slices.ContainsFunc(m.Recipients, needsUTF8)) {
		b.WriteString(" SMTPUTF8")
	}
	return b.String()
}

// rcptCommand is RCPT for one recipient.
func rcptCommand(to string) string { return "RCPT TO:<" + encodeAddress(to) + ">" }

// needsUTF8 reports whether only SMTPUTF8 can carry an address.
func needsUTF8(addr string) bool { return utf8.ValidString(addr) && !isASCII(encodeAddress(addr)) }

// isASCII reports whether s has no octet above 127.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
}
