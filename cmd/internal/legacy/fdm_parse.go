package legacy

import (
	"slices"
	"strings"
)

// fdmToken is a word, sign or string of an fdm.conf.
type fdmToken struct {
	text   string
	line   int
	quoted bool
	first  bool // on its line
}

// is reports whether a token is one of these words or signs.
func (t fdmToken) is(words ...string) bool { return !t.quoted && slices.Contains(words, t.text) }

// fdmTokens splits an fdm.conf into tokens (fdm.conf(5)): strings in double quotes with
// escapes, or in single quotes without.
func fdmTokens(text string) (tokens []fdmToken) {
	line, first := 1, true
	for text != "" {
		t := fdmToken{line: line, first: first}
		n := 1
		switch c := text[0]; {
		case c == '\n':
			line, first = line+1, true
			text = text[1:]
			continue
		case c == ' ' || c == '\t' || c == '\r':
			text = text[1:]
			continue
		case c == '#':
			if n = strings.IndexByte(text, '\n'); n < 0 {
				n = len(text)
			}
			text = text[n:]
			continue
		case c == '"' || c == '\'':
			t.quoted = true
			t.text, n = fdmString(text, c)
		case strings.IndexByte("{}()<>,=!", c) >= 0:
			t.text = text[:1]
		default:
			if n = strings.IndexAny(text, " \t\r\n\"'{}()<>,=!#"); n < 0 {
				n = len(text)
			}
			t.text = text[:n]
		}
		line += strings.Count(text[:n], "\n")
		text, first = text[n:], false
		tokens = append(tokens, t)
	}
	return tokens
}

// fdmString reads a string, and how many octets it takes.
func fdmString(text string, quote byte) (s string, n int) {
	var b strings.Builder
	for n = 1; n < len(text); n++ {
		switch c := text[n]; {
		case c == quote:
			return b.String(), n + 1
		case c == '\\' && quote == '"' && n+1 < len(text):
			n++
			switch text[n] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			default:
				b.WriteByte(text[n])
			}
		default:
			b.WriteByte(c)
		}
	}
	return b.String(), n
}

// fdmStatement is a definition or a rule with the tokens that belong to it.
type fdmStatement struct {
	Place
	word string // account, action, match, set ...
	rest []fdmToken
}

// fdmStatements splits an fdm.conf into statements. One begins with its word at the
// beginning of a line, outside of braces; the action of a rule may stand there, too.
func fdmStatements(file, text string) (out []fdmStatement) {
	depth := 0
	for _, t := range fdmTokens(text) {
		begins := t.first && depth == 0 && !t.quoted && (isMacro(t.text) || t.is("account", "action", "match", "set", "include", "cache", "ifdef", "ifndef", "endif"))
		if last := len(out) - 1; begins && t.is("action") && last >= 0 && out[last].word == "match" &&
			!slices.ContainsFunc(out[last].rest, func(o fdmToken) bool { return o.is("action", "actions", "{") }) {
			begins = false
		}
		switch {
		case t.is("{"):
			depth++
		case t.is("}"):
			depth = max(0, depth-1)
		}
		if begins || len(out) == 0 {
			out = append(out, fdmStatement{Place: Place{file, t.line}, word: t.text})
			continue
		}
		out[len(out)-1].rest = append(out[len(out)-1].rest, t)
	}
	return out
}

// fdmWords takes tokens one by one.
type fdmWords struct {
	rest []fdmToken
}

// next takes a token; the zero token at the end.
func (w *fdmWords) next() (t fdmToken) {
	if len(w.rest) > 0 {
		t, w.rest = w.rest[0], w.rest[1:]
	}
	return t
}

// take takes the next token if it is one of these words.
func (w *fdmWords) take(words ...string) bool {
	if len(w.rest) > 0 && w.rest[0].is(words...) {
		w.rest = w.rest[1:]
		return true
	}
	return false
}

// list reads one string, or several in braces.
func (w *fdmWords) list() (items []string) {
	if !w.take("{") {
		return []string{w.next().text}
	}
	for len(w.rest) > 0 && !w.take("}") {
		items = append(items, w.next().text)
	}
	return items
}
