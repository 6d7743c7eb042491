package legacy

import (
	"fmt"
	"strings"
)

// Carried is a line for each account that was carried over. names are those that
// the accounts have now, "" for one that was not; marked is how many of its
// fetched messages were new to the ledger, by name.
func (s *Setup) Carried(names []string, marked map[string]int) string {
	var b strings.Builder
	for i, name := range names {
		a := s.Accounts[i]
		if name == "" {
			continue
		}
		fmt.Fprintf(&b, "%s: %s at %s, from %s; %s", name, a.Username, a.Host, a.Place, a.Seen)
		if marked[name] < len(a.Seen.UIDs) {
			fmt.Fprintf(&b, ", %d of them new to the ledger", marked[name])
		}
		b.WriteString("\n")
	}
	return b.String()
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

// RemarkList is the remarks, a line each, below a heading; "" for none.
func (s *Setup) RemarkList() string {
	if len(s.Remarks) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\nNot carried over, or worth checking:\n")
	for _, r := range s.Remarks {
		fmt.Fprintln(&b, r)
	}
	return b.String()
}
