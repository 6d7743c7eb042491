package forwarder

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/popferry/popferry/fetcher/printable"
)

// Explanation is what the message around a refused one says.
type Explanation struct {
	// From is our own address, without angle brackets, for the header and the
	// envelope: then SPF and DMARC are about us.
	From string
	// To are the addresses in the header. There may be fewer recipients at the
	// next try, but the octets must not change with them.
	To      []string
	Subject string    // of the refused message, decoded; any octets
	Reply   string    // why it was refused, as from Outcome.Reply; any octets
	Account string    // where it came from; any octets
	Trace   string    // identifies the message: up to 40 letters, digits, "-" and "_"
	Date    time.Time // when it was first wrapped
	// Top comes first: whole header fields, such as trace lines, by which a
	// wrapped message that comes back is recognised.
	Top []byte
}

const (
	headerLine  = 78  // octets of a header line that we write, without CRLF (RFC 5322 2.1.1)
	longestLine = 998 // octets of a line that 7bit allows, without CRLF (RFC 2045 2.7)
	maxRunes    = 500 // of a text that is not ours
)

// Wrap makes a message that says why m was refused and has m attached,
// unchanged. Whatever octets m has, the result is 7-bit with no line above 998
// octets (except for addresses that are not ASCII, RFC 6532). It goes from
// e.From to m's recipients. The same m and e give the same octets, each time
// that Body is called.
//
// Wrap reads m.Body once, and so does each reading of the result; nothing is
// kept in memory. The error is for a body that cannot be read or is not of
// m.Size, and for an address or a trace id that a header cannot have.
func Wrap(m *Message, e Explanation) (*Message, error) {
	if err := e.check(); err != nil {
		return nil, fmt.Errorf("wrapping a message: %w", err)
	}
	// No line in quoted-printable or base64 can begin with "--=_" (RFC 2045
	// 6.7, 6.8). If a line of m does, isPlain says no.
	boundary := "=_popferry_" + e.Trace
	plain, err := isPlain(m, "--"+boundary)
	if err != nil {
		return nil, fmt.Errorf("wrapping a message: reading it: %w", err)
	}
	p := part{kind: "message/rfc822", encoding: "7bit", size: m.Size, body: m.Body}
	if !plain {
		// A message/rfc822 must not be in base64 (RFC 2046 5.2.1), and many
		// programs show it undecoded if it is. As a file named .eml it opens.
		p = part{kind: "application/octet-stream", encoding: "base64", size: base64Size(m.Size),
			body: func() io.Reader { return &base64Reader{src: m.Body()} }}
	}
	head := string(e.Top) + e.header(boundary) + e.text(boundary) + p.header(boundary)
	tail := "\r\n--" + boundary + "--\r\n"
	return &Message{
		Sender:     e.From,
		Recipients: m.Recipients,
		Size:       int64(len(head)) + p.size + int64(len(tail)),
		EightBit:   !isASCII(head),
		Body:       func() io.Reader { return io.MultiReader(strings.NewReader(head), p.body(), strings.NewReader(tail)) },
		Folder:     m.Folder,
		Date:       m.Date,
		Trace:      m.Trace,
		MessageID:  e.messageID(),
	}, nil
}

// check returns an error for what would break the header. Texts cannot: they are
// encoded.
func (e Explanation) check() error {
	const safe = "-_0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if e.Trace == "" || len(e.Trace) > 40 || strings.Trim(e.Trace, safe) != "" {
		return fmt.Errorf("%q is not a trace id", e.Trace)
	}
	for _, a := range append([]string{e.From}, e.To...) {
		if p, err := mail.ParseAddress(full(a)); err != nil || p.Address != full(a) {
			return fmt.Errorf("%q is not a mail address", a)
		}
	}
	return nil
}

// full is an address as a header needs it. With LMTP, users may have no domain.
func full(address string) string {
	if strings.Contains(address, "@") {
		return address
	}
	return address + "@localhost"
}

// header writes the header of the whole message.
func (e Explanation) header(boundary string) string {
	from, to := full(e.From), ""
	for _, a := range e.To {
		to += ", " + full(a)
	}
	s := field("From", "popferry <"+from+">")
	if to != "" {
		s += field("To", to[len(", "):])
	}
	return s + field("Subject", "Refused: "+encoded(shortLine(e.Subject))) +
		field("Date", e.Date.UTC().Format("Mon, 02 Jan 2006 15:04:05 -0700")) +
		field("Message-ID", e.messageID()) +
		field("Auto-Submitted", "auto-generated") + // RFC 3834 5
		field("MIME-Version", "1.0") +
		field("Content-Type", `multipart/mixed; boundary="`+boundary+`"`) + "\r\n"
}

// messageID is of its own: a server that knows messages by it must not take the
// wrapped one for the original.
func (e Explanation) messageID() string {
	from := full(e.From)
	return "<popferry." + e.Trace + from[strings.LastIndexByte(from, '@'):] + ">"
}

// text writes the part that people read.
func (e Explanation) text(boundary string) string {
	var b strings.Builder
	b.WriteString("--" + boundary + "\r\n" + field("Content-Type", "text/plain; charset=utf-8") +
		field("Content-Transfer-Encoding", "quoted-printable") + "\r\n")
	w := quotedprintable.NewWriter(&b) // makes every line end a CRLF
	fmt.Fprintf(w, `popferry fetched a message from the account %s.
The mail server refused it:

    %s

It is attached, unchanged, as original.eml. Its subject:

    %s

The server may have had a good reason: unless you expected this message,
be careful with its links and attachments.

Trace: %s
`, shortLine(e.Account), shortLine(e.Reply), shortLine(e.Subject), e.Trace)
	w.Close()
	return b.String()
}

// part is the refused message as it is attached.
type part struct {
	kind, encoding string
	size           int64
	body           func() io.Reader
}

// header writes the end of the part before and the header of this one.
func (p part) header(boundary string) string {
	return "\r\n--" + boundary + "\r\n" + field("Content-Type", p.kind) +
		field("Content-Disposition", `attachment; filename="original.eml"`) +
		field("Content-Transfer-Encoding", p.encoding) + "\r\n"
}

// field writes a header field, folded at its spaces (RFC 5322 2.2.3).
func field(name, value string) string {
	folded, line := "", name+":"
	for i, word := range strings.Fields(value) {
		if i > 0 && len(line)+1+len(word) > headerLine {
			folded, line = folded+line+"\r\n", ""
		}
		line += " " + word
	}
	return folded + line + "\r\n"
}

// shortLine makes any octets one printable line that is not too long.
func shortLine(s string) string {
	s = printable.Line(s)
	if r := []rune(s); len(r) > maxRunes {
		return string(r[:maxRunes]) + "…"
	}
	return s
}

// encoded writes a text for a header: unchanged if it is ASCII, can be folded and
// does not look encoded, or else in encoded words of at most 75 octets and of
// whole characters (RFC 2047 2, 5).
func encoded(s string) string {
	const longest, chunk = 60, 45 // octets; 45 make 60 in base64
	long := func(word string) bool { return len(word) > longest }
	if isASCII(s) && !strings.Contains(s, "=?") && !slices.ContainsFunc(strings.Fields(s), long) {
		return s
	}
	var words []string
	for len(s) > 0 {
		n := min(chunk, len(s))
		for n < len(s) && !utf8.RuneStart(s[n]) {
			n--
		}
		words = append(words, "=?utf-8?b?"+base64.StdEncoding.EncodeToString([]byte(s[:n]))+"?=")
		s = s[n:]
	}
	return strings.Join(words, " ")
}

// isASCII reports whether s has no octet above 127.
func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > unicode.MaxASCII })
}

// isPlain reads the whole message and reports whether it can be sent as 7bit
// (RFC 2045 2.7) and has no line that begins with delimiter (RFC 2046 5.1.1).
func isPlain(m *Message, delimiter string) (bool, error) {
	r := bufio.NewReader(m.Body()) // a line that fills its buffer is too long
	plain := true
	for n := int64(0); ; {
		line, err := r.ReadSlice('\n')
		n += int64(len(line))
		plain = plain && sevenBit(line) && !bytes.HasPrefix(line, []byte(delimiter))
		switch {
		case err == io.EOF && n != m.Size:
			return false, fmt.Errorf("%d octets where there should be %d", n, m.Size)
		case err == io.EOF:
			return plain, nil
		case errors.Is(err, bufio.ErrBufferFull):
			plain = false
		case err != nil:
			return false, err
		}
	}
}

// sevenBit reports whether a line, with its end if it has one, is 7bit.
func sevenBit(line []byte) bool {
	line = bytes.TrimSuffix(line, []byte("\r\n"))
	return len(line) <= longestLine && !slices.ContainsFunc(line, func(c byte) bool {
		return c == 0 || c == '\r' || c == '\n' || c > unicode.MaxASCII
	})
}
