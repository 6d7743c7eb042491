package ledger_test

import (
	"errors"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

func TestCheckCopyName(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"1-0123456789abcdef-0123456789abcdef.eml", "12-0123456789abcdef0123.eml", "1-K3VJ5T.eml"} {
		if err := ledger.CheckCopyName(name); err != nil {
			t.Errorf("%s: %v, want no error", name, err)
		}
	}
	for _, name := range []string{
		"", ".", "..", "1-a", "a-b.eml", "-a.eml", "1-.eml", "1-a.eml/", "../1-a.eml", "1-a.eml/../../b", "/1-a.eml", "1-../a.eml", "1-a/b.eml",
		`1-a\b.eml`, "1-a.eml\n", "1-a.eml\x00", "1-a:b.eml", "C:1-a.eml", "1-ä.eml", "x1-a.eml", "1-a.EML",
	} {
		if _, ok := errors.AsType[*ledger.CopyNameError](ledger.CheckCopyName(name)); !ok {
			t.Errorf("%q is taken for the name of a copy", name)
		}
	}
}
