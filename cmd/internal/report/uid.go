package report

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// UID is a UID as JSON has it: each octet read as Latin-1.
func UID(uid string) string {
	r := make([]rune, len(uid))
	for i := range len(uid) {
		r[i] = rune(uid[i])
	}
	return string(r)
}

// ParseUID is the inverse of UID.
func ParseUID(text string) (string, error) {
	if text == "" {
		return "", errors.New("a UID cannot be empty")
	}
	octets := make([]byte, 0, len(text))
	for _, r := range text {
		if r > unicode.MaxLatin1 {
			return "", fmt.Errorf("%q is not a UID as shown by popferry messages --json: %q is outside Latin-1", text, r)
		}
		octets = append(octets, byte(r))
	}
	return string(octets), nil
}

// PrintableUID is UID for a terminal: quoted if it has unprintable characters.
func PrintableUID(uid string) string {
	s := UID(uid)
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}
