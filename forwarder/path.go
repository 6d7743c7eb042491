package forwarder

import "strings"

// maxPath is how long a path may be, in octets. RFC 5321 4.5.3.1.3 has 256, which
// rewritten senders were seen to exceed; with this one, MAIL still fits into the 512
// octets of a command line (4.5.3.1.4).
const maxPath = 400

// ParsePath reads a path as it stands in an envelope and in a Return-Path field (RFC
// 5321 4.1.2), with its angle brackets or without, and returns the mailbox in it: ""
// for "<>". A source route is dropped. ok reports whether all of s is a path; what
// stands behind one, such as parameters, is no part of it.
func ParsePath(s string) (mailbox string, ok bool) {
	if inside, bracket := strings.CutPrefix(s, "<"); bracket {
		if s, ok = strings.CutSuffix(inside, ">"); !ok {
			return "", false
		}
		if s == "" {
			return "", true
		}
	}
	if strings.HasPrefix(s, "@") {
		if s, ok = cutRoute(s); !ok {
			return "", false
		}
	}
	if !IsMailbox(s) {
		return "", false
	}
	return s, true
}

// cutRoute cuts off a source route: "@one.example,@two.example:".
func cutRoute(s string) (mailbox string, ok bool) {
	route, mailbox, ok := strings.Cut(s, ":")
	for host := range strings.SplitSeq(route, ",") {
		domain, at := strings.CutPrefix(host, "@")
		ok = ok && at && isDomain(domain)
	}
	return mailbox, ok
}

// IsMailbox reports whether s is a mailbox (RFC 5321 4.1.2, RFC 6531 3.3) that can
// stand between angle brackets, and nothing but that. What real addresses have is
// let through: dots anywhere in a local part, no domain at all, underscores in a
// domain, octets above 127 of whatever kind.
func IsMailbox(s string) bool {
	if len(s) > maxPath {
		return false
	}
	rest, ok := cutLocalPart(s)
	if !ok || rest == "" {
		return ok
	}
	domain, ok := strings.CutPrefix(rest, "@")
	return ok && isDomain(domain)
}

// cutLocalPart cuts off a Dot-string or a Quoted-string.
func cutLocalPart(s string) (rest string, ok bool) {
	if !strings.HasPrefix(s, `"`) {
		rest = strings.TrimLeftFunc(s, isAtomText)
		return rest, len(rest) < len(s)
	}
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return s[i+1:], true
		case c == '\\':
			if i++; i == len(s) || s[i] < ' ' || s[i] == 0x7f {
				return "", false
			}
		case c < ' ' || c == 0x7f:
			return "", false
		}
	}
	return "", false
}

// isDomain reports whether s is made up as a domain or an address literal is.
func isDomain(s string) bool {
	if literal, ok := strings.CutPrefix(s, "["); ok {
		literal, ok = strings.CutSuffix(literal, "]")
		return ok && literal != "" && !strings.ContainsFunc(literal, func(r rune) bool { return r <= ' ' || r >= 0x7f || strings.ContainsRune(`[]\<>`, r) })
	}
	return s != "" && strings.TrimLeftFunc(s, isAtomText) == ""
}

// isAtomText reports whether r may stand in a Dot-string: atext (RFC 5322 3.2.3), a
// dot, or anything that is not ASCII, U+FFFD for octets that are not UTF-8 too.
func isAtomText(r rune) bool {
	return r > 0x7f || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune(".!#$%&'*+-/=?^_`{|}~", r)
}
