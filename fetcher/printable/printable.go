// Package printable makes what others wrote fit to be shown: the replies of
// servers, what commands complain of, header fields, names in certificates.
//
// It is the one place that says which characters those are. Text is cleaned where
// it enters, and what goes to a terminal once more when it leaves. The package is a
// leaf: everything may import it, and it imports nothing of popferry.
package printable

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxReply is how much of a server's text is kept, in octets: no person reads
// more, and a server can send one with each message.
const MaxReply = 1 << 10

// mark stands where something was cut off.
const mark = "..."

// Is reports whether a character shows and does nothing else. It is false for
// control characters (C0, C1, DEL), for those that change the direction of text or
// have no width, and for U+FFFD only if that is how Go reads an octet that is not
// UTF-8: callers that look at octets have to check that.
func Is(r rune) bool { return unicode.IsGraphic(r) }

// Text is one line without characters that could act on what shows it. White
// space becomes a space, every other one that does not print a question mark, and
// each octet that is not UTF-8 becomes U+FFFD.
func Text(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case Is(r):
			return r
		}
		return '?'
	}, s)
}

// Line is Text with single spaces only, and none at its ends.
func Line(s string) string { return strings.Join(strings.Fields(Text(s)), " ") }

// Lines is Line for the text of several errors, which has one in each line.
func Lines(s string) string { return Line(strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")) }

// Cut is s if that has no more than so many octets, and otherwise its beginning
// with a mark. It does not cut within a character.
func Cut(s string, octets int) string {
	if len(s) <= octets {
		return s
	}
	end := max(0, octets-len(mark))
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + mark
}

// Reply is what a server said, as it is logged and kept: on one line and cut.
func Reply(s string) string { return Cut(Line(s), MaxReply) }
