package legacy

import (
	"strconv"
	"strings"
)

// rcToken is a word of a fetchmailrc.
type rcToken struct {
	text   string
	line   int
	quoted bool // so it is not a keyword
}

// is reports whether a token is this keyword or sign.
func (t rcToken) is(word string) bool { return !t.quoted && t.text == word }

// Signs that end an unquoted word. Only = has a meaning of its own (fetchmail(1),
// "Run Control Syntax").
const (
	rcSigns = ",;:="
	rcBlank = " \t\r\n"
)

// rcTokens splits a fetchmailrc into words.
func rcTokens(text string) []rcToken {
	l := rcLexer{rest: text, line: 1}
	for l.skip() {
		l.tokens = append(l.tokens, l.next())
	}
	return l.tokens
}

type rcLexer struct {
	rest   string
	line   int
	tokens []rcToken
}

// skip advances to the next token. It reports false at the end.
func (l *rcLexer) skip() bool {
	for l.rest != "" {
		c := l.rest[0]
		switch {
		case c == '#':
			end := strings.IndexByte(l.rest, '\n')
			if end < 0 {
				return false
			}
			l.advance(end)
		case c != '=' && strings.IndexByte(rcSigns+rcBlank, c) >= 0:
			l.advance(1)
		default:
			return true
		}
	}
	return false
}

func (l *rcLexer) advance(n int) string {
	s := l.rest[:n]
	l.line += strings.Count(s, "\n")
	l.rest = l.rest[n:]
	return s
}

// next reads a quoted word or an unquoted one, whichever is longer, as fetchmail
// does: a quote inside a word is a part of it, and a backslash does not escape the
// closing quote.
func (l *rcLexer) next() rcToken {
	t := rcToken{line: l.line}
	if l.rest[0] == '=' {
		t.text = l.advance(1)
		return t
	}
	plain := strings.IndexAny(l.rest, rcSigns+rcBlank)
	if plain < 0 {
		plain = len(l.rest)
	}
	quoted := 0
	if c := l.rest[0]; c == '"' || c == '\'' {
		quoted = strings.IndexByte(l.rest[1:], c) + 2
	}
	if quoted > 1 && quoted >= plain {
		t.text, t.quoted = unescape(l.advance(quoted)[1:quoted-1]), true
		return t
	}
	t.text = unescape(l.advance(plain))
	return t
}

// unescape resolves backslash escapes. They differ from C's: \233 is decimal.
// Octal and decimal have at most three digits (fetchmail 6.4 --configdump),
// hexadecimal at most two.
func unescape(s string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, `\`)
		b.WriteString(before)
		if !found || after == "" {
			return b.String()
		}
		n := 1
		switch c := after[0]; {
		case c == '\n': // joins two lines
		case c == 'x':
			n = 1 + number(&b, after[1:], 16, 2)
		case c == '0':
			n = number(&b, after, 8, 3)
		case c >= '1' && c <= '9':
			n = number(&b, after, 10, 3)
		default:
			b.WriteByte(simpleEscape(c))
		}
		s = after[n:]
	}
}

func simpleEscape(c byte) byte {
	switch c {
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'b':
		return '\b'
	case 'r':
		return '\r'
	}
	return c
}

// number writes the octet with the value of at most so many digits, and returns
// the number of digits.
func number(b *strings.Builder, s string, base, most int) int {
	n := 0
	for n < most && n < len(s) {
		if _, err := strconv.ParseUint(s[n:n+1], base, 8); err != nil {
			break
		}
		n++
	}
	if v, err := strconv.ParseUint(s[:n], base, 16); err == nil {
		b.WriteByte(byte(v))
	}
	return n
}
