package forwarder

import (
	"strings"
	"unicode"
)

// Printable makes the text of a server fit for a log or a terminal: control
// characters become spaces, and octets that are not UTF-8 become U+FFFD.
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
}

// OneLine is Printable with single spaces only.
func OneLine(s string) string { return strings.Join(strings.Fields(Printable(s)), " ") }
