// Package multidrop says who gets a message of a mailbox that has the mail of a whole
// domain: the address to which the last delivery was, as that wrote it into the
// header. It is pure. Never are To or Cc looked at: they are the sender's, name who
// has got the message elsewhere, and do not name who was in Bcc.
package multidrop

import (
	"slices"
	"strings"

	"github.com/popferry/popferry/forwarder"
)

// Sorter is the rule of one mailbox.
type Sorter struct {
	Header   string // the field that the last delivery writes, such as Delivered-To
	Position int    // which of these fields counts, from the top, 1 for the first; 0: all of them
	Prefix   string // of local parts, which is taken off (qmail's virtual domains)
	Domains  []string
	// Map has the recipients of a local part or of an address, in lower case; "*@DOMAIN"
	// is for those of a domain without an entry, and "*" for those of all domains, which
	// else get their mail under the address itself. A "*" as a recipient's local part
	// stands for the one in the header. No recipients: nobody.
	Map map[string][]string
	// Otherwise get what names nobody.
	Otherwise []string
}

// Recipients are who gets a message with these values of the header field, each once.
func (s *Sorter) Recipients(values []string) []string {
	if s.Position > 0 {
		values = values[min(s.Position-1, len(values)):min(s.Position, len(values))]
	}
	var to []string
	for _, v := range values {
		for address := range strings.SplitSeq(v, ",") {
			for _, r := range s.of(strings.TrimSpace(address)) {
				if !slices.Contains(to, r) {
					to = append(to, r)
				}
			}
		}
	}
	if len(to) == 0 {
		return s.Otherwise
	}
	return to
}

// of are the recipients for one address; none if it is not one of the domains'.
func (s *Sorter) of(address string) []string {
	if inner, ok := strings.CutPrefix(address, "<"); ok {
		address = strings.TrimSuffix(inner, ">")
	}
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return nil
	}
	local, domain := address[:at], address[at+1:]
	if n := len(s.Prefix); len(local) > n && strings.EqualFold(local[:n], s.Prefix) {
		local = local[n:]
	}
	address = local + "@" + domain
	if !slices.ContainsFunc(s.Domains, func(d string) bool { return strings.EqualFold(d, domain) }) || !forwarder.IsMailbox(address) {
		return nil
	}
	for _, key := range []string{strings.ToLower(address), strings.ToLower(local), "*@" + strings.ToLower(domain), "*"} {
		if to, ok := s.Map[key]; ok {
			return filled(to, local)
		}
	}
	return []string{address}
}

// filled puts a local part where a recipient has "*".
func filled(to []string, local string) []string {
	out := make([]string, 0, len(to))
	for _, r := range to {
		if domain, ok := strings.CutPrefix(r, "*@"); ok {
			r = local + "@" + domain
		}
		out = append(out, r)
	}
	return out
}
