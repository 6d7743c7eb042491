package report

import (
	"slices"
	"testing"

	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/fetcher/ledger"
)

// TestPublicStatus: strangers learn nothing that a server or the machine's folders
// say, and the ledger's own copy of it stays.
func TestPublicStatus(t *testing.T) {
	t.Parallel()
	found := copies.Found{Orphans: &copies.OrphansError{Dir: "/home/leo/popferry.kept", Files: []string{"1-ab.eml"}}}
	list := []AccountStatus{
		{Name: "isp", LastError: "-ERR leo has died", cause: ledger.Cause{Code: "credentials", Text: "-ERR leo has died"}, Server: []ServerFact{{Fact: "login_methods", Value: "leo"}}},
		{Name: "work", Server: []ServerFact{}},
	}
	shown, names := public(list, found)
	if shown[0].LastError != "the login was refused" || shown[1].LastError != "" || len(shown[0].Server) > 0 || shown[0].Server == nil {
		t.Errorf("got %+v, want the catalogue's words and no facts", shown)
	}
	if got := newCopiesStatus(names).Orphans; !slices.Equal(got, []string{"1-ab.eml"}) {
		t.Errorf("orphans %q, want the name alone", got)
	}
	if got := newCopiesStatus(found).Orphans; !slices.Equal(got, []string{"/home/leo/popferry.kept/1-ab.eml"}) {
		t.Errorf("afterwards the owner sees %q, want the whole path", got)
	}
}
