package wire

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
)

// utf7 is base64 as names of folders have it (RFC 3501 5.1.3).
var utf7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// EncodeUTF7 writes the name of a folder in modified UTF-7 (RFC 3501 5.1.3): only
// printable ASCII is left, "&" is "&-".
func EncodeUTF7(name string) string {
	var b strings.Builder
	var wide []rune
	flush := func() {
		if len(wide) == 0 {
			return
		}
		var octets []byte
		for _, unit := range utf16.Encode(wide) {
			octets = append(octets, byte(unit>>8), byte(unit))
		}
		b.WriteString("&" + utf7.EncodeToString(octets) + "-")
		wide = wide[:0]
	}
	for _, r := range name {
		if r < ' ' || r > '~' {
			wide = append(wide, r)
			continue
		}
		flush()
		b.WriteRune(r)
		if r == '&' {
			b.WriteByte('-')
		}
	}
	flush()
	return b.String()
}

// Quote writes a quoted string (RFC 9051 4.3). Line ends and NULs, which it cannot
// have, are left out: no name may end a command.
func Quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "", "\x00", "").Replace(s) + `"`
}

// Quotable reports whether a string can be quoted as it is, and everybody reads it.
func Quotable(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
