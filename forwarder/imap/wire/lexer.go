package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

const (
	// maxResponse bounds one response in octets, without its literals. The longest
	// that are of use are those to CAPABILITY and SEARCH.
	maxResponse = 256 << 10
	// maxLiteral is how much of a literal is kept, in octets. The rest is read and
	// dropped: a header line of any length can stand in a folder, and must not keep
	// the others from being found.
	maxLiteral = 64 << 10
	// maxLiterals is how many a response may have.
	maxLiterals = 64
	// maxValues is how many strings, numbers and lists it may have: in memory, short
	// ones take twenty times what they are. A search finds fewer.
	maxValues = 32 << 10
	// maxDepth is how deep its lists may be nested. Nothing that is asked for needs
	// more than three.
	maxDepth = 16
)

// Value is a string, a number or NIL in text, or a list (RFC 9051 4).
type Value struct {
	Text string
	List []Value
}

// lexer reads responses. It is lenient with their form, because there are servers
// of all kinds, and strict with what would put it out of step.
type lexer struct {
	r        *bufio.Reader
	left     int // of maxResponse
	literals int // of maxLiterals
	room     int // of maxValues
	shown    []byte
}

func newLexer(r io.Reader) *lexer { return &lexer{r: bufio.NewReader(r)} }

// buffered is how many octets were read from the connection and are still to be
// looked at.
func (l *lexer) buffered() int { return l.r.Buffered() }

// line is the response as a log has it: without its literals, and cut.
func (l *lexer) line() string { return string(l.shown) }

// next reads one response. Its error is ErrProtocol for anything that is not one,
// and io.ErrUnexpectedEOF for one that is cut short.
func (l *lexer) next() (*Response, error) {
	l.left, l.literals, l.room, l.shown = maxResponse, maxLiterals, maxValues, l.shown[:0]
	r, err := l.response()
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return r, err
}

func (l *lexer) response() (*Response, error) {
	tag, err := l.word()
	if err != nil {
		return nil, err
	}
	r := &Response{Tag: tag}
	if tag == continuation {
		r.Text, err = l.rest()
		return r, err
	}
	first, err := l.word()
	if err != nil {
		return nil, err
	}
	switch status := strings.ToUpper(first); status {
	case "OK", "NO", "BAD", "BYE", "PREAUTH":
		text, err := l.rest()
		r.setStatus(status, text)
		return r, err
	}
	if tag != untagged {
		_, _ = l.rest()
		return nil, fmt.Errorf("%w: %.200q is not a response", ErrProtocol, l.line())
	}
	values, err := l.values(0)
	r.Data = append([]Value{{Text: first}}, values...)
	return r, err
}

// next octet of the response, which has to fit into the budget.
func (l *lexer) octet() (byte, error) {
	if l.left--; l.left < 0 {
		return 0, fmt.Errorf("%w: a response of more than %d octets, which is the limit", ErrProtocol, maxResponse)
	}
	c, err := l.r.ReadByte()
	if err == nil && len(l.shown) < tracedLine+1 && c != '\r' && c != '\n' {
		l.shown = append(l.shown, c)
	}
	return c, err
}

// peek returns the next octet without taking it; at the end of the line '\n'.
func (l *lexer) peek() (byte, error) {
	b, err := l.r.Peek(1)
	if err != nil {
		return 0, err
	}
	if b[0] != '\r' {
		return b[0], nil
	}
	if b, err = l.r.Peek(2); err == nil && b[1] == '\n' {
		return '\n', nil
	}
	return '\r', err
}

// endLine takes the end of the line, which peek has seen.
func (l *lexer) endLine() error {
	c, err := l.octet()
	if err == nil && c == '\r' {
		_, err = l.octet()
	}
	return err
}

// word takes what stands before the next space, and that, or what is left of the
// line without its end.
func (l *lexer) word() (string, error) {
	var b strings.Builder
	for {
		switch c, err := l.peek(); {
		case err != nil:
			return "", err
		case c == '\n':
			return b.String(), nil
		case c == ' ':
			_, err = l.octet()
			return b.String(), err
		}
		c, err := l.octet()
		if err != nil {
			return "", err
		}
		b.WriteByte(c)
	}
}

// rest takes what is left of the line, with its end.
func (l *lexer) rest() (string, error) {
	var b strings.Builder
	for {
		c, err := l.octet()
		if err != nil {
			return "", err
		}
		if c == '\n' {
			return strings.TrimSuffix(b.String(), "\r"), nil
		}
		b.WriteByte(c)
	}
}

// values reads a list, or at depth 0 the rest of the response. A list that has no
// end ends with its line.
func (l *lexer) values(depth int) ([]Value, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: lists nested more than %d deep, which is the limit", ErrProtocol, maxDepth)
	}
	out := []Value{}
	for {
		c, err := l.peek()
		switch {
		case err != nil:
			return nil, err
		case c == '\n' && depth == 0:
			return out, l.endLine()
		case c == '\n':
			return out, nil
		case c == ' ':
			_, err = l.octet()
		case c == ')':
			if _, err = l.octet(); err == nil && depth > 0 {
				return out, nil
			}
		default:
			var v Value
			v, err = l.value(c, depth)
			out = append(out, v)
		}
		if err != nil {
			return nil, err
		}
	}
}

// value reads one value, which begins with c, in a list at depth.
func (l *lexer) value(c byte, depth int) (v Value, err error) {
	if l.room--; l.room < 0 {
		return v, fmt.Errorf("%w: a response with more than %d values, which is the limit", ErrProtocol, maxValues)
	}
	if c == '(' {
		_, _ = l.octet()
		v.List, err = l.values(depth + 1)
	} else {
		v.Text, err = l.text(c)
	}
	return v, err
}

// text reads a quoted string, a literal or an atom that begins with c.
func (l *lexer) text(c byte) (string, error) {
	switch c {
	case '"':
		return l.quoted()
	case '{', '~':
		return l.literal()
	default:
		return l.atom()
	}
}

func (l *lexer) quoted() (string, error) {
	var b strings.Builder
	_, _ = l.octet()
	for {
		switch c, err := l.peek(); {
		case err != nil:
			return "", err
		case c == '\n':
			return b.String(), nil
		}
		c, err := l.octet()
		if err == nil && c == '"' {
			return b.String(), nil
		}
		if err == nil && c == '\\' {
			c, err = l.octet()
		}
		if err != nil {
			return "", err
		}
		b.WriteByte(c)
	}
}

// atom reads up to a space or parenthesis. In brackets, both belong to it:
// BODY[HEADER.FIELDS (DATE)].
func (l *lexer) atom() (string, error) {
	var b strings.Builder
	inside := false
	for {
		switch c, err := l.peek(); {
		case err != nil:
			return "", err
		case c == '\n', !inside && strings.IndexByte(" ()", c) >= 0:
			return b.String(), nil
		}
		c, err := l.octet()
		if err != nil {
			return "", err
		}
		b.WriteByte(c)
		inside = c == '[' || inside && c != ']'
	}
}

// literal reads {n} or ~{n}, the line end and n octets (RFC 9051 4.3, RFC 3516).
func (l *lexer) literal() (string, error) {
	head, err := l.rest()
	if err != nil {
		return "", err
	}
	digits := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(head, "~"), "{"), "}"), "+")
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt32 {
		return "", fmt.Errorf("%w: %.200q is not a literal", ErrProtocol, head)
	}
	if l.literals--; l.literals < 0 {
		return "", fmt.Errorf("%w: a response with more than %d literals, which is the limit", ErrProtocol, maxLiterals)
	}
	keep := make([]byte, min(n, maxLiteral))
	if _, err := io.ReadFull(l.r, keep); err != nil {
		return "", err
	}
	if _, err := io.CopyN(io.Discard, l.r, n-int64(len(keep))); err != nil {
		return "", err
	}
	return string(keep), nil
}
