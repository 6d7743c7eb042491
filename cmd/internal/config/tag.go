package config

import (
	"strings"
	"unicode"
)

// longestLocalPart is in octets (RFC 5321 section 4.5.3.1.1).
const longestLocalPart = 64

// tagRecipients puts the account's name behind a plus sign into the recipients (RFC
// 5233, subaddressing), if tag says so.
func (a *accountMapping) tagRecipients() {
	if a.Tag != TagPlus || a.Name == "" {
		return
	}
	tag := tagOf(a.Name)
	to := make([]string, len(a.To))
	for i, address := range a.To {
		at := strings.LastIndexByte(address, '@')
		if at < 0 {
			at = len(address)
		}
		local := address[:at]
		if tag == "" || strings.HasPrefix(local, `"`) || strings.Contains(tag, "..") || len(local)+1+len(tag) > longestLocalPart {
			a.key("tag").fail("plus cannot be used with %q and this account's name: the part before the @ is quoted, or would not be valid, or have more than %d octets; give the account a short and simple name", address, longestLocalPart)
			return
		}
		to[i] = local + "+" + tag + address[at:]
	}
	a.To = to
}

// tagOf is a name as a part of an address: letters, digits and what is safe beside
// them. Other characters, as the @ of a name that is an address, become a dash.
func tagOf(name string) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._-", r) {
			return '-'
		}
		return unicode.ToLower(r)
	}, name), ".-")
}
