package main

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/dial"
)

// TestMismatchAdvice: only names that would be accepted are advised.
func TestMismatchAdvice(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t)
	for _, tt := range []struct {
		name  string
		names []string // of the certificate; none: a common name only
		want  string
	}{
		{"a name", []string{"mail.example.net"}, "write host: mail.example.net, or tls_server_name: mail.example.net."},
		{"a wildcard before it", []string{"*.example.net", "example.net"}, "write host: example.net, or"},
		{"only a wildcard", []string{"*.example.net"}, "a name that fits *.example.net."},
		{"common name", nil, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			leaf, err := x509.ParseCertificate(authority.Server(tt.names...).Certificate[0])
			if err != nil {
				t.Fatal(err)
			}
			shown := tt.names
			if len(shown) == 0 {
				shown = []string{"old.example.net"}
			}
			e := &dial.CertificateError{
				Reason: dial.NameMismatch, Host: "pop.example.org", Names: shown, SHA256: "sha256:1234",
				Err: leaf.VerifyHostname("pop.example.org"),
			}
			advice := certificateAdvice(errors.Join(e))
			if !strings.Contains(advice, tt.want) || strings.Contains(advice, "write host") != (tt.want != "") {
				t.Errorf("%q", advice)
			}
			if !strings.Contains(advice, `tls_pin: "sha256:1234"`) {
				t.Errorf("no pin: %q", advice)
			}
		})
	}
}
