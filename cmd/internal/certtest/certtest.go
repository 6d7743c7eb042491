// Package certtest issues the certificates of a test.
package certtest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority issues certificates; see New.
type Authority struct {
	tb   testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// New makes an authority that nothing trusts yet.
func New(tb testing.TB) *Authority {
	tb.Helper()
	a := &Authority{tb: tb}
	a.cert, a.key = a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: "Test Authority"}, IsCA: true, BasicConstraintsValid: true})
	return a
}

// Server issues a certificate for a server with these names or IP addresses,
// valid for an hour.
func (a *Authority) Server(names ...string) tls.Certificate {
	a.tb.Helper()
	now := time.Now()
	return a.ServerFrom(now.Add(-time.Hour), now.Add(time.Hour), names...)
}

// ServerFrom is Server with other times.
func (a *Authority) ServerFrom(from, to time.Time, names ...string) tls.Certificate {
	a.tb.Helper()
	t := &x509.Certificate{NotBefore: from, NotAfter: to, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, name)
		}
	}
	cert, key := a.sign(t)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// CommonName issues a certificate with a common name and no other.
func (a *Authority) CommonName(name string) tls.Certificate {
	a.tb.Helper()
	cert, key := a.sign(&x509.Certificate{Subject: pkix.Name{CommonName: name}})
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}
}

// NegativeSerial is Server with a negative serial number. Nobody can verify its
// signature.
func (a *Authority) NegativeSerial(names ...string) tls.Certificate {
	a.tb.Helper()
	c := a.Server(names...)
	der := bytes.Clone(c.Certificate[0])
	der[bytes.Index(der, c.Leaf.SerialNumber.Bytes())] |= 0x80 // the sign
	c.Certificate, c.Leaf = [][]byte{der}, nil
	return c
}

// RSA is Server with an RSA key.
func (a *Authority) RSA(names ...string) tls.Certificate {
	a.tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	a.check(err)
	der, err := x509.CreateCertificate(rand.Reader, a.Server(names...).Leaf, a.cert, &key.PublicKey, a.key)
	a.check(err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// Pool contains only the authority.
func (a *Authority) Pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// File is a PEM file of the authority's own certificate.
func (a *Authority) File() string {
	a.tb.Helper()
	path := filepath.Join(a.tb.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
	if err := os.WriteFile(path, text, 0o600); err != nil {
		a.tb.Fatal(err)
	}
	return path
}

// sign completes a template and signs it, by itself if there is no authority
// yet.
func (a *Authority) sign(t *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a.check(err)
	now := time.Now()
	t.SerialNumber = big.NewInt(now.UnixNano())
	if t.NotAfter.IsZero() {
		t.NotBefore, t.NotAfter = now.Add(-time.Hour), now.Add(time.Hour)
	}
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = t, key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)
	a.check(err)
	cert, err := x509.ParseCertificate(der)
	a.check(err)
	return cert, key
}

func (a *Authority) check(err error) {
	a.tb.Helper()
	if err != nil {
		a.tb.Fatal(err)
	}
}
