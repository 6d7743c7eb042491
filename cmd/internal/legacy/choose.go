package legacy

import (
	"slices"
	"strings"
)

// choose applies what the user chose, instead of what the files say, to all accounts:
// their deliveries, and what was said about them.
func (s *Setup) choose(c Choice) {
	to := strings.Join(c.To, ", ")
	for i := range s.Accounts {
		a := &s.Accounts[i]
		if a.Multidrop != nil {
			s.chooseMultidrop(c, i, to)
		}
		if (to != "" || c.Server.Host != "") && a.Gate != nil {
			a.Filter = a.Gate
			s.remarkOn(i, "filter: it only drops mail, because of --to or --smtp-host; what it sent to other recipients or folders goes the way of all other mail")
		}
		if c.Server.Host != "" {
			a.Delivery = Delivery{}
		} else if to != "" {
			a.Delivery = a.Delivery.without()
		}
	}
	if c.Server.Host != "" {
		s.Remarks = slices.DeleteFunc(s.Remarks, func(r Remark) bool { return r.about == ofServer })
	}
	for i := range s.Remarks {
		r := &s.Remarks[i]
		if r.way == nil || to == "" && c.Server.Host == "" {
			continue
		}
		w := way{to: r.way.to.without()}
		if c.Server.Host != "" {
			w.to = Delivery{Host: c.Server.Host, Port: c.Server.Port}
		}
		w.to.To = to
		r.way = &w
	}
}

// without is the same delivery without its recipient; none where it has none of its own
// to be replaced.
func (d Delivery) without() Delivery {
	if d.Maildir != "" || d.Gmail {
		return Delivery{}
	}
	d.To = ""
	return d
}

// chooseMultidrop applies the choice to an account whose mail is sorted. Chosen recipients
// get all of it. Another server does not know the users of this machine.
func (s *Setup) chooseMultidrop(c Choice, account int, to string) {
	a := &s.Accounts[account]
	if to != "" {
		a.Multidrop = nil
		s.Remarks = slices.DeleteFunc(s.Remarks, func(r Remark) bool { return r.about == ofSorting && r.Account == account+1 })
		s.remarkOn(account, "multidrop: all mail of this mailbox goes to %s, because of --to; without it, popferry sorts the mail by recipient (popferry help multidrop)", to)
		return
	}
	if c.Server.Host == "" || onThisMachine(c.Server.Host) || strings.HasPrefix(c.Server.Host, "unix:") {
		return
	}
	here := func(address string) bool { return strings.HasSuffix(address, "@"+localServer) }
	local := slices.DeleteFunc(slices.Clone(a.Multidrop.Otherwise), func(address string) bool { return !here(address) })
	for _, e := range a.Multidrop.Map {
		local = slices.Concat(local, slices.DeleteFunc(slices.Clone(e.To), func(address string) bool { return !here(address) }))
	}
	if len(local) == 0 {
		return
	}
	a.Multidrop.Otherwise = slices.DeleteFunc(a.Multidrop.Otherwise, here)
	s.todo(a.Place, "multidrop: %s does not know the users of this machine, such as %s: write their addresses there into multidrop.map and multidrop.otherwise", c.Server.Host, local[0])
}
