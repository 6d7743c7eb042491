package ledger_test

import (
	"errors"
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
			got := ledger.Claim(known, test.claims, time.Time{})
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
		"the name of one that was removed":  {[]ledger.Identity{id("tunnel", "leo", "pop.example.org"), known[1].Identity}, "1 moved, 2"},
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
			for i, a := range ledger.Claim(known, test.claims, time.Time{}) {
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

// TestClaimLeavesWhatOthersHave: several configurations may share a ledger. What one of them
// polls is not taken for an account of another one that was edited.
func TestClaimLeavesWhatOthersHave(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	of := func(config string, i ledger.Identity) ledger.Identity {
		i.Config = config
		return i
	}
	known := func(polled time.Time) []ledger.Account {
		return []ledger.Account{
			{ID: 1, Identity: of("/a.yaml", id("isp", "leo", "pop.example.net")), LastPoll: polled},
			{ID: 2, Identity: of("/b.yaml", id("work", "eva", "mail.example.com")), LastPoll: now},
		}
	}
	for name, test := range map[string]struct {
		claim  ledger.Identity
		polled time.Duration // before now
		want   string
	}{
		"its own, edited":                      {of("/a.yaml", id("new", "leo", "pop.example.org")), time.Hour, "1 moved /a.yaml"},
		"of a configuration that is not known": {id("new", "leo", "pop.example.org"), time.Hour, "1 moved /a.yaml"},
		"another one's, of the same user":      {of("/b.yaml", id("new", "leo", "pop.example.org")), time.Hour, "0 /b.yaml"},
		"of the same local part":               {of("/b.yaml", id("new", "leo@example.net", "pop.example.net")), time.Hour, "0 /b.yaml"},
		"that is not polled any more":          {of("/b.yaml", id("new", "leo", "pop.example.org")), 25 * time.Hour, "1 moved /b.yaml"},
		"the same mailbox":                     {of("/b.yaml", id("new", "leo", "pop.example.net")), time.Hour, "1 /b.yaml"},
		"the same name":                        {of("/b.yaml", id("isp", "zoe", "pop.example.org")), time.Hour, "isp claimed by /a.yaml"},
		"the same name for a known mailbox":    {of("/b.yaml", id("isp", "eva", "mail.example.com")), time.Hour, "isp claimed by /a.yaml"},
		"the name of one that is not polled":   {of("/b.yaml", id("isp", "eva", "mail.example.com")), 25 * time.Hour, "2 /b.yaml"},
		"that name, not polled any more":       {of("/b.yaml", id("isp", "zoe", "pop.example.org")), 25 * time.Hour, "1 moved /b.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got string
			changes, err := ledger.ClaimChanged(known(now.Add(-test.polled)), []ledger.Identity{test.claim}, now)
			accounts := changes.Accounts
			var claimed *ledger.NameClaimedError
			switch moved := changes.Written[0]; {
			case errors.As(err, &claimed):
				got = fmt.Sprintf("%s claimed by %s", claimed.Claim.Name, claimed.Known.Config)
			case err != nil:
				t.Fatal(err)
			case moved:
				got = fmt.Sprint(accounts[0].ID, " moved ", accounts[0].Config)
			default:
				got = fmt.Sprint(accounts[0].ID, " ", accounts[0].Config)
			}
			if got != test.want {
				t.Errorf("claimed %q, want %q", got, test.want)
			}
		})
	}
}
