package config

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
)

// addresses sets a list of mail addresses; a single one needs no list.
func addresses(p *[]string) setter {
	return listOf(p, func(s string) (string, error) {
		if !isAddress(s) {
			return "", fmt.Errorf("%q is not a mail address", s)
		}
		return s, nil
	})
}

// listOf sets a list without duplicates; a single item needs no list.
func listOf[T comparable](p *[]T, parse func(string) (T, error)) setter {
	return func(v yamlValue) {
		list := []yamlValue{v}
		if v.empty() || v.isList() {
			list = v.items()
		}
		*p = nil
		for _, item := range list {
			s, ok := item.scalar()
			if !ok {
				continue
			}
			switch t, err := parse(s); {
			case err != nil:
				item.fail("%v", err)
			case slices.Contains(*p, t):
				item.fail("%q is listed twice", s)
			default:
				*p = append(*p, t)
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
