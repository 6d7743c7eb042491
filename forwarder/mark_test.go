package forwarder_test

import (
	"testing"

	"github.com/popferry/popferry/forwarder"
)

func TestMarkText(t *testing.T) {
	t.Parallel()
	inbox := forwarder.Place{Name: "INBOX", Validity: 6, Next: 4294967295}
	for want, m := range map[string]forwarder.Mark{
		"":                     {},
		`"INBOX" 6 4294967295`: {Folder: inbox},
		`"INBOX" 6 4294967295 "[Gmail]/All Mail" 0 7`: {Folder: inbox, All: forwarder.Place{Name: "[Gmail]/All Mail", Next: 7}},
		`"a \"b\" \\ 7 8" 6 4294967295 "\u00e4\xff\n" 1 0`: {
			Folder: forwarder.Place{Name: `a "b" \ 7 8`, Validity: 6, Next: 4294967295},
			All:    forwarder.Place{Name: "ä\xff\n", Validity: 1},
		},
	} {
		if got := m.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got, err := forwarder.ParseMark(want); got != m || err != nil {
			t.Errorf("%s was read as %+v, %v, want %+v", want, got, err, m)
		}
		if m.IsZero() != (want == "") {
			t.Errorf("%s: IsZero is %v", want, m.IsZero())
		}
	}
}

func TestParseMarkRefusesOtherText(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"x", "INBOX 1 2", `"INBOX"`, `"INBOX" 1`, `"INBOX" 1 x`, `"INBOX" -1 2`, `"INBOX" 1 4294967296`, `"INBOX 1 2`, `"a" 1 2 "b"`, `"a" 1 2 "b" 1 2 "c" 1 2`} {
		if got, err := forwarder.ParseMark(s); err == nil {
			t.Errorf("%s was read as %+v", s, got)
		}
	}
}

func FuzzParseMark(f *testing.F) {
	f.Add(`"INBOX" 6 42 "[Gmail]/All Mail" 0 7`)
	f.Fuzz(func(t *testing.T, s string) {
		m, err := forwarder.ParseMark(s)
		if err != nil {
			return
		}
		if again, err := forwarder.ParseMark(m.String()); again != m || err != nil {
			t.Errorf("%q became %+v, then %+v, %v", s, m, again, err)
		}
	})
}
