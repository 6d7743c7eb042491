package maildir

import (
	"encoding/base64"
	"strings"
	"unicode/utf16"
)

// modifiedBase64 is base64 with "," for "/" and without padding (RFC 3501 5.1.3).
var modifiedBase64 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// modifiedUTF7 writes the name of a folder as IMAP servers do on disk: printable
// ASCII as it is, "&" as "&-", and all else as UTF-16 in base64 between "&" and "-"
// (RFC 3501 5.1.3).
func modifiedUTF7(name string) string {
	var b strings.Builder
	var other []rune // that are to be encoded together
	flush := func() {
		if len(other) > 0 {
			b.WriteString("&" + modifiedBase64.EncodeToString(bigEndian(utf16.Encode(other))) + "-")
			other = nil
		}
	}
	for _, r := range name {
		if r < ' ' || r > '~' {
			other = append(other, r)
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

func bigEndian(words []uint16) []byte {
	octets := make([]byte, 0, 2*len(words))
	for _, w := range words {
		octets = append(octets, byte(w>>8), byte(w))
	}
	return octets
}
