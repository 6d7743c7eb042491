package config

import (
	"net/mail"
	"strings"
)

// addresses sets a list of mail addresses; a single one needs no list.
func addresses(p *[]string) setter {
	return func(v yamlValue) {
		list := []yamlValue{v}
		if v.empty() || v.isList() {
			list = v.items()
		}
		*p = nil
		seen := map[string]bool{}
		for _, item := range list {
			s, ok := item.scalar()
			switch {
			case !ok:
			case !isAddress(s):
				item.fail("%q is not a mail address", s)
			case seen[s]:
				item.fail("%q is listed twice", s)
			default:
				seen[s] = true
				*p = append(*p, s)
			}
		}
	}
}

// sender sets an envelope sender.
func sender(p *string) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		if ok && s != "" && s != SenderOriginal && s != SenderNull && !isAddress(s) {
			v.fail("%q is not a mail address, original or <>", s)
			return
		}
		*p = s
	}
}

// isAddress reports whether s is a mailbox in the form that an envelope has. The
// domain may be missing: LMTP servers know their users without one.
func isAddress(s string) bool {
	full := s
	if !strings.Contains(s, "@") {
		full += "@localhost"
	}
	a, err := mail.ParseAddress(full)
	return err == nil && a.Address == full && a.Name == ""
}
