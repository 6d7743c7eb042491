package login

import (
	"html"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// folded is a text in lower case, and perhaps without escapes.
type folded struct {
	octets []byte
	at     []int // for each octet, where its character begins in the text, and the text's length; nil: the same place
}

// source is the part of the text that octets come from: whole characters.
func (f folded) source(from, to int) (int, int) {
	if f.at == nil {
		return from, to
	}
	for to < len(f.octets) && f.at[to] == f.at[to-1] {
		to++
	}
	return f.at[from], f.at[to]
}

// inLower is a text with its ASCII letters in lower case. Its other octets are as
// they were, whatever their encoding is.
func inLower(s string) folded {
	octets := make([]byte, len(s))
	for i := range len(s) {
		octets[i] = lower(s[i])
	}
	return folded{octets: octets}
}

// decoded is a text without its escapes, and with all letters in lower case.
func decoded(s string) folded {
	f := folded{octets: make([]byte, 0, len(s)), at: make([]int, 0, len(s)+1)}
	for i := 0; i < len(s); {
		text, n := unescape(s[i:])
		for _, c := range []byte(text) {
			f.octets, f.at = append(f.octets, lower(c)), append(f.at, i)
		}
		i += n
	}
	f.at = append(f.at, len(s))
	return f
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// unescape returns what the first character of s means, and how many octets of s
// that takes: of a backslash escape as C, Go and JSON have it, of a percent escape
// (RFC 3986 section 2.1) or a character reference of HTML. Everything else means
// itself, in lower case.
func unescape(s string) (string, int) {
	switch s[0] {
	case '\\':
		return backslash(s)
	case '%':
		if c, ok := code(s, 1, 2, 16); ok {
			return string([]byte{byte(c)}), 3
		}
	case '&':
		if end := strings.IndexByte(s[:min(len(s), 10)], ';'); end > 0 {
			if text := html.UnescapeString(s[:end+1]); text != s[:end+1] {
				return strings.ToLower(text), end + 1
			}
		}
	}
	return first(s)
}

// first is the first character of s in lower case, and its length in s.
func first(s string) (string, int) {
	r, n := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError {
		return s[:n], n
	}
	return string(unicode.ToLower(r)), n
}

// backslash is unescape for what begins with a backslash.
func backslash(s string) (string, int) {
	if len(s) == 1 {
		return s, 1
	}
	switch s[1] {
	case 'x':
		if c, ok := code(s, 2, 2, 16); ok {
			return string([]byte{byte(c)}), 4
		}
	case 'u':
		if c, ok := code(s, 2, 4, 16); ok {
			return string(unicode.ToLower(rune(c))), 6
		}
	case '0', '1', '2', '3':
		if c, ok := code(s, 1, 3, 8); ok {
			return string([]byte{byte(c)}), 4
		}
	}
	text, n := first(s[1:])
	return text, 1 + n
}

// code reads the digits from begin on.
func code(s string, begin, digits, base int) (uint64, bool) {
	if len(s) < begin+digits {
		return 0, false
	}
	n, err := strconv.ParseUint(s[begin:begin+digits], base, 16)
	return n, err == nil
}
