package smtp

import (
	"strings"
	"testing"

	"github.com/popferry/popferry/forwarder"
)

// FuzzExtensions: whatever a server lists behind EHLO, it takes memory in proportion,
// and no command that is made with it has more than one line.
func FuzzExtensions(f *testing.F) {
	f.Add("250-mx.example.org\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-AUTH PLAIN LOGIN\r\n250 CHUNKING", "leo@example.org")
	f.Add("250-x\r\n250-size -1\r\n250-AUTH=LOGIN PLAIN\r\n250", "l\u00e9o@b\u00fccher.example")
	f.Add("250 x\r\n250-AUTH"+strings.Repeat(" A", 1000)+"\r\n"+strings.Repeat("250-AUTH X\r\n", 200), "a@b\r\nDATA")
	f.Fuzz(func(t *testing.T, text, address string) {
		if len(text) > maxReply {
			return // it is not read
		}
		lines := strings.Split(text, "\r\n")
		var e extensions
		if most := uint64(64<<10 + 64*len(text)); allocates(most, func() { e = readExtensions(lines) }) {
			t.Errorf("a list of %d octets takes more than %d", len(text), most)
		}
		if e.size < 0 || e.size > 0 && !e.sizeParam {
			t.Errorf("a size limit of %d octets, SIZE %v", e.size, e.sizeParam)
		}
		for _, m := range e.auth {
			if m != strings.ToUpper(m) || strings.ContainsAny(m, " \t=") {
				t.Errorf("the login method %q is not one word in upper case", m)
			}
		}
		m := &forwarder.Message{Sender: address, Recipients: []string{address}, Size: 1 << 20}
		if _, ok := e.check(m); ok && strings.ContainsAny(e.mailCommand(m)+rcptCommand(address), "\r\n\x00") {
			t.Errorf("%q and %q have more than one line", e.mailCommand(m), rcptCommand(address))
		}
	})
}
