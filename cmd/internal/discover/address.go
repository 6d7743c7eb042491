package discover

import (
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"
)

// Address is a mail address in its parts.
type Address struct {
	Full   string // as it was given
	Local  string
	Domain string // lower case, as the DNS has it
}

// ParseAddress takes an address apart. The error says what is wrong with it.
func ParseAddress(text string) (Address, error) {
	s := bare(text)
	at := strings.LastIndexByte(s, '@')
	if at < 1 || strings.ContainsAny(s, " <>,;") || strings.ContainsFunc(s, unicode.IsControl) {
		return Address{}, fmt.Errorf("%q is not a mail address; one looks like leo@example.net", s)
	}
	domain, ok := hostName(s[at+1:])
	if !ok || !strings.Contains(domain, ".") {
		return Address{}, fmt.Errorf("%q: %q is not the name of a mail domain; one looks like example.net", s, s[at+1:])
	}
	return Address{Full: s, Local: s[:at], Domain: domain}, nil
}

// bare takes an address out of what programs copy: a link, or one with a name before
// it.
func bare(s string) string {
	s = strings.TrimSpace(s)
	if before, rest, ok := strings.Cut(s, ":"); ok && strings.EqualFold(before, "mailto") {
		s, _, _ = strings.Cut(rest, "?")
	}
	if i := strings.LastIndexByte(s, '<'); i >= 0 && strings.HasSuffix(s, ">") {
		s = s[i+1 : len(s)-1]
	}
	return s
}

// usernames are the usual user names for an address (RFC 6186 section 4): most
// servers want the whole address.
func (a Address) usernames() []string { return []string{a.Full, a.Local} }

// label is one part of a host's name (RFC 1123 section 2.1), of maxLabel octets at
// most; underscores are seen.
var label = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$`)

// maxLabel is not in the expression: a count there makes it large, and slow to compile
// at each start.
const maxLabel = 63

// hostName is a name as the DNS and certificates have it, or an IP address.
func hostName(s string) (string, bool) {
	s = strings.TrimSuffix(strings.TrimSpace(s), ".")
	if ip, err := netip.ParseAddr(s); err == nil {
		return ip.String(), ip.Zone() == ""
	}
	ascii, err := idna.Lookup.ToASCII(s)
	if err != nil {
		ascii = strings.ToLower(s) // IDNA refuses underscores, the DNS does not
	}
	if len(ascii) > 253 {
		return "", false
	}
	for part := range strings.SplitSeq(ascii, ".") {
		if len(part) > maxLabel || !label.MatchString(part) {
			return "", false
		}
	}
	return ascii, true
}

// within reports whether a host belongs to the owner of the domain: it is below
// the domain, or below the registered name that the domain is part of.
func within(host, domain string) bool {
	return host == domain || strings.HasSuffix(host, "."+domain) || registered(domain) != "" && registered(host) == registered(domain)
}

// registered is the registrable part of a name: example.co.uk of
// pop.example.co.uk; "" if there is none.
func registered(name string) string {
	if _, err := netip.ParseAddr(name); err == nil {
		return ""
	}
	domain, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		return ""
	}
	return domain
}
