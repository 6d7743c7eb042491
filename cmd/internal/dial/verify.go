package dial

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/terminal"
)

// Reason is why a certificate was not accepted.
type Reason uint8

const (
	// OtherReason: anything else; see CertificateError.Err.
	OtherReason Reason = iota
	// Expired: it, or a certificate above it, is no longer valid.
	Expired
	// NotYetValid: it is not valid yet. The clock may be wrong.
	NotYetValid
	// NameMismatch: it is for other names.
	NameMismatch
	// CommonNameOnly: it has no names but a common name, which does not count
	// (RFC 9525).
	CommonNameOnly
	// WeakSignature: it, or one above it, is signed with SHA-1 or MD5.
	WeakSignature
	// UnknownAuthority: no trusted authority issued it.
	UnknownAuthority
	// PinMismatch: it is not the one that is pinned.
	PinMismatch
)

var reasons = [...]string{OtherReason: "not acceptable", Expired: "expired", NotYetValid: "not yet valid",
	NameMismatch: "name mismatch", CommonNameOnly: "only a common name", WeakSignature: "weak signature",
	UnknownAuthority: "unknown authority", PinMismatch: "pin mismatch"}

// String is the reason in a few words.
func (r Reason) String() string {
	if int(r) < len(reasons) {
		return reasons[r]
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// CertificateError is a certificate that was not accepted, with what the user
// needs in order to decide about it.
type CertificateError struct {
	Reason Reason
	Host   string   // the name that was expected
	Names  []string // what it is for; the common name if it has no others
	// NotBefore and NotAfter are when it is valid; for Expired and NotYetValid
	// they may be those of a certificate above it.
	NotBefore, NotAfter time.Time
	Issuer              string // distinguished name
	SHA256              string // as TLS.Pin takes it
	Err                 error  // from crypto/x509; nil for PinMismatch
}

// namesShown limits the names in Error: hosting companies have certificates with
// hundreds of names.
const namesShown = 5

// Error says what is wrong with the certificate and what it holds.
func (e *CertificateError) Error() string {
	const day = "2006-01-02"
	what := e.Reason.String()
	switch e.Reason {
	case Expired:
		what += " since " + e.NotAfter.UTC().Format(time.RFC3339)
	case NotYetValid:
		what += " before " + e.NotBefore.UTC().Format(time.RFC3339)
	case NameMismatch:
		what += ": it is not for " + e.Host
	case OtherReason:
		what += fmt.Sprintf(": %v", e.Err)
	}
	names, more := e.Names, ""
	if len(names) > namesShown {
		names, more = names[:namesShown], fmt.Sprintf(" and %d more", len(names)-namesShown)
	}
	return fmt.Sprintf("%s (for %s%s; valid from %s to %s; issued by %s; %s)", what, strings.Join(names, ", "), more,
		e.NotBefore.UTC().Format(day), e.NotAfter.UTC().Format(day), e.Issuer, e.SHA256)
}

// Unwrap returns the error of crypto/x509.
func (e *CertificateError) Unwrap() error { return e.Err }

// verifier decides about a server's certificate.
type verifier struct {
	name  string             // expected of the certificate
	roots *x509.CertPool     // nil: the system's
	pin   *[sha256.Size]byte // nil: by chain, name and dates
}

// verify has the type of tls.Config.VerifyConnection. Every error is a
// *CertificateError.
func (v verifier) verify(state tls.ConnectionState) error {
	leaf := state.PeerCertificates[0] // crypto/tls refuses a server without any
	if v.pin != nil {
		if sha256.Sum256(leaf.Raw) != *v.pin {
			return v.refuse(leaf, PinMismatch, nil)
		}
		return nil
	}
	between := x509.NewCertPool()
	for _, c := range state.PeerCertificates[1:] {
		between.AddCert(c)
	}
	_, err := leaf.Verify(x509.VerifyOptions{DNSName: v.name, Roots: v.roots, Intermediates: between})
	if err != nil {
		return v.refuse(leaf, reason(err), err)
	}
	return nil
}

// reason classifies the errors of x509.Certificate.Verify.
func reason(err error) Reason {
	var (
		invalid x509.CertificateInvalidError
		host    x509.HostnameError
		unknown x509.UnknownAuthorityError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		if time.Now().Before(invalid.Cert.NotBefore) { // x509 has one reason for both
			return NotYetValid
		}
		return Expired
	case errors.As(err, &host) && len(host.Certificate.DNSNames)+len(host.Certificate.IPAddresses) == 0:
		return CommonNameOnly
	case errors.As(err, &host):
		return NameMismatch
	case errors.As(err, &unknown) && strings.Contains(err.Error(), "insecure algorithm"): // x509 does not unwrap that
		return WeakSignature
	case errors.As(err, &unknown):
		return UnknownAuthority
	}
	return OtherReason
}

func (v verifier) refuse(leaf *x509.Certificate, why Reason, err error) *CertificateError {
	dated := leaf
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) {
		dated = invalid.Cert
	}
	sum := sha256.Sum256(leaf.Raw)
	return &CertificateError{
		Reason: why, Host: v.name, Names: names(leaf),
		NotBefore: dated.NotBefore, NotAfter: dated.NotAfter,
		Issuer: terminal.Printable(leaf.Issuer.String(), 0), SHA256: pinPrefix + hex.EncodeToString(sum[:]), Err: err,
	}
}

// names lists the names of a certificate. Anyone can write one, so they are made
// printable. A common name alone is never enough to be accepted, but users
// recognise it.
func names(c *x509.Certificate) []string {
	var out []string
	for _, name := range c.DNSNames {
		out = append(out, terminal.Printable(name, 0))
	}
	for _, ip := range c.IPAddresses {
		out = append(out, ip.String())
	}
	if len(out) == 0 {
		out = append(out, terminal.Printable(c.Subject.CommonName, 0))
	}
	return out
}
