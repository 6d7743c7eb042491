package dial

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// authority issues the certificates of a test.
type authority struct {
	tb   testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(tb testing.TB) *authority {
	tb.Helper()
	template := &x509.Certificate{
		Subject:               pkix.Name{CommonName: "Test Authority"},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	a := &authority{tb: tb}
	a.cert, a.key = a.sign(template)
	return a
}

// sign completes a template and signs it, by itself if there is no authority yet.
func (a *authority) sign(t *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(a.tb, err)
	t.SerialNumber = big.NewInt(time.Now().UnixNano())
	if t.NotAfter.IsZero() {
		t.NotBefore, t.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = t, key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)
	check(a.tb, err)
	cert, err := x509.ParseCertificate(der)
	check(a.tb, err)
	return cert, key
}

// server issues a certificate for a server; edit may change the template.
func (a *authority) server(edit func(*x509.Certificate)) tls.Certificate {
	a.tb.Helper()
	template := &x509.Certificate{
		DNSNames:    []string{"mail.test"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if edit != nil {
		edit(template)
	}
	cert, key := a.sign(template)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// file writes the authority's own certificate.
func (a *authority) file() string {
	return writePEM(a.tb, "ca.pem", "CERTIFICATE", a.cert.Raw)
}

// pair writes a certificate and its key.
func (a *authority) pair(c tls.Certificate) (certFile, keyFile string) {
	a.tb.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	check(a.tb, err)
	return writePEM(a.tb, "cert.pem", "CERTIFICATE", c.Certificate[0]), writePEM(a.tb, "key.pem", "PRIVATE KEY", key)
}

func writePEM(tb testing.TB, name, kind string, der []byte) string {
	tb.Helper()
	file := filepath.Join(tb.TempDir(), name)
	check(tb, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return file
}

func pinOf(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return "sha256:" + hex.EncodeToString(sum[:])
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
