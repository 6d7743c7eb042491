package ledger_test

import (
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

func TestSameFingerprint(t *testing.T) {
	t.Parallel()
	leo, mia := ledger.DeliveryFingerprint("a", "leo"), ledger.DeliveryFingerprint("a", "mia")
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"", "", true},
		{"a", "a", true},
		{"a", "b", false},
		{"a", "", false},
		{leo, leo, true},
		{leo, mia, false},
		{leo, "a", true},
		{leo, "b", false},
		{leo, "", false},
		{leo, ledger.DeliveryFingerprint("b", "leo"), false},
		{ledger.FieldFingerprint(leo, "X-Box", "1"), ledger.FieldFingerprint(leo, "x-box", "1"), true},
		{ledger.FieldFingerprint(leo, "X-Box", "1"), ledger.FieldFingerprint(leo, "X-Box", "2"), false},
		{ledger.FieldFingerprint(leo, "X-Box", "1"), ledger.FieldFingerprint(mia, "X-Box", "1"), false},
		{ledger.FieldFingerprint(leo, "X-Box", "1"), ledger.FieldFingerprint(leo, "X-For", "2"), true},
		{ledger.FieldFingerprint(leo, "X-Box", "1"), leo, true},
		{ledger.FieldFingerprint(leo, "X-Box", "1"), mia, false},
		{ledger.FieldFingerprint(leo, "X-Box", "1"), "a", true},
	} {
		if ledger.SameFingerprint(c.a, c.b) != c.same || ledger.SameFingerprint(c.b, c.a) != c.same {
			t.Errorf("%q and %q: want %v", c.a, c.b, c.same)
		}
	}
	if ledger.HeaderFingerprint(leo) != "a" || ledger.HeaderFingerprint("a") != "a" {
		t.Errorf("the header's part of %q is %q", leo, ledger.HeaderFingerprint(leo))
	}
}
