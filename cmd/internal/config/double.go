package config

import (
	"fmt"
	"slices"
	"strings"
)

// warnOfDouble warns of a mailbox that two accounts fetch from, and says which of
// them gets what.
func warnOfDouble(seen map[string][]*accountMapping, a *accountMapping) {
	mailbox := a.Username + "\x00" + strings.ToLower(a.Host)
	earlier := seen[mailbox]
	seen[mailbox] = append(earlier, a)
	if len(earlier) > 0 {
		first := earlier[0]
		a.key("username").warn("the same mailbox as accounts[%s] in %s:%d; %s", first.Name, first.mapping.file, first.mapping.line, shares(seen[mailbox]))
	}
}

// shares says what each of several accounts of one mailbox gets.
func shares(all []*accountMapping) string {
	const remedy = "For mail that is to reach all of them, use one account with all recipients in to"
	deletes := slices.DeleteFunc(slices.Clone(all), func(a *accountMapping) bool { return a.Leave.Keep && a.Leave.For == 0 })
	atOnce := slices.DeleteFunc(slices.Clone(deletes), func(a *accountMapping) bool { return a.Leave.Keep })
	switch {
	case slices.ContainsFunc(all, func(a *accountMapping) bool { return a.RETRHides }):
		return "its server gives out each message only once, so a message reaches only the account that fetches it first. " + remedy
	case len(atOnce) == len(all):
		return "all of them delete what they have forwarded, so a message reaches only the account that fetches it first. " + remedy + ", or set leave_on_server: true"
	case len(atOnce) > 0:
		return fmt.Sprintf("%s deletes what it has forwarded, so what it fetches first never reaches the others. %s, or set leave_on_server: true for %[1]s", names(atOnce), remedy)
	case len(deletes) > 0:
		least := slices.MinFunc(deletes, func(a, b *accountMapping) int { return int(a.Leave.For - b.Leave.For) })
		return fmt.Sprintf("each account forwards all of its mail, if it is polled before %s deletes it (leave_on_server)", least.Name)
	}
	return "each account forwards all of its mail"
}

// names are the names of accounts, as in "a and b".
func names(accounts []*accountMapping) string {
	var list []string
	for _, a := range accounts {
		list = append(list, a.Name)
	}
	return strings.Join(list, " and ")
}
