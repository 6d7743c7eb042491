package legacy

import (
	"path/filepath"
	"testing"
)

// TestNetrc: the password of a login at a host, for any layout of the file.
func TestNetrc(t *testing.T) {
	t.Parallel()
	const text = `# of ten years
machine pop.example.net login leo password first
machine pop.example.net
	login zoe # password of nobody
	password "my \"own\" word"
machine other.example.net login leo account x
  passwd a\ b#c
macdef init
machine macro.example.net login leo password no

machine empty.example.net login leo
default login leo password anywhere
`
	path := filepath.Join(t.TempDir(), ".netrc")
	write(t, path, text)
	for name, tt := range map[string]struct {
		user  string
		hosts []string
		want  string
	}{
		"the first":            {"leo", []string{"pop.example.net"}, "first"},
		"another login there":  {"zoe", []string{"POP.example.net"}, `my "own" word`},
		"a password of blanks": {"leo", []string{"other.example.net"}, "a b#c"},
		"by the second name":   {"leo", []string{"poll", "other.example.net"}, "a b#c"},
		"a login of nobody":    {"tim", []string{"pop.example.net"}, ""},
		"in a macro":           {"leo", []string{"macro.example.net"}, ""},
		"without a password":   {"leo", []string{"empty.example.net"}, ""},
		"not under default":    {"leo", []string{"nowhere.example.net", ""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := &reader{}
			if got := r.netrc(path, tt.user, tt.hosts...).Reveal(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if got := r.netrc(path+"x", tt.user, tt.hosts...).Reveal(); got != "" {
				t.Errorf("got %q from a file that does not exist, want none", got)
			}
		})
	}
}

// FuzzNetrc: whatever is in the file, reading it ends.
func FuzzNetrc(f *testing.F) {
	f.Add("machine a login b password \"c\\\"d\" macdef e\nf\n\ndefault login g #h\n\\")
	f.Fuzz(func(_ *testing.T, text string) { parseNetrc(text) })
}
