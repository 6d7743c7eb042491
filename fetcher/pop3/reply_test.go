package pop3

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestParseReply(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		line   string
		status status
		text   string
		ok     bool
	}{
		{"+OK", statusOK, "", true},
		{"+OK hello", statusOK, "hello", true},
		{"+ok\thello ", statusOK, "hello", true},
		{"+OKhello", statusOK, "hello", true},
		{"-ERR", statusErr, "", true},
		{"-err no", statusErr, "no", true},
		{"+ERR Server error", statusErr, "Server error", true},
		{"+", statusChallenge, "", true},
		{"+ ", statusChallenge, "", true},
		{"+ VXNlcm5hbWU6", statusChallenge, "VXNlcm5hbWU6", true},
		{"", 0, "", false},
		{"OK", 0, "", false},
		{" +OK", 0, "", false},
		{"-NO", 0, "", false},
		{".", 0, "", false},
		{"+OK" + strings.Repeat("x", 10_000), statusOK, strings.Repeat("x", maxText), true},
	} {
		r, ok := parseReply([]byte(tt.line))
		if r.status != tt.status || r.text != tt.text || ok != tt.ok {
			t.Errorf("%.20q: %v %.20q %v", tt.line, r.status, r.text, ok)
		}
	}
}

func TestSplitCode(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ text, code, rest string }{
		{"[AUTH] no", "AUTH", "no"},
		{"[in-use]no", "IN-USE", "no"},
		{"[SYS/TEMP]", "SYS/TEMP", ""},
		{"no [AUTH]", "", "no [AUTH]"},
		{"[", "", "["},
		{"[]", "", "[]"},
		{"[two words] no", "", "[two words] no"},
		{"[[AUTH] no", "", "[[AUTH] no"},
	} {
		if code, rest := splitCode(tt.text); code != tt.code || rest != tt.rest {
			t.Errorf("%q: code %q, rest %q; want %q, %q", tt.text, code, rest, tt.code, tt.rest)
		}
	}
}

// FuzzReply reads any line as a reply and looks at all that is made of it.
func FuzzReply(f *testing.F) {
	for _, s := range []string{
		"+OK Dovecot (Debian) ready.", "+OK POP3 ready <1896.697170952@dbc.mtview.ca.us>", "+OK", "+ok", "-ERR", "-err x", "+ ",
		"-ERR [AUTH] Authentication failed.", "-ERR [SYS/TEMP] [x] y", "-ERR [IN-USE", "+OK\xff\x00\x1b", "+ AGxlbwBzZWNyZXQ=", "+ERR x", "",
	} {
		f.Add([]byte(s), "secret")
	}
	f.Fuzz(func(t *testing.T, line []byte, secret string) {
		r, ok := parseReply(line)
		if !ok && r.text != "" || len(r.text) > maxText {
			t.Errorf("reply %+v, %v; want no text unless it is a reply, and %d octets at most", r, ok, maxText)
		}
		code, rest := splitCode(r.text)
		if strings.ContainsAny(code, "[] ") || code != strings.ToUpper(code) {
			t.Errorf("code %q", code)
		}
		c := &Client{}
		c.mask.Hide(secret)
		e := c.refusal("PASS", code, rest)
		if !utf8.ValidString(e.Text) || strings.ContainsFunc(e.Text, unicode.IsControl) {
			t.Errorf("text %q", e.Text)
		}
		if len(secret) > 6 && !strings.Contains(secret, "*") && utf8.ValidString(rest) && utf8.ValidString(secret) &&
			!strings.ContainsFunc(rest+secret, unicode.IsControl) && strings.Contains(e.Text, secret) {
			t.Errorf("text %q shows the secret %q", e.Text, secret)
		}
		if e.Kind() < KindOther || e.Kind() > KindProtocol || e.Error() == "" || e.Kind().String() == "" {
			t.Errorf("kind %d", e.Kind())
		}
	})
}
