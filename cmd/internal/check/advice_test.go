package check

import (
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/certtest"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/cmd/internal/probe"
	"github.com/popferry/popferry/fetcher/outcome"
	"github.com/popferry/popferry/forwarder"
)

// Only names that would be accepted are advised.
func TestCertificateAdviceForAnotherName(t *testing.T) {
	t.Parallel()
	authority := certtest.New(t)
	for _, tt := range []struct {
		name  string
		names []string // of the certificate; none: a common name only
		want  string
	}{
		{"a name", []string{"mail.example.net"}, "set host: mail.example.net, or tls_server_name: mail.example.net."},
		{"a wildcard before it", []string{"*.example.net", "example.net"}, "set host: example.net, or"},
		{"only a wildcard", []string{"*.example.net"}, "a name that matches *.example.net."},
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
			if !strings.Contains(advice, tt.want) || strings.Contains(advice, "set host") != (tt.want != "") {
				t.Errorf("advice for a certificate of %q: %q, want it to have %q", tt.names, advice, tt.want)
			}
			if !strings.Contains(advice, `tls_pin: "sha256:1234"`) {
				t.Errorf("advice %q, want it to have the pin", advice)
			}
		})
	}
}

func TestNoSMTPPortsAreAdvisedForLMTP(t *testing.T) {
	t.Parallel()
	c := checker{Options{Resources: app.NewResources()}}
	failed := probe.Step{Name: probe.StepConnect, Err: &outcome.DestinationError{Name: "main", Outcome: forwarder.Outcome{
		Kind: forwarder.Unusable, Stage: forwarder.StageDial, Err: &dial.Error{Stage: dial.StageConnect, Addr: "127.0.0.1:24", Err: syscall.ECONNREFUSED},
	}}}
	server := config.Server{Host: "127.0.0.1", Port: 24, TLS: config.TLS{Mode: config.TLSNone}}
	advice := c.advice(t.Context(), server, probe.LMTP, failed)
	if want := cause.Of(failed.Err).Remedy; advice != want || !slices.Contains(connectionCauses(), cause.Of(failed.Err).Code) {
		t.Errorf("advice %q, want %q", advice, want)
	}
}

// Without TLS, the method may be why a right password is refused.
func TestAdviceForLoginInClear(t *testing.T) {
	t.Parallel()
	c := checker{Options{Resources: app.NewResources()}}
	for _, tt := range []struct {
		mode, auth string
		code       int
		want       bool
	}{
		{config.TLSNone, "auto", 535, true}, {config.TLSStart, "auto", 535, false}, {config.TLSNone, "plain", 535, false}, {config.TLSNone, "auto", 454, false},
	} {
		failed := probe.Step{Name: probe.StepLogin, Err: &outcome.DestinationError{Name: "main", Outcome: forwarder.Outcome{
			Kind: forwarder.Unusable, Stage: forwarder.StageAuth, Code: tt.code, Text: "no",
		}}}
		server := config.Server{Host: "127.0.0.1", Username: "leo@example.org", TLS: config.TLS{Mode: tt.mode}, Auth: tt.auth}
		if advice := c.advice(t.Context(), server, probe.SMTP, failed); strings.Contains(advice, "set auth: plain") != tt.want {
			t.Errorf("%+v: advice %q", tt, advice)
		}
	}
}

// A login by IMAP that is refused may have to be switched on first.
func TestLoginAdviceForIMAP(t *testing.T) {
	t.Parallel()
	refused := cause.ByCode("forward_auth")
	advice := LoginAdvice(config.Server{Host: "imap.gmx.net", Username: "leo@gmx.de"}, refused)
	if !strings.Contains(advice, "requires IMAP to be switched on: https://hilfe.gmx.net/pop-imap/einschalten.html") {
		t.Errorf("advice %q, want it to say that IMAP may be off", advice)
	}
	if advice := LoginAdvice(config.Server{Host: "mail.gmx.net", Username: "leo@gmx.de"}, refused); strings.Contains(advice, "IMAP") {
		t.Errorf("advice for SMTP: %q, want nothing of IMAP", advice)
	}
}
