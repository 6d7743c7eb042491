package realserver

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"
)

// Files that certify writes to the scratch folder.
const (
	caFile   = "ca.pem"
	certFile = "cert.pem"
	keyFile  = "key.pem"
)

// certify creates an authority and a certificate for localhost, ip and all direct
// subdomains of Domain.
func (s scratch) certify(ip string) {
	s.tb.Helper()
	from, to := time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "popferry test authority"},
		NotBefore: from, NotAfter: to, IsCA: true, BasicConstraintsValid: true,
	}
	caKey := s.sign(ca, ca, nil, caFile)
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		NotBefore: from, NotAfter: to,
		DNSNames: []string{"localhost", "*." + Domain}, IPAddresses: []net.IP{net.ParseIP(ip)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	key := s.sign(leaf, ca, caKey, certFile)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	check(s.tb, err)
	s.writePEM(keyFile, "PRIVATE KEY", der, 0o600) // the servers read it as root or as us
}

// sign writes a certificate to a file and returns its new key. Without a signer
// the certificate is self-signed.
func (s scratch) sign(template, parent *x509.Certificate, signer *ecdsa.PrivateKey, name string) *ecdsa.PrivateKey {
	s.tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(s.tb, err)
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	check(s.tb, err)
	s.writePEM(name, "CERTIFICATE", der, 0o644)
	return key
}

func (s scratch) writePEM(name, kind string, der []byte, mode os.FileMode) {
	s.tb.Helper()
	check(s.tb, os.WriteFile(s.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode))
}
