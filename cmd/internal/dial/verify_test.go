package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

func TestCertificates(t *testing.T) {
	t.Parallel()
	ours, strange := newAuthority(t), newAuthority(t)
	past := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour)
	}
	future := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(time.Hour), time.Now().Add(2*time.Hour)
	}
	elsewhere := func(c *x509.Certificate) { c.DNSNames, c.IPAddresses = []string{"other.test", "third.test"}, nil }
	commonName := func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames, c.IPAddresses = "127.0.0.1", nil, nil
	}
	sha1 := func(c *x509.Certificate) { c.SignatureAlgorithm = x509.ECDSAWithSHA1 }
	forSigning := func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageCodeSigning} }
	good := ours.server(nil)

	const accepted = Reason(255)
	tests := []struct {
		name string
		cert tls.Certificate
		tls  TLS
		want Reason
	}{
		{"address", good, TLS{CAFile: ours.file()}, accepted},
		{"server name", good, TLS{CAFile: ours.file(), ServerName: "mail.test"}, accepted},
		{"unknown authority", good, TLS{}, UnknownAuthority},
		{"another authority", strange.server(nil), TLS{CAFile: ours.file()}, UnknownAuthority},
		{"expired", ours.server(past), TLS{CAFile: ours.file()}, Expired},
		{"not yet valid", ours.server(future), TLS{CAFile: ours.file()}, NotYetValid},
		{"wrong address", ours.server(elsewhere), TLS{CAFile: ours.file()}, NameMismatch},
		{"wrong name", good, TLS{CAFile: ours.file(), ServerName: "pop.test"}, NameMismatch},
		{"common name", ours.server(commonName), TLS{CAFile: ours.file()}, CommonNameOnly},
		{"another common name", ours.server(commonName), TLS{CAFile: ours.file(), ServerName: "mail.test"}, CommonNameOnly},
		{"common name, unknown authority", ours.server(commonName), TLS{}, CommonNameOnly},
		{"SHA-1", ours.server(sha1), TLS{CAFile: ours.file()}, WeakSignature},
		{"wrong use", ours.server(forSigning), TLS{CAFile: ours.file()}, OtherReason},
		{"pin", good, TLS{Pin: pinOf(good)}, accepted},
		{"pin in capitals", good, TLS{Pin: strings.ToUpper(pinOf(good))}, accepted},
		{"pin mismatch", good, TLS{CAFile: ours.file(), Pin: pinOf(strange.server(nil))}, PinMismatch},
	}
	// A pin takes the place of everything else that could be wrong.
	for _, edit := range []func(*x509.Certificate){past, future, elsewhere, commonName, sha1} {
		cert := strange.server(edit)
		tests = append(tests, struct {
			name string
			cert tls.Certificate
			tls  TLS
			want Reason
		}{"pin of a bad one", cert, TLS{Pin: pinOf(cert)}, accepted})
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			port := serve(t, greetTLS(&tls.Config{Certificates: []tls.Certificate{test.cert}}))
			implicit := open(t, Target{Port: port, TLS: test.tls})
			if implicit != nil {
				failure(t, implicit, StageCertificate)
			}
			for mode, err := range map[Mode]error{Implicit: implicit, StartTLS: upgrade(t, port, test.tls)} {
				if test.want == accepted {
					check(t, err)
					continue
				}
				var bad *CertificateError
				if !errors.As(err, &bad) {
					t.Fatalf("%v: got %v, want a *CertificateError", mode, err)
				}
				if bad.Reason != test.want {
					t.Errorf("%v: got %v, want %v", mode, bad.Reason, test.want)
				}
				evidence(t, bad, test.cert)
			}
		})
	}
}

// upgrade does what a client does after STARTTLS, and wraps the error as one does.
func upgrade(tb testing.TB, port int, settings TLS) error {
	tb.Helper()
	settings.Mode = StartTLS
	d, err := New(Target{Host: "127.0.0.1", Port: port, TLS: settings})
	check(tb, err)
	raw, err := d.Dial(context.Background())
	check(tb, err)
	defer raw.Close()
	if _, err := d.Upgrade()(context.Background(), raw); err != nil {
		return fmt.Errorf("STLS: %w", err)
	}
	return nil
}

// evidence checks that the error holds what the user needs.
func evidence(t *testing.T, e *CertificateError, c tls.Certificate) {
	t.Helper()
	if e.SHA256 != pinOf(c) {
		t.Errorf("SHA256 is %s, want %s", e.SHA256, pinOf(c))
	}
	if e.Names[0] != names(c.Leaf)[0] || e.Issuer != "CN=Test Authority" {
		t.Errorf("names %q, issuer %q", e.Names, e.Issuer)
	}
	if !e.NotBefore.Equal(c.Leaf.NotBefore) || !e.NotAfter.Equal(c.Leaf.NotAfter) {
		t.Errorf("valid from %v to %v", e.NotBefore, e.NotAfter)
	}
	for _, part := range []string{e.Reason.String(), e.SHA256, e.Names[0]} {
		if !strings.Contains(e.Error(), part) {
			t.Errorf("%q is not in %q", part, e.Error())
		}
	}
}

func TestClientCertificate(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	port := serve(t, greetTLS(&tls.Config{
		Certificates: []tls.Certificate{a.server(nil)},
		ClientAuth:   tls.RequireAndVerifyClientCert, ClientCAs: pool,
	}))
	certFile, keyFile := a.pair(a.server(nil))
	if err := open(t, Target{Port: port, TLS: TLS{CAFile: a.file(), CertFile: certFile, KeyFile: keyFile}}); err != nil {
		t.Error(err)
	}
	// Since TLS 1.3 the client learns of it only with the first read.
	if err := open(t, Target{Port: port, TLS: TLS{CAFile: a.file()}}); err == nil {
		t.Error("accepted without a client certificate")
	}
}

func TestErrorIsShortAndPrintable(t *testing.T) {
	t.Parallel()
	a := newAuthority(t)
	cert := a.server(func(c *x509.Certificate) {
		c.Subject.CommonName, c.DNSNames, c.IPAddresses = "a\x1b[2Jb", nil, []net.IP(nil)
	})
	if got := names(cert.Leaf); got[0] != "a?[2Jb" {
		t.Errorf("names: %q", got)
	}
	e := &CertificateError{Reason: NameMismatch, Host: "h", Names: strings.Split("a b c d e f g h", " ")}
	if !strings.Contains(e.Error(), "a, b, c, d, e and 3 more") {
		t.Error(e)
	}
}
