package multidrop

import (
	"fmt"
	"strings"
	"testing"
)

// The most exact entry counts: an address, a local part, all of a domain, all.
func TestMap(t *testing.T) {
	t.Parallel()
	s := &Sorter{Domains: []string{"example.org", "example.net", "example.com"}, Otherwise: []string{"otherwise"}, Map: map[string][]string{
		"leo@example.net": {"one"}, "leo": {"two"}, "*@example.net": {"*@mail.example"}, "*@example.com": {}, "*": {"three"},
	}}
	for value, want := range map[string]string{
		"leo@example.net": "one", "Leo@Example.ORG": "two", "mia@EXAMPLE.net": "mia@mail.example",
		"leo@example.com": "two", "mia@example.com": "otherwise", "mia@example.org": "three", "mia@example.edu": "otherwise",
	} {
		if got := strings.Join(s.Recipients([]string{value}), " "); got != want {
			t.Errorf("%s: got %s, want %s", value, got, want)
		}
	}
}

// With a position, the other fields name nobody.
func TestPosition(t *testing.T) {
	t.Parallel()
	values := []string{"a@example.org", "b@example.org"}
	for position, want := range []string{"[a@example.org b@example.org]", "[a@example.org]", "[b@example.org]", "[otherwise]", "[otherwise]"} {
		s := &Sorter{Domains: []string{"example.org"}, Otherwise: []string{"otherwise"}, Position: position}
		if got := fmt.Sprint(s.Recipients(values)); got != want {
			t.Errorf("%d: got %s, want %s", position, got, want)
		}
	}
}
