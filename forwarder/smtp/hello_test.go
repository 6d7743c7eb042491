package smtp

import (
	"net"
	"strings"
	"testing"
)

func TestHeloName(t *testing.T) {
	t.Parallel()
	v4 := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1025}
	v6 := &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 1025, Zone: "eth0"}
	unix := &net.UnixAddr{Name: "/run/lmtp", Net: "unix"}
	tests := []struct {
		name  string
		local net.Addr
		want  string
	}{
		{"mail.example.org", v4, "mail.example.org"},
		{"mail.example.org.", v4, "mail.example.org"},
		{"laptop", v4, "laptop"},
		{"3com.example", v4, "3com.example"},
		{"leo_laptop", v4, "[192.0.2.1]"},
		{"büro.example", v6, "[IPv6:2001:db8::1]"},
		{"-x.example", v4, "[192.0.2.1]"},
		{"a..b", v4, "[192.0.2.1]"},
		{"x y", v4, "[192.0.2.1]"},
		{"x\r\nRSET", v4, "[192.0.2.1]"},
		{strings.Repeat("x", 64), v4, "[192.0.2.1]"},
		{"198.51.100.7", v4, "[198.51.100.7]"},
		{"[198.51.100.7]", v4, "[198.51.100.7]"},
		{"::ffff:198.51.100.7", v4, "[198.51.100.7]"},
		{"[IPv6:2001:db8::2]", v4, "[IPv6:2001:db8::2]"},
		{"fe80::2%eth0", v4, "[IPv6:fe80::2]"},
		{"leo_laptop", unix, "localhost"},
	}
	for _, tt := range tests {
		if got := heloName(tt.name, "host.example", tt.local); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestHeloNameDefault: the host's name needs a domain.
func TestHeloNameDefault(t *testing.T) {
	t.Parallel()
	local := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 1025}
	for host, want := range map[string]string{
		"mail.example.org":  "mail.example.org",
		"mail.example.org.": "mail.example.org",
		"laptop":            "[192.0.2.1]",
		"laptop.":           "[192.0.2.1]",
		"leo_laptop.lan":    "[192.0.2.1]",
		"192.0.2.7":         "[192.0.2.7]",
		"":                  "[192.0.2.1]",
	} {
		if got := heloName("", host, local); got != want {
			t.Errorf("%q: got %q, want %q", host, got, want)
		}
	}
}
