package dial

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Mode is how a connection gets its TLS.
type Mode uint8

const (
	// Implicit: TLS from the first octet (RFC 8314). The default.
	Implicit Mode = iota
	// StartTLS: TLS by a command of the protocol (RFC 2595, RFC 3207), and no
	// connection without it.
	StartTLS
	// None: plain text, including passwords.
	None
)

var modes = [...]string{Implicit: "implicit", StartTLS: "starttls", None: "none"}

// String is the mode as the configuration writes it.
func (m Mode) String() string {
	if int(m) < len(modes) {
		return modes[m]
	}
	return fmt.Sprintf("mode %d", uint8(m))
}

// ParseMode is the inverse of Mode.String. The error names all modes.
func ParseMode(word string) (Mode, error) {
	for m, name := range modes {
		if name == word {
			return Mode(m), nil
		}
	}
	return 0, fmt.Errorf("%q is not one of %s", word, strings.Join(modes[:], ", "))
}

// TLS says how a connection is encrypted and how its server is verified.
type TLS struct {
	Mode       Mode
	CAFile     string // PEM; roots beside the system's
	Pin        string // sha256:HEX of the server's certificate in DER, instead of chain, name and dates
	ServerName string // to ask for and to expect; default: the host
	Min        string // least version, "1.0" to "1.3"; default "1.2"
	Legacy     bool   // offer RSA key exchange too, as a Min below "1.2" does
	CertFile   string // PEM; client certificate
	KeyFile    string // PEM; its key
}

const pinPrefix = "sha256:"

// ParsePin reads a pin as TLS.Pin takes it and CertificateError.SHA256 writes
// it, in either case, with or without the colons that openssl writes.
func ParsePin(pin string) (sum [sha256.Size]byte, err error) {
	digits, ok := strings.CutPrefix(strings.ToLower(pin), pinPrefix)
	octets, err := hex.DecodeString(strings.ReplaceAll(digits, ":", ""))
	if !ok || err != nil || len(octets) != len(sum) {
		return sum, fmt.Errorf("%q is not a pin: it must be %s followed by %d hexadecimal digits", pin, pinPrefix, 2*len(sum))
	}
	copy(sum[:], octets)
	return sum, nil
}

// ParseVersion reads a TLS version as TLS.Min takes it; "" is 1.2. The error
// names all versions.
func ParseVersion(version string) (uint16, error) {
	switch version {
	case "1.0":
		return tls.VersionTLS10, nil
	case "1.1":
		return tls.VersionTLS11, nil
	case "", "1.2":
		return tls.VersionTLS12, nil
	case "1.3":
		return tls.VersionTLS13, nil
	}
	return 0, fmt.Errorf("TLS version %q is not one of 1.0, 1.1, 1.2, 1.3", version)
}

// newConfig makes a configuration of settings and of what was read from their
// files. It verifies that the server is the one called name.
func newConfig(t TLS, name string, roots *x509.CertPool, client []tls.Certificate) (*tls.Config, error) {
	least, err := ParseVersion(t.Min)
	if err != nil {
		return nil, err
	}
	v := verifier{name: name, roots: roots}
	if t.Pin != "" {
		pin, err := ParsePin(t.Pin)
		if err != nil {
			return nil, err
		}
		v.pin = &pin
	}
	if name == "" && v.pin == nil {
		return nil, errors.New("TLS over a unix socket needs a server name or a pin")
	}
	return &tls.Config{
		ServerName:         name,
		MinVersion:         least,
		CipherSuites:       ciphers(t.Legacy || least < tls.VersionTLS12),
		Certificates:       client,
		InsecureSkipVerify: true, // VerifyConnection verifies instead, see doc.go; also a resumed session
		VerifyConnection:   v.verify,
	}, nil
}

// roots are the system's and those of the file; nil means the system's alone.
func roots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("the system's CA certificates: %w", err)
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s: no certificate in PEM format in it", file)
	}
	return pool, nil
}

func clientCertificates(certFile, keyFile string) ([]tls.Certificate, error) {
	switch {
	case certFile == "" && keyFile == "":
		return nil, nil
	case keyFile == "":
		return nil, fmt.Errorf("client certificate %s: its key file is missing", certFile)
	case certFile == "":
		return nil, fmt.Errorf("client key %s: its certificate file is missing", keyFile)
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, fmt.Errorf("client certificate %s with key %s: %w", certFile, keyFile, err)
	}
	return []tls.Certificate{pair}, nil
}

// ciphers is nil, Go's choice, unless old ones are allowed: old servers often lack
// ECDHE, which Go's choice has required since 1.22.
func ciphers(legacy bool) []uint16 {
	if !legacy {
		return nil
	}
	var ids []uint16
	for _, suite := range tls.CipherSuites() {
		ids = append(ids, suite.ID)
	}
	return append(ids,
		tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_RSA_WITH_AES_128_CBC_SHA, tls.TLS_RSA_WITH_AES_256_CBC_SHA,
		tls.TLS_RSA_WITH_3DES_EDE_CBC_SHA)
}
