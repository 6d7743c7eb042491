package legacy

import (
	"maps"
	"slices"
	"strings"

	"github.com/popferry/popferry/cmd/internal/terminal"
)

// fetchids reads the UIDs of the messages that fetchmail has fetched: lines of
// USER@HOST UID, where HOST is the server's via or else its name.
func (r *reader) fetchids(path, text string, accounts []Account) {
	seen := make([][]string, len(accounts))
	strange := make(map[string][]int) // lines of mailboxes that no account has
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimRight(line, "\r\n")
		if line != "" && !addFetchid(line, accounts, seen) {
			mailbox := line[:max(0, strings.LastIndexByte(line, ' '))]
			strange[mailbox] = append(strange[mailbox], n)
		}
	}
	for i := range accounts {
		accounts[i].Seen.File = path
		accounts[i].Seen.add(seen[i]...)
	}
	for _, mailbox := range slices.Sorted(maps.Keys(strange)) {
		lines := strange[mailbox]
		r.setup.remarkRecord(Place{path, lines[0]}, "%s fetched from %q, which is not one of the POP3 accounts; if it is one of them under another name, "+
			"change the name here and import again", terminal.Count(len(lines), "message"), mailbox)
	}
}

// addFetchid adds a line's UID to the accounts of its mailbox. fetchmail ignores
// case in host and user.
func addFetchid(line string, accounts []Account, seen [][]string) (found bool) {
	for i, a := range accounts {
		mailbox := a.Username + "@" + a.Host + " " // a user name may contain spaces and @
		if len(line) > len(mailbox) && strings.EqualFold(line[:len(mailbox)], mailbox) {
			seen[i] = append(seen[i], strings.TrimSpace(line[len(mailbox):]))
			found = true
		}
	}
	return found
}
