package maildir

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// longestName leaves room for a number and a reader's flags within the 255 octets
// that file systems allow.
const longestName = 180

// fileName makes a name that is valid in a Maildir: without "/" and ":", and not
// beginning with a dot. Different names stay different. Anything except letters,
// digits and "-._@" becomes "%" and two hex digits. A name that is too long is cut
// and gets a hash. "~" is never from the given name.
func fileName(name string) string {
	var b strings.Builder
	for i := range len(name) {
		if c := name[i]; plain(c) && (c != '.' || i > 0) {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	switch s := b.String(); {
	case s == "":
		return "~" // a file needs a name
	case len(s) > longestName:
		return fmt.Sprintf("%s~%x", s[:longestName/2], sha256.Sum256([]byte(name)))
	default:
		return s
	}
}

// plain reports whether an octet stays in a file's name.
func plain(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._@", c) >= 0
}

// numbered is the n-th name for messages of one name.
func numbered(base string, n int) string {
	if n == 1 {
		return base
	}
	return fmt.Sprintf("%s~%d", base, n)
}

// baseOf is a file's name without the flags that readers append (":2,S").
func baseOf(file string) string {
	base, _, _ := strings.Cut(file, ":")
	return base
}

// deliveredName is the name of a file in an inbox. Dovecot and others number new
// messages in the order of the seconds in front, and take the size from ",S="
// (Maildir++) without opening the file.
func deliveredName(key string, date time.Time, size int64) string {
	return fmt.Sprintf("%d.%s%s,S=%d", max(0, date.Unix()), key, deliveredEnd, size)
}

// deliveredEnd follows the key in such a name, where a host's name is common.
const deliveredEnd = ".popferry"

// keyOf is the key in a name that deliveredName has made, without what readers have
// appended; "": another program has made it.
func keyOf(file string) string {
	name, _, _ := strings.Cut(baseOf(file), ",")
	seconds, rest, _ := strings.Cut(name, ".")
	key, ok := strings.CutSuffix(rest, deliveredEnd)
	if !ok || strings.Trim(seconds, "0123456789") != "" {
		return ""
	}
	return key
}
