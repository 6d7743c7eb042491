package report

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/fetcher/ledger"
)

// What a running popferry has not planned yet follows from the schedule: an account that
// was never polled is due now, one that cron has polled at its next time.
func TestNextPollThatIsNotPlanned(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.Local)
	began := ledger.Planned{Began: now.Add(-2 * time.Minute)}
	rows := Rows{accounts: map[string]ledger.Account{
		"once": {ID: 1, LastPoll: now, Planned: began},
		"late": {ID: 2, LastPoll: now, Planned: ledger.Planned{Began: now.Add(-time.Hour), NextPoll: now.Add(-time.Second)}},
	}}
	accounts := []config.Account{
		{Name: "never", Enabled: true, Schedule: "@every 10m"}, {Name: "once", Enabled: true, Schedule: "0 14 * * *"},
		{Name: "late", Enabled: true, Schedule: "@every 10m"}, {Name: "off", Schedule: "@every 10m"},
	}
	for running, want := range map[bool]string{true: "now 14: now -", false: "- - 11: -"} {
		var got []string
		text := StatusText{Process: Process{Running: running}, Now: now}
		for _, s := range Status(accounts, rows, running, now) {
			cell := text.next(s)
			got = append(got, cell[:min(3, len(cell))]) // without what is spread
		}
		if strings.Join(got, " ") != want {
			t.Errorf("running %t: got %q, want %q", running, got, want)
		}
	}
}

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
