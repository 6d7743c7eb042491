package login

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"unicode/utf8"
)

// Hidden stands for a secret.
const Hidden = "***"

// run is how many octets in a row of a secret are hidden. Shorter ones are in
// many words.
const run = 6

// Mask hides the secrets of a session in what its server says. Some servers
// repeat the line that they refuse, whole or cut, some with escapes or in another
// case, and some name the password long after the login. The zero value, like nil,
// hides nothing. Hide and HideResponse must not run at the same time as Text.
type Mask struct {
	// The secrets themselves are not kept, only what Text looks for.

	runs  map[uint64]struct{} // all runs of run octets of all forms
	short [][]byte            // forms that have fewer octets
}

// Hide hides a password or token from now on, plain and in base64.
func (m *Mask) Hide(secret string) {
	if strings.TrimSpace(secret) == "" {
		return
	}
	m.add(secret)
	m.HideResponse([]byte(secret))
	// Within a response that was encoded as a whole, the base64 of a secret looks
	// one of three ways. What stands at its ends depends on its neighbours.
	for before := range 3 {
		text := base64.RawStdEncoding.EncodeToString(append(make([]byte, before), secret...))
		if begin := before + 1; before > 0 {
			text = text[min(begin, len(text)):]
		}
		if text = text[:max(0, len(text)-1)]; len(text) >= run {
			m.add(text)
		}
	}
}

// HideResponse hides the base64 of a SASL response (RFC 4422 section 3) from now
// on, and of what else is secret only as it is sent.
func (m *Mask) HideResponse(octets []byte) {
	if len(octets) == 0 {
		return
	}
	text := base64.StdEncoding.EncodeToString(octets)
	m.add(text)
	if strings.ContainsAny(text, "+/") {
		m.add(base64.URLEncoding.EncodeToString(octets))
	}
}

// add adds one form of a secret to what is hidden.
func (m *Mask) add(form string) {
	m.addFolded(inLower(form))
	if !isASCII(form) {
		m.addFolded(decoded(form))
	}
}

func (m *Mask) addFolded(f folded) {
	if len(f.octets) < run {
		m.short = append(m.short, f.octets)
		return
	}
	if m.runs == nil {
		m.runs = make(map[uint64]struct{})
	}
	eachRun(f.octets, func(_ int, key uint64) { m.runs[key] = struct{}{} })
}

// Text returns a text without the secrets: each run of 6 or more octets that a
// secret contains too, in any case, plain, in base64, or escaped, is replaced by
// "***". A secret that is shorter is hidden where it stands whole. The text must
// not include what a program reads, such as a status code.
func (m *Mask) Text(s string) string {
	if m == nil || s == "" || len(m.runs)+len(m.short) == 0 {
		return s
	}
	hidden := m.find(nil, inLower(s), len(s))
	if strings.ContainsAny(s, `\%&`) || !isASCII(s) {
		hidden = m.find(hidden, decoded(s), len(s))
	}
	if hidden == nil {
		return s
	}
	var b strings.Builder
	open := false // a part that is hidden
	for i := 0; i < len(s); {
		_, n := utf8.DecodeRuneInString(s[i:])
		hide := slices.Contains(hidden[i:i+n], true) // half a character is none
		switch {
		case !hide:
			b.WriteString(s[i : i+n])
		case !open:
			b.WriteString(Hidden)
		}
		open = hide
		i += n
	}
	return b.String()
}

// find marks the octets of a text that belong to a secret. Nil: none do.
func (m *Mask) find(hidden []bool, f folded, size int) []bool {
	hide := func(from, to int) {
		if hidden == nil {
			hidden = make([]bool, size)
		}
		for i, end := f.source(from, to); i < end; i++ {
			hidden[i] = true
		}
	}
	if len(m.runs) > 0 {
		eachRun(f.octets, func(i int, key uint64) {
			if _, ok := m.runs[key]; ok {
				hide(i, i+run)
			}
		})
	}
	for _, short := range m.short {
		for from := 0; ; from++ {
			i := bytes.Index(f.octets[from:], short)
			if i < 0 {
				break
			}
			from += i
			hide(from, from+len(short))
		}
	}
	return hidden
}

// eachRun calls do with the place of each run of octets, and a key for its octets.
func eachRun(octets []byte, do func(i int, key uint64)) {
	var key uint64
	for i, c := range octets {
		key = (key<<8 | uint64(c)) & (1<<(8*run) - 1)
		if i >= run-1 {
			do(i-run+1, key)
		}
	}
}
