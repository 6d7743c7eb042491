package legacy

import (
	"slices"
	"strings"
)

// switchOffTwins switches off an account whose mail another one takes to the
// same place: all would arrive twice. Of others that share a mailbox it tells.
func (s *Setup) switchOffTwins() {
	accounts := s.Accounts
	for i := range accounts {
		a := &accounts[i]
		j := slices.IndexFunc(accounts[:i], func(b Account) bool { return !b.Disabled && b.sameMailbox(*a) })
		switch {
		case j < 0 || a.Disabled:
		case accounts[j].Delivery == a.Delivery:
			a.Disabled = true
			accounts[j].Seen.add(a.Seen.UIDs...)
			accounts[j].Seen.Spellings = slices.Concat(accounts[j].Seen.Spellings, a.Seen.Spellings)
			s.remark(a.Place, "%s at %s is the mailbox of %s, too, and its mail would arrive twice; this account is switched off (enabled: false)",
				a.Username, a.Host, accounts[j].Place)
		default:
			s.remark(a.Place, "%s at %s is the mailbox of %s, too; each of the two accounts forwards what it finds there, and one that deletes it takes it from the other", a.Username, a.Host, accounts[j].Place)
		}
	}
}

// sameMailbox tells whether two accounts fetch from one mailbox. With another
// port it may be the end of a tunnel to another server.
func (a Account) sameMailbox(b Account) bool {
	return a.Username == b.Username && strings.EqualFold(a.Host, b.Host) && (a.Port == b.Port || !onThisMachine(a.Host))
}
