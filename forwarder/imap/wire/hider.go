package wire

import (
	"strings"

	"github.com/popferry/popferry/forwarder"
)

const (
	// tracedLine is how many octets of a line are reported.
	tracedLine = 500
	// echoed is how long a part of a secret has to be to be hidden: servers echo
	// lines cut.
	echoed = 8
)

// hider takes the secrets of a login out of what a server says: some repeat the
// line that they refuse, whole, cut or in another case.
type hider struct {
	forms []string // in lower case
}

// add hides more.
func (h *hider) add(forms ...string) {
	for _, form := range forms {
		if form != "" {
			h.forms = append(h.forms, lower(form))
		}
	}
}

// hide is text with stars for each secret, and each longer part of one.
func (h *hider) hide(text string) string {
	if len(h.forms) == 0 {
		return text
	}
	secret := make([]bool, len(text))
	small := lower(text)
	for _, form := range h.forms {
		markParts(secret, small, form)
	}
	var b strings.Builder
	for i := range len(text) {
		switch {
		case !secret[i]:
			b.WriteByte(text[i])
		case i == 0 || !secret[i-1]:
			b.WriteString("***")
		}
	}
	return b.String()
}

// lower is s with the letters of ASCII in lower case, in as many octets.
func lower(s string) string {
	b := []byte(s)
	for i, c := range b {
		if 'A' <= c && c <= 'Z' {
			b[i] = c + 'a' - 'A'
		}
	}
	return string(b)
}

// markParts marks each part of text that is also a part of form.
func markParts(secret []bool, text, form string) {
	n := min(len(form), echoed)
	parts := make(map[string]bool, len(form))
	for i := 0; i+n <= len(form); i++ {
		parts[form[i:i+n]] = true
	}
	for i := 0; i+n <= len(text); i++ {
		if parts[text[i:i+n]] {
			for k := i; k < i+n; k++ {
				secret[k] = true
			}
		}
	}
}

// shownLine is a line made printable, cut if it is very long.
func shownLine(line string) string {
	line = forwarder.Printable(line)
	if len(line) > tracedLine {
		return strings.ToValidUTF8(line[:tracedLine], "") + "..."
	}
	return line
}
