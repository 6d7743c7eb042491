package provider

import (
	"slices"
	"strings"
	"testing"
)

// FuzzLookup: a name from the DNS or from the user finds a provider only if the
// provider's data has it, as a whole name or below one of its domains.
func FuzzLookup(f *testing.F) {
	f.Add("leo@gmail.com")
	f.Add("GMIAL.com.")
	f.Add("aspmx.l.google.com")
	f.Add("evilgoogle.com")
	f.Add("\xff@\x00.")
	f.Fuzz(func(t *testing.T, name string) {
		if len(name) > 1000 {
			return
		}
		low := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(name)), ".")
		if p, ok := ForMX(name); ok && !slices.ContainsFunc(p.MX, func(zone string) bool { return low == zone || strings.HasSuffix(low, "."+zone) }) {
			t.Errorf("the mail exchanger %q is taken for one of %s", name, p.Name)
		}
		if p, ok := ForAddress(name); ok && !slices.ContainsFunc(p.Domains, func(d string) bool {
			return low == d || strings.HasSuffix(low, "@"+d) || strings.Contains(low, "@") && strings.TrimSpace(low[strings.LastIndex(low, "@")+1:]) == d
		}) {
			t.Errorf("the address %q is taken for one of %s", name, p.Name)
		}
		if p, ok := ForHost(name); ok && !slices.Contains(p.hosts(), low) {
			t.Errorf("the server %q is taken for one of %s", name, p.Name)
		}
		if p, near := Near(name); (near == "") != (p.Name == "") || near != "" && !slices.Contains(p.spellings(), near) {
			t.Errorf("near %q is %q of %q", name, near, p.Name)
		}
	})
}
