package ledger_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/ledger"
)

func id(name, username, host string) ledger.Identity {
	return ledger.Identity{Name: name, Username: username, Host: host}
}

func TestClaimFindsKnownAccounts(t *testing.T) {
	t.Parallel()
	known := []ledger.Account{
		{ID: 1, Identity: id("isp", "leo", "pop.example.net"), Failures: 7},
		{ID: 2, Identity: id("work", "leo", "mail.example.com")},
	}
	type claims = []ledger.Identity
	for name, test := range map[string]struct {
		claims claims
		want   []int64
	}{
		"none":                              {claims{}, []int64{}},
		"the known ones, in another order":  {claims{known[1].Identity, known[0].Identity}, []int64{2, 1}},
		"a new one":                         {claims{known[0].Identity, id("new", "n", "h")}, []int64{1, 0}},
		"the host in other letters":         {claims{id("isp", "leo", "POP.Example.NET")}, []int64{1}},
		"a new name":                        {claims{id("renamed", "leo", "pop.example.net")}, []int64{1}},
		"new names for both":                {claims{id("b", "leo", "mail.example.com"), id("a", "leo", "pop.example.net")}, []int64{2, 1}},
		"a second name, the first in use":   {claims{id("second", "leo", "pop.example.net"), known[0].Identity}, []int64{0, 1}},
		"two new names for one":             {claims{id("a", "leo", "pop.example.net"), id("b", "leo", "pop.example.net")}, []int64{1, 0}},
		"a user name in other letters":      {claims{id("new", "Leo", "pop.example.net")}, []int64{0}},
		"the user of one, the host of none": {claims{id("new", "leo", "pop.example.org")}, []int64{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ledger.Claim(known, test.claims)
			if err != nil {
				t.Fatal(err)
			}
			ids := []int64{}
			for i, a := range got {
				ids = append(ids, a.ID)
				if a.Identity != test.claims[i] {
					t.Errorf("claim %d has the identity %+v, want %+v", i, a.Identity, test.claims[i])
				}
				if (a.ID == 1) != (a.Failures == 7) {
					t.Errorf("account %d has %d failures, want what is known of it", a.ID, a.Failures)
				}
			}
			if !reflect.DeepEqual(ids, test.want) {
				t.Errorf("IDs %v, want %v", ids, test.want)
			}
		})
	}
}

// TestClaimRefusesAnotherMailbox: UIDs of one mailbox must never count as seen in
// another.
func TestClaimRefusesAnotherMailbox(t *testing.T) {
	t.Parallel()
	known := []ledger.Account{
		{ID: 1, Identity: id("isp", "leo", "pop.example.net")},
		{ID: 2, Identity: id("work", "leo", "mail.example.com")},
	}
	for name, test := range map[string]struct {
		claims []ledger.Identity
		names  []string // in the error
	}{
		"another user":      {[]ledger.Identity{id("isp", "eva", "pop.example.net")}, []string{`"isp"`, "leo", "eva"}},
		"another host":      {[]ledger.Identity{id("isp", "leo", "pop.example.org")}, []string{`"isp"`, "pop.example.org"}},
		"names exchanged":   {[]ledger.Identity{id("isp", "leo", "mail.example.com"), id("work", "leo", "pop.example.net")}, []string{`"isp"`, `"work"`}},
		"one good, one bad": {[]ledger.Identity{known[0].Identity, id("work", "eva", "h")}, []string{`"work"`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := ledger.Claim(known, test.claims)
			if !errors.Is(err, ledger.ErrIdentity) || got != nil {
				t.Fatalf("accounts %v, error %v; want none, and %v", got, err, ledger.ErrIdentity)
			}
			for _, want := range test.names {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %q, want it to contain %s", err, want)
				}
			}
		})
	}
}
