package provider

import (
	"bytes"
	_ "embed" // providers.json
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/popferry/popferry/cmd/internal/spelling"
)

//go:embed providers.json
var file string

// read decodes the file once. The tests make sure that it can be decoded.
var read = sync.OnceValue(func() []Provider {
	var all []Provider
	d := json.NewDecoder(bytes.NewBufferString(file))
	d.DisallowUnknownFields()
	if err := d.Decode(&all); err != nil {
		panic(fmt.Sprintf("providers.json: %v", err))
	}
	return all
})

// words are all that stands between two quotation marks in the file, and more. Most names
// that are looked up are servers that it does not know, and to see that takes far less
// time than to decode it.
var words = sync.OnceValue(func() map[string]bool {
	all := make(map[string]bool)
	for word := range strings.SplitSeq(file, `"`) {
		if len(word) <= maxWord {
			all[word] = true
		}
	}
	return all
})

// maxWord is more than any name in the file has.
const maxWord = 40

// All returns the providers in the order of their names.
func All() []Provider { return slices.Clone(read()) }

// ByName returns the provider with that name in the configuration.
func ByName(name string) (Provider, bool) {
	if !words()[strings.ToLower(name)] {
		return Provider{}, false
	}
	return find(func(p Provider) bool { return strings.EqualFold(p.Name, name) })
}

// ForAddress returns the provider of a mail address, or of a domain, by the
// domain alone; for customers' own domains see ForMX.
func ForAddress(address string) (Provider, bool) {
	domain := canonical(address[strings.LastIndex(address, "@")+1:])
	return find(func(p Provider) bool { return slices.Contains(p.Domains, domain) })
}

// ForMX returns the provider that runs a mail exchanger, and so hosts the domain
// that names it. Of several the one with the longest match wins.
func ForMX(host string) (Provider, bool) {
	host = canonical(host)
	var best Provider
	longest := 0
	for _, p := range read() {
		for _, zone := range p.MX {
			if (host == zone || strings.HasSuffix(host, "."+zone)) && len(zone) > longest {
				best, longest = p, len(zone)
			}
		}
	}
	return best, longest > 0
}

// ForHost returns the provider that runs the POP3, SMTP or IMAP server with that
// name. One that is hosted there is returned only if nobody else names it.
func ForHost(host string) (Provider, bool) {
	host = canonical(host)
	if (Server{Host: host}).local() || !words()[host] {
		return Provider{}, false
	}
	p, ok := byHost()[host]
	return p, ok
}

// byHost are the providers by the names of their servers: of several that share one,
// the first to which it belongs.
var byHost = sync.OnceValue(func() map[string]Provider {
	all := make(map[string]Provider)
	for _, p := range read() {
		for _, host := range p.hosts() {
			if before, there := all[host]; !there || before.HostedBy != "" && p.HostedBy == "" {
				all[host] = p
			}
		}
	}
	return all
})

// Near returns the provider with a name, domain or server that is spelled almost
// like word, and that spelling: gmail.com for gmial.com. It is "" if nothing is
// near, or if the word itself is right.
func Near(word string) (Provider, string) {
	word = canonical(word)
	for _, p := range read() {
		if slices.Contains(p.spellings(), word) {
			return Provider{}, ""
		}
	}
	var all []string
	for _, p := range read() {
		all = append(all, p.spellings()...)
	}
	near := spelling.Nearest(word, all, maxTypos(word))
	p, _ := find(func(p Provider) bool { return near != "" && slices.Contains(p.spellings(), near) })
	return p, near
}

// maxTypos is how many typing errors a word may have: two make another word of a
// short one.
func maxTypos(word string) int {
	if len(word) < 8 {
		return 1
	}
	return 2
}

func find(is func(Provider) bool) (Provider, bool) {
	for _, p := range read() {
		if is(p) {
			return p, true
		}
	}
	return Provider{}, false
}

// hosts are the names of all its servers.
func (p Provider) hosts() []string {
	var hosts []string
	for _, s := range slices.Concat(p.POP3, p.SMTP, p.IMAP) {
		if !s.local() {
			hosts = append(hosts, s.Host)
		}
	}
	return hosts
}

// spellings are all words that mean the provider.
func (p Provider) spellings() []string {
	return slices.Concat([]string{p.Name}, p.Domains, p.hosts())
}

// canonical is a name as the file writes it: in lower case, without the final
// dot of the DNS.
func canonical(name string) string {
	return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(name)), ".")
}
