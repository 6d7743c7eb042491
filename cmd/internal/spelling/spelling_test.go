package spelling

import "testing"

func TestNearest(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		word  string
		among []string
		max   int
		want  string
	}{
		"two letters swapped":  {"tsl", []string{"port", "tls"}, 1, "tls"},
		"one left out":         {"pot", []string{"port", "tls"}, 1, "port"},
		"one too many":         {"portt", []string{"port", "tls"}, 1, "port"},
		"one wrong":            {"pork", []string{"port", "tls"}, 1, "port"},
		"the nearer":           {"hostt", []string{"ghosts", "host"}, 3, "host"},
		"the first of equals":  {"bat", []string{"cat", "hat"}, 1, "cat"},
		"the word itself":      {"port", []string{"sort", "port"}, 1, "port"},
		"too far away":         {"protocol", []string{"port"}, 2, ""},
		"nothing to choose of": {"port", nil, 5, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := Nearest(tt.word, tt.among, tt.max); got != tt.want {
				t.Errorf("Nearest(%q, %q, %d) = %q, want %q", tt.word, tt.among, tt.max, got, tt.want)
			}
		})
	}
}
