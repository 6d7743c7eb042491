package legacy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/terminal"
)

// Carried is a line for each account that was carried over, and how many there are.
// names are those that the accounts have now, "" for one that was not; marked is how many
// of its fetched messages were new to the ledger, by name.
func (s *Setup) Carried(names []string, marked map[string]int) string {
	var b strings.Builder
	accounts, fetched := 0, 0
	for i, name := range names {
		a := s.Accounts[i]
		if name == "" {
			continue
		}
		accounts++
		fetched += len(a.Seen.UIDs)
		fmt.Fprintf(&b, "%s: %s at %s, from %s; %s", name, a.Username, a.Host, a.Place, a.Seen)
		if marked[name] < len(a.Seen.UIDs) {
			fmt.Fprintf(&b, ", %d of them new to the ledger", marked[name])
		}
		b.WriteString("\n")
	}
	if accounts == 0 {
		return ""
	}
	return fmt.Sprintf("\nCarried over:\n%s%s, %s fetched before\n", &b, terminal.Count(accounts, "account"), terminal.Count(fetched, "message"))
}

// Unknown is a line for each account without a name, that is without an account
// in the configuration at path.
func (s *Setup) Unknown(names []string, path string) string {
	var b strings.Builder
	for i, name := range names {
		if a := s.Accounts[i]; name == "" {
			fmt.Fprintf(&b, "%s: %s at %s is not an account in %s; nothing was marked for it\n", a.Place, a.Username, a.Host, path)
		}
	}
	return b.String()
}

// Lost is what was not carried over or is different now, a line each, grouped by account;
// "" for nothing. names are as for Carried.
func (s *Setup) Lost(names []string) string {
	var b strings.Builder
	for account := range len(s.Accounts) + 1 {
		var lines []string
		for _, idle := range []bool{false, true} { // what asks nothing of the user comes last
			for _, r := range s.Remarks {
				if r.Account == account && r.idle() == idle && !r.Todo {
					lines = append(lines, "  "+r.String()+"\n")
				}
			}
		}
		if len(lines) == 0 {
			continue
		}
		title := "all accounts"
		if account > 0 {
			a := &s.Accounts[account-1]
			title = a.mailbox()
			if account <= len(names) && names[account-1] != "" {
				title = names[account-1]
			}
		}
		fmt.Fprintf(&b, "%s:\n%s", title, strings.Join(lines, ""))
	}
	if b.Len() == 0 {
		return ""
	}
	return "Not carried over, or different now:\n" + b.String()
}

// Todo is what is left to do for the accounts themselves, a line each.
func (s *Setup) Todo() (lines []string) {
	for _, r := range s.Remarks {
		if r.Todo && !slices.Contains(lines, r.String()) {
			lines = append(lines, r.String())
		}
	}
	return lines
}
