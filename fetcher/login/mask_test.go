package login

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

const secret = `Hunter2-"Geheim"! é&%`

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// masked is a text under a mask of one secret and its response to PLAIN.
func masked(secret, text string) string {
	var m Mask
	m.Hide(secret)
	m.HideResponse([]byte("\x00leo\x00" + secret))
	return m.Text(text)
}

func TestMask(t *testing.T) {
	t.Parallel()
	response := b64("\x00leo\x00" + secret)
	every := func(form string) string { // each octet escaped
		var b strings.Builder
		for i := range len(secret) {
			fmt.Fprintf(&b, form, secret[i])
		}
		return b.String()
	}
	for name, tt := range map[string]struct{ in, want string }{
		"whole":              {"session of leo/" + secret + " expired", "session of leo/*** expired"},
		"twice":              {secret + " or " + secret, "*** or ***"},
		"cut at its end":     {`bad command "PASS Hunter2-"G...`, `bad command "PASS ***...`},
		"cut at its start":   {`...eheim"! é&%`, `...***`},
		"six octets":         {"is Hunter all?", "is *** all?"},
		"five octets":        {"is Hunte all?", "is Hunte all?"},
		"other case":         {"PASS " + strings.ToUpper(secret), "PASS ***"},
		"with backslashes":   {`PASS Hunter2\-\"Geheim\"\! é\&\%`, "PASS ***"},
		"quoted":             {"PASS " + strconv.QuoteToASCII(secret), `PASS "***"`},
		"hexadecimal":        {"PASS " + every(`\x%02X`), "PASS ***"},
		"octal":              {"PASS " + every(`\%03o`), "PASS ***"},
		"percent":            {"PASS " + every("%%%02x"), "PASS ***"},
		"as a path":          {"PASS " + url.PathEscape(secret), "PASS ***"},
		"as HTML":            {"PASS Hunter2-&quot;Geheim&#34;! é&amp;%", "PASS ***"},
		"base64":             {"what is " + b64(secret) + "?", "what is ***?"},
		"base64, lower case": {"what is " + strings.ToLower(b64(secret)) + "?", "what is ***?"},
		"response":           {"AUTH PLAIN " + response, "AUTH PLAIN ***"},
		"response, cut":      {"AUTH PLAIN " + response[:20] + "...", "AUTH PLAIN ***..."},
		"response, its end":  {"..." + response[16:], "...***"},
		"response, lower":    {"auth plain " + strings.ToLower(response[:24]), "auth plain ***"},
		"another response":   {b64("n,a=leo@example.org,\x01auth=Bearer " + secret)[48:64], "***"},
		"something else":     {"Mailbox of leo is locked, 100% \\o/ &c", "Mailbox of leo is locked, 100% \\o/ &c"},
		"nothing":            {"", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := masked(secret, tt.in); got != tt.want {
				t.Errorf("%q:\ngot  %q\nwant %q", tt.in, got, tt.want)
			}
		})
	}
}

// TestMaskOfShortSecret: of a secret with fewer than six octets no part is hidden,
// or ordinary words would be.
func TestMaskOfShortSecret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ secret, in, want string }{
		{"pass", "PASS pass: password wrong", "*** ***: ***word wrong"},
		{"a-b", "not A-B, a and b", "not ***, a and b"},
		{"a-b", `not "a\-b"`, `not "***"`},
		{"a-b", "not " + b64("a-b") + " nor " + b64("\x00leo\x00a-b"), "not *** nor ***"},
		{"aa", "aaa", "***"},
		{" ", "a b", "a b"},
		{"", "a b", "a b"},
	} {
		if got := masked(tt.secret, tt.in); got != tt.want {
			t.Errorf("%q in %q: got %q, want %q", tt.secret, tt.in, got, tt.want)
		}
	}
}

// TestMaskHidesNothing without secrets.
func TestMaskHidesNothing(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]*Mask{"zero": {}, "nil": nil} {
		if got := m.Text(secret); got != secret {
			t.Errorf("%s: got %q, want %q", name, got, secret)
		}
	}
}

// FuzzMask: no run of six octets of the secret is left, however the text is
// escaped, and what is left is the text's.
func FuzzMask(f *testing.F) {
	f.Add("Hunter2-Geheim", `PASS Hunter2\-Geheim`, uint8(3))
	f.Add("\xff\u00e9\\\"%41&amp;", `\xff\u00e9\\\"%41&amp;`, uint8(1))
	f.Fuzz(func(t *testing.T, secret, text string, cut uint8) {
		if strings.Contains(secret, "*") {
			t.Skip("it looks like its replacement")
		}
		secret = strings.TrimSpace(secret)
		at := min(int(cut), len(text))
		text = text[:at] + secret + text[at:]
		got := masked(secret, text)
		for i := 0; i+run <= len(secret); i++ {
			if part := secret[i : i+run]; strings.Contains(got, part) {
				t.Errorf("%q: %q shows %q of %q", text, got, part, secret)
			}
		}
		rest := text
		for part := range strings.SplitSeq(got, Hidden) {
			_, after, ok := strings.Cut(rest, part)
			if !ok && !strings.Contains(text, "*") {
				t.Errorf("%q: got %q", text, got)
			}
			rest = after
		}
	})
}

func BenchmarkMask(b *testing.B) {
	var m Mask
	m.Hide(strings.Repeat(secret, 50)) // a token
	const text = "2.0.0 Ok: queued as 4C1B2F0039, leo@example.org"
	b.ReportAllocs()
	for b.Loop() {
		if m.Text(text) != text {
			b.Fatal("hidden")
		}
	}
}
