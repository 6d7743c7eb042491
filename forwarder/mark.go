package forwarder

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Mark is where a message will lie if it is stored, as noted before it is sent:
// a search for it begins there. It is zero where the protocol cannot
// look (SMTP, LMTP).
type Mark struct {
	Folder Place
	// All is the folder that holds all mail (RFC 6154), if the server has one and
	// files what is appended elsewhere there too, as Gmail does.
	All Place
}

// Place is the end of an IMAP folder at some time (RFC 9051 2.3.1.1).
type Place struct {
	Name     string // as the server writes it, not decoded
	Validity uint32 // UIDVALIDITY; 0: not known
	Next     uint32 // UIDNEXT: what is stored later has this UID or a higher one; 0: not known
}

// Sought is a message that a destination is asked for.
type Sought struct {
	Mark      Mark   // zero: it may lie anywhere
	Folder    string // as in Message, where the mark does not tell
	Trace     string // as in Message
	MessageID string // as in Message
}

// Anywhere is the mark of a message that may lie anywhere in its folder.
func Anywhere() Mark { return Mark{Folder: Place{Next: 1}} }

// errNotMark is for a text that String did not write.
var errNotMark = errors.New("not a mark of an IMAP folder")

// IsZero reports whether nothing was noted.
func (m Mark) IsZero() bool { return m == Mark{} }

// String is the mark as a line of printable ASCII, "" if it is zero. ParseMark reads it.
func (m Mark) String() string {
	var parts []string
	for _, p := range []Place{m.Folder, m.All} {
		if p != (Place{}) {
			parts = append(parts, fmt.Sprintf("%s %d %d", strconv.QuoteToASCII(p.Name), p.Validity, p.Next))
		}
	}
	return strings.Join(parts, " ")
}

// ParseMark reads what String has written.
func ParseMark(s string) (Mark, error) {
	var m Mark
	rest := s
	for _, p := range []*Place{&m.Folder, &m.All} {
		if rest == "" {
			break
		}
		var err error
		if *p, rest, err = parsePlace(rest); err != nil {
			return Mark{}, fmt.Errorf("%q: %w", s, err)
		}
	}
	if m.String() != s {
		return Mark{}, fmt.Errorf("%q: %w", s, errNotMark)
	}
	return m, nil
}

// parsePlace reads one place off the front.
func parsePlace(s string) (p Place, rest string, err error) {
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return Place{}, "", errNotMark
	}
	p.Name, _ = strconv.Unquote(quoted) // QuotedPrefix has checked it
	words := strings.SplitN(strings.TrimPrefix(s[len(quoted):], " "), " ", 3)
	if len(words) < 2 {
		return Place{}, "", errNotMark
	}
	for i, to := range []*uint32{&p.Validity, &p.Next} {
		n, err := strconv.ParseUint(words[i], 10, 32)
		if err != nil {
			return Place{}, "", errNotMark
		}
		*to = uint32(n)
	}
	return p, strings.Join(words[2:], ""), nil
}
