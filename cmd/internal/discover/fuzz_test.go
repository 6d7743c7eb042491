package discover

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/memtest"
)

// FuzzDocument: whatever a stranger's server sends, a candidate has TLS, a
// proper name and port, and a user name that fits on a line, and memory is taken in
// proportion.
func FuzzDocument(f *testing.F) {
	f.Add([]byte(config("pop3 pop.example.test 995 SSL %EMAILADDRESS% password-cleartext", "smtp smtp.%EMAILDOMAIN% 587 STARTTLS leo OAuth2")))
	f.Add([]byte(config("pop3 [::1] 110 STARTTLS a\u00a0b x", "pop3 b\u00fccher.example 65536 TLS %X% x")))
	f.Add([]byte(config("pop3 fe80::1%x 995 SSL a b")))
	f.Add([]byte(strings.Repeat("<a><incomingServer type='pop3'>", 500)))
	f.Add([]byte("<clientConfig><emailProvider><incomingServer type='POP3'><port>1e3</port>"))
	a, err := ParseAddress("leo@example.test")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var o findings
		var err error
		if most := uint64(256<<10 + 256*len(text)); memtest.Exceeds(most, func() { o, err = readDocument(text, a, "somebody") }) {
			t.Errorf("a document of %d octets takes more than %d", len(text), most)
		}
		for _, c := range slices.Concat(o.pop3, o.submission, o.imap) {
			_, isIP := netip.ParseAddr(c.Host)
			if err != nil || c.TLS == dial.None || c.Port < 1 || c.Port > 65535 || strings.ContainsAny(c.Host, " /@%") ||
				strings.Contains(c.Host, ":") && isIP != nil || len(c.Usernames) == 0 || strings.ContainsAny(c.Usernames[0], "\r\n") {
				t.Errorf("%v: %+v", err, c)
			}
		}
	})
}
