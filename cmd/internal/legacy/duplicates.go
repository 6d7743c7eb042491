package legacy

import (
	"slices"
	"strings"
)

// disableDuplicates disables an account if an earlier one delivers the mail of the
// same mailbox to the same place, because all of it would arrive twice. It only
// remarks on accounts that deliver the same mailbox to different places.
func (s *Setup) disableDuplicates() {
	accounts := s.Accounts
	for i := range accounts {
		a := &accounts[i]
		j := slices.IndexFunc(accounts[:i], func(b Account) bool { return !b.Disabled && b.sameMailbox(*a) })
		switch {
		case j < 0 || a.Disabled:
		case accounts[j].Delivery == a.Delivery && accounts[j].Multidrop == nil && a.Multidrop == nil:
			a.Disabled = true
			accounts[j].Seen.add(a.Seen.UIDs...)
			accounts[j].Seen.Spellings = slices.Concat(accounts[j].Seen.Spellings, a.Seen.Spellings)
			s.remarkOn(i, "%s at %s is also the mailbox of %s, so its mail would arrive twice; this account is disabled (enabled: false)",
				a.Username, a.Host, accounts[j].Place)
		default:
			s.remarkOn(i, "%s at %s is also the mailbox of %s; each of the two accounts forwards what it finds there, and if one deletes mail the other may miss it", a.Username, a.Host, accounts[j].Place)
		}
	}
}

// sameMailbox reports whether two accounts fetch from the same mailbox. Different
// ports on this machine may be tunnels to different servers.
func (a Account) sameMailbox(b Account) bool {
	return a.Username == b.Username && strings.EqualFold(a.Host, b.Host) && (a.Port == b.Port || !onThisMachine(a.Host))
}
