package config

import (
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Multidrop says who gets the mail of a mailbox that has a whole domain's. The zero
// value: everybody in To.
type Multidrop struct {
	Header    string // a field of the last delivery's
	Position  int    // which of these fields, from the top; 0: all
	Prefix    string // of local parts, taken off
	Domains   []string
	Map       map[string][]string // by local part, address, "*@DOMAIN" or "*", in lower case
	Otherwise []string            // who gets what names nobody
}

// multidropKeys are the keys of a multidrop mailbox.
func multidropKeys(m *Multidrop) keyTable {
	return keyTable{
		key("header", "Delivered-To", fieldName(&m.Header)),
		key("position", "0", number(&m.Position, 0, maxPosition)),
		key("prefix", "", text(&m.Prefix)),
		key("domains", "", listOf(&m.Domains, hostName)),
		key("map", "", recipientMap(&m.Map)),
		key("otherwise", "", addresses(&m.Otherwise)),
	}
}

// maxPosition is more than a message has fields of one name.
const maxPosition = 1000

// fieldForm matches the name of a header field (RFC 5322 2.2).
var fieldForm = regexp.MustCompile(`^[!-9;-~]+$`)

// senders are fields that the sender of a message writes.
func senders() []string {
	return []string{"to", "cc", "bcc", "from", "sender", "reply-to", "subject", "resent-to", "resent-cc"}
}

// WrittenBySender reports whether a header field does not say to whom a message was
// delivered.
func WrittenBySender(field string) bool {
	return slices.ContainsFunc(senders(), func(w string) bool { return strings.EqualFold(field, w) })
}

// fieldName sets the name of a field that a delivery writes.
func fieldName(p *string) setter {
	return func(v yamlValue) {
		s, ok := v.scalar()
		if !ok {
			return
		}
		name := strings.TrimSuffix(s, ":")
		if !fieldForm.MatchString(name) {
			v.fail("%q is not the name of a header field such as Delivered-To", s)
			return
		}
		if WrittenBySender(name) {
			v.fail("%s is written by the sender of a message, and does not say to whom it was delivered; name what the last delivery writes, such as Delivered-To, X-Original-To or Envelope-To", name)
			return
		}
		*p = name
	}
}

// recipientMap sets the recipients of local parts or addresses.
func recipientMap(p *map[string][]string) setter {
	return func(v yamlValue) {
		*p = nil
		if v.empty() {
			return
		}
		if v.node.Kind != yaml.MappingNode {
			v.fail("must be local parts or addresses with recipients, not %s", v.kind())
			return
		}
		*p = make(map[string][]string)
		for i := 0; i+1 < len(v.node.Content); i += 2 {
			k := v.at(v.node.Content[i], v.path)
			name, ok := k.scalar()
			if !ok {
				continue
			}
			name = strings.ToLower(name)
			_, doubled := (*p)[name]
			switch {
			case doubled:
				k.fail("%q is listed twice", name)
			case !isAddress(name):
				k.fail("%q is neither a local part, an address nor *", name)
			}
			var to []string
			addresses(&to)(v.at(v.node.Content[i+1], v.path+"["+name+"]"))
			(*p)[name] = to
		}
	}
}

// resolveMultidrop checks an account whose mail is sorted by its header.
func (a *accountMapping) resolveMultidrop(d *forwardMapping) {
	m := &a.Multidrop
	if !a.has("multidrop") {
		*m = Multidrop{}
		return
	}
	at := a.key("multidrop")
	switch {
	case d.Stores():
		at.fail("conflicts with protocol: %s, which puts mail into a folder: there are no recipients", d.Protocol)
		return
	case a.own("to"):
		a.key("to").fail("conflicts with multidrop; who gets what names nobody is in multidrop.otherwise")
	}
	if len(m.Domains) == 0 {
		at.fail("domains is missing: no address outside of them is ever used")
	}
	if len(m.Otherwise) == 0 {
		at.fail("otherwise is missing: who gets what names nobody")
	}
	for _, to := range m.Map {
		a.checkMultidropDomains(d, to)
	}
	a.checkMultidropDomains(d, m.Otherwise)
	a.To = m.Otherwise
}

// checkMultidropDomains reports addresses without a domain, which only LMTP accepts.
func (a *accountMapping) checkMultidropDomains(d *forwardMapping, to []string) {
	for _, address := range to {
		if d.CheckAddress(address) != nil {
			a.key("multidrop").fail("%q has no domain", address)
		}
	}
}
