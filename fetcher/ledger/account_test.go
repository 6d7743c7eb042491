package ledger_test

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

func id(name, username, host string) ledger.Identity {
	return ledger.Identity{Name: name, Username: username, Host: host}
}

func TestClaimFindsKnownAccounts(t *testing.T) {
	t.Parallel()
	known := []ledger.Account{
		{ID: 1, Identity: id("isp", "leo", "pop.example.net"), Failures: 7},
		{ID: 2, Identity: id("work", "eva", "mail.example.com")},
	}
	type claims = []ledger.Identity
	for name, test := range map[string]struct {
		claims claims
		want   []int64
	}{
		"none":                             {claims{}, []int64{}},
		"the known ones, in another order": {claims{known[1].Identity, known[0].Identity}, []int64{2, 1}},
		"a new one":                        {claims{known[0].Identity, id("new", "n", "h")}, []int64{1, 0}},
		"the host in other letters":        {claims{id("isp", "leo", "POP.Example.NET")}, []int64{1}},
		"a new name":                       {claims{id("renamed", "leo", "pop.example.net")}, []int64{1}},
		"new names for both":               {claims{id("b", "eva", "mail.example.com"), id("a", "leo", "pop.example.net")}, []int64{2, 1}},
		"a second name, the first in use":  {claims{id("second", "leo", "pop.example.net"), known[0].Identity}, []int64{0, 1}},
		"two new names for one":            {claims{id("a", "leo", "pop.example.net"), id("b", "leo", "pop.example.net")}, []int64{1, 0}},
		"neither user nor host are known":  {claims{id("new", "zoe", "pop.example.org")}, []int64{0}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := ledger.Claim(known, test.claims)
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

// TestClaimOfAnEditedAccount: a changed host, port or user name is an account whose
// rows prove nothing by their UIDs. What was learnt of the server is forgotten.
func TestClaimOfAnEditedAccount(t *testing.T) {
	t.Parallel()
	polled := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	known := []ledger.Account{
		{ID: 1, Identity: id("isp", "leo", "pop.example.net"), Failures: 7, Listed: polled, LastPoll: polled},
		{ID: 2, Identity: id("work", "leo", "mail.example.com"), LastPoll: polled.Add(time.Hour)},
		{ID: 3, Identity: ledger.NewIdentity("tunnel", "eva", "127.0.0.1", 1110), LastPoll: polled},
	}
	for name, test := range map[string]struct {
		claims []ledger.Identity
		want   string // ID and whether it was moved, of each
	}{
		"another host":                      {[]ledger.Identity{id("isp", "leo", "pop.example.org"), known[1].Identity}, "1 moved, 2"},
		"another user":                      {[]ledger.Identity{id("isp", "zoe", "pop.example.net")}, "1 moved"},
		"both, under the same name":         {[]ledger.Identity{id("isp", "zoe", "h")}, "1 moved"},
		"names exchanged":                   {[]ledger.Identity{id("isp", "leo", "mail.example.com"), id("work", "leo", "pop.example.net")}, "2, 1"},
		"another name and host":             {[]ledger.Identity{id("new", "leo", "pop.example.org"), known[1].Identity}, "1 moved, 2"},
		"the same, the last polled one":     {[]ledger.Identity{id("new", "leo", "pop.example.org")}, "2 moved"},
		"another name, the user's address":  {[]ledger.Identity{id("new", "Leo@example.net", "pop.example.net")}, "1 moved"},
		"another name, user and host":       {[]ledger.Identity{id("new", "zoe", "h")}, "0"},
		"another port of this machine":      {[]ledger.Identity{ledger.NewIdentity("tunnel", "eva", "127.0.0.1", 1111)}, "3 moved"},
		"the same port":                     {[]ledger.Identity{ledger.NewIdentity("renamed", "eva", "127.0.0.1", 1110)}, "3"},
		"a port that was not noted":         {[]ledger.Identity{id("renamed", "eva", "127.0.0.1")}, "3"},
		"another port of another machine":   {[]ledger.Identity{ledger.NewIdentity("isp", "leo", "pop.example.net", 110)}, "1"},
		"taken over by its own name before": {[]ledger.Identity{id("new", "leo", "h"), id("isp", "leo", "pop.example.org"), known[1].Identity}, "0, 1 moved, 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for i, a := range ledger.Claim(known, test.claims) {
				what := fmt.Sprint(a.ID)
				if a.Moved {
					what += " moved"
				}
				if got = append(got, what); a.Identity != test.claims[i] {
					t.Errorf("claim %d has the identity %+v, want %+v", i, a.Identity, test.claims[i])
				}
				if a.Moved && (a.Failures != 0 || a.LastPoll.IsZero()) {
					t.Errorf("moved: %+v, want nothing of the old server but when it was polled", a.Account)
				}
			}
			if got := strings.Join(got, ", "); got != test.want {
				t.Errorf("claimed %q, want %q", got, test.want)
			}
		})
	}
}
