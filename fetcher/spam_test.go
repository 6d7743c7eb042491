package fetcher_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// lying says in which folder each message lies, and how often.
func lying(s *imaptest.Server) (in []string) {
	for _, folder := range s.Folders() {
		for _, m := range s.Messages(folder) {
			in = append(in, nameOfOctets(m.Octets)+" in "+folder)
		}
	}
	slices.Sort(in)
	return in
}

const markedAsSpam = "X-Spam-Flag: YES\r\n"

// What the provider of the mailbox has marked lies in the folder for it, also after a
// cut of which nobody knows whether it came before; and nothing lies there twice.
func TestSpamGoesIntoTheFolderForIt(t *testing.T) {
	t.Parallel()
	special := map[string]string{"Werbung": `\Junk`, "Junk": "", "Work": ""}
	for name, tt := range map[string]struct {
		folders map[string]string
		spam    string
		filter  fetcher.Filter
		want    []string
	}{
		"the server's folder for junk": {special, forwarder.JunkFolder, nil, []string{"m1 in INBOX", "m2 in Werbung"}},
		"the one that is called so":    {map[string]string{"Junk": ""}, forwarder.JunkFolder, nil, []string{"m1 in INBOX", "m2 in Junk"}},
		"one by its name":              {special, "Work", nil, []string{"m1 in INBOX", "m2 in Work"}},
		"off":                          {special, "", nil, []string{"m1 in INBOX", "m2 in INBOX"}},
		"a filter that says nothing": {special, "Work", filterFunc(func(context.Context, string) (fetcher.Verdict, error) {
			return fetcher.Verdict{}, nil
		}), []string{"m1 in INBOX", "m2 in Work"}},
		"a filter that chooses": {special, "Work", filterFunc(func(context.Context, string) (fetcher.Verdict, error) {
			return fetcher.Verdict{To: []string{"Junk"}}, nil
		}), []string{"m1 in Junk", "m2 in Junk"}},
	} {
		for n := range int32(3) {
			t.Run(fmt.Sprint(name, ", cut at ", n), func(t *testing.T) {
				t.Parallel()
				f := newFixture(t, faults{})
				o := keepsAndCuts(n)
				o.Folders = tt.folders
				s := f.deliverByIMAP("INBOX", o)
				f.account.Destination.SpamFolder, f.account.Filter = tt.spam, tt.filter
				f.addDelivered("m1", "")
				f.addDelivered("m2", markedAsSpam)
				f.poll()
				f.now.Add(time.Hour)
				f.poll()
				if got := lying(s); !slices.Equal(got, tt.want) {
					t.Errorf("%v, want %v", got, tt.want)
				}
				f.wantAll("forwarded")
			})
		}
	}
}

// A folder for spam that is not there concerns the spam alone. It comes once the folder
// is there.
func TestMissingFolderForSpamHoldsNothingElseUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	s := f.deliverByIMAP("INBOX", imaptest.Options{})
	f.account.Destination.SpamFolder = forwarder.JunkFolder
	f.addDelivered("m1", markedAsSpam)
	f.addDelivered("m2", "")
	f.poll()
	if got := strings.Join(lying(s), ", "); got != "m2 in INBOX" {
		t.Errorf("%s, want m2 alone in INBOX", got)
	}
	f.wantState("uid-m1", "held")
	f.wantState("uid-m2", "forwarded")
	f.account.Destination.SpamFolder = "INBOX"
	f.retry("uid-m1")
	f.poll()
	if got := strings.Join(lying(s), ", "); got != "m1 in INBOX, m2 in INBOX" {
		t.Errorf("after a retry: %s, want both in INBOX", got)
	}
}
