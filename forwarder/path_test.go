package forwarder_test

import (
	"strings"
	"testing"

	"github.com/popferry/popferry/forwarder"
)

func TestParsePath(t *testing.T) {
	t.Parallel()
	const none = "none"
	long := strings.Repeat("a", 400-len("@b.example"))
	for path, want := range map[string]string{
		"<>":                                 "",
		"<a@b.example>":                      "a@b.example",
		"a@b.example":                        "a@b.example",
		"<root>":                             "root", // a local delivery
		"<a+b=c.example@d-e.example>":        "a+b=c.example@d-e.example",
		"<a..b.@b_c.example>":                "a..b.@b_c.example", // seen, though no Dot-string
		`<"a b"@b.example>`:                  `"a b"@b.example`,
		`<"a\"> b@c"@b.example>`:             `"a\"> b@c"@b.example`,
		`<""@b.example>`:                     `""@b.example`,
		"<a@[192.0.2.1]>":                    "a@[192.0.2.1]",
		"<a@[IPv6:2001:db8::1]>":             "a@[IPv6:2001:db8::1]",
		"<@one.example:a@b.example>":         "a@b.example",
		"<@one.example,@two.example:a@b>":    "a@b",
		"@one.example:a@b":                   "a@b",
		"<jörg@bücher.example>":              "jörg@bücher.example",
		"<j\xf6rg@b.example>":                "j\xf6rg@b.example",
		"<" + long + "@b.example>":           long + "@b.example",
		"<a" + long + "@b.example>":          none,
		"":                                   none,
		"<":                                  none,
		">":                                  none,
		"< >":                                none,
		"<a@b.example":                       none,
		"a@b.example>":                       none,
		"<<a@b.example>>":                    none,
		"<a@b.example> RET=FULL":             none,
		"<a@b.example> RET=FULL ENVID=<x>":   none,
		"<> AUTH=<>":                         none,
		"a@b.example SIZE=1":                 none,
		"<a@b.example SIZE=1>":               none,
		"<a b@b.example>":                    none,
		"<a@b.example>\r\nRSET":              none,
		"<\"a\r\nRSET\"@b.example>":          none,
		"<\"a\\\rb\"@b.example>":             none,
		"<\"a\x00\"@b.example>":              none,
		`<"a@b.example>`:                     none,
		`<"a\>`:                              none,
		`<"a"b@b.example>`:                   none,
		"<a@>":                               none,
		"<@b.example>":                       none,
		"<a@b@c.example>":                    none,
		"<a@[]>":                             none,
		"<a@[1]x>":                           none,
		"<a@[1 SIZE=1]>":                     none,
		"<a@b.example:c@d>":                  none,
		"<@one.example,two.example:a@b>":     none,
		"<@one.example SIZE=1:a@b>":          none,
		"<@:a@b>":                            none,
		"MAILER DAEMON (no path, but ASCII)": none,
		"<a@b.example> (comment)":            none,
	} {
		got, ok := forwarder.ParsePath(path)
		if !ok {
			got = none
		}
		if got != want {
			t.Errorf("%.80q: %.80q, want %.80q", path, got, want)
		}
	}
}

// FuzzParsePath: what is taken for a mailbox stays between its brackets.
func FuzzParsePath(f *testing.F) {
	for _, s := range []string{"<a@b>", `<"a\"b"@[1.2.3.4]>`, "<@a,@b:c@d> SIZE=1", "<>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		mailbox, ok := forwarder.ParsePath(s)
		switch {
		case !ok && mailbox != "":
			t.Errorf("%q: %q, and not a path", s, mailbox)
		case !ok:
			return
		case mailbox != "" && !forwarder.IsMailbox(mailbox), len(mailbox) > len(s):
			t.Errorf("%q: %q is not a mailbox", s, mailbox)
		}
		if again, ok := forwarder.ParsePath("<" + mailbox + ">"); !ok || again != mailbox {
			t.Errorf("%q: <%s> is read as %q, %v", s, mailbox, again, ok)
		}
		if outside := unquoted(mailbox); strings.ContainsAny(outside, " <>\t\r\n\x00") || strings.ContainsFunc(mailbox, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%q: %q would not stay a path in a command", s, mailbox)
		}
	})
}

// unquoted is s without a quoted string at its beginning, read octet by octet.
func unquoted(s string) string {
	quoted, escaped := strings.HasPrefix(s, `"`), false
	for i, c := range []byte(s) {
		switch {
		case !quoted:
			return s[i:]
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case i > 0 && c == '"':
			quoted = false
		}
	}
	return ""
}
