package invocation

import "testing"

func TestText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, program, config, text, want string
	}{
		{"installed", "popferry", "", "start it with popferry run, or popferry poll", "start it with popferry run, or popferry poll"},
		{"in this folder", "./popferry", "", "start it with popferry run.", "start it with ./popferry run."},
		{"another configuration", "popferry", "a b.yaml", "popferry run --once --now isp", "popferry run --config 'a b.yaml' --once --now isp"},
		{"both", "./popferry", "x.yaml", "see (popferry status)", "see (./popferry status --config x.yaml)"},
		{"no such flag", "./popferry", "x.yaml", "popferry help oauth2 says how", "./popferry help oauth2 says how"},
		{"not a command", "./popferry", "x.yaml", "popferry runs; popferry keeps a copy", "popferry runs; popferry keeps a copy"},
		{"a path", "./popferry", "x.yaml", "/usr/bin/popferry run", "/usr/bin/popferry run"},
		{"go run", "/tmp/go-build123/b001/exe/popferry", "", "popferry run", "popferry run"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := New(tt.program, tt.config).Text(tt.text); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
