package dial

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/cmd/internal/certtest"
)

// TestRSAKeyExchangeOnlyIfAllowed: a server without any other is refused, also on
// the second try, until the settings allow it.
func TestRSAKeyExchangeOnlyIfAllowed(t *testing.T) {
	t.Parallel()
	a := certtest.New(t)
	port := serve(t, greetTLS(&tls.Config{
		Certificates: []tls.Certificate{a.RSA("127.0.0.1")}, MaxVersion: tls.VersionTLS12,
		CipherSuites: []uint16{tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.TLS_RSA_WITH_AES_128_CBC_SHA},
	}))
	for _, tt := range []struct {
		settings TLS
		ok       bool
	}{
		{TLS{}, false},
		{TLS{Legacy: true}, true},
		{TLS{Min: "1.1"}, true},
		{TLS{Min: "1.3", Legacy: true}, false},
	} {
		tt.settings.CAFile = a.File()
		implicit := open(t, Target{Port: port, TLS: tt.settings})
		for mode, err := range map[Mode]error{Implicit: implicit, StartTLS: upgrade(t, port, tt.settings)} {
			if (err == nil) != tt.ok {
				t.Errorf("%v, %+v: got %v, want success %v", mode, tt.settings, err, tt.ok)
			}
			if tt.settings == (TLS{CAFile: tt.settings.CAFile}) && !errors.Is(err, ErrNoCipher) {
				t.Errorf("%v: got %v, want ErrNoCipher", mode, err)
			}
		}
	}
}

// TestHandshakeFailureAfterServerHello: the alert is then about something else, a
// missing client certificate in this case.
func TestHandshakeFailureAfterServerHello(t *testing.T) {
	t.Parallel()
	a := certtest.New(t)
	port := serve(t, greetTLS(&tls.Config{
		Certificates: []tls.Certificate{a.Server("127.0.0.1")}, MaxVersion: tls.VersionTLS12, ClientAuth: tls.RequireAnyClientCert,
	}))
	err := open(t, Target{Port: port, TLS: TLS{CAFile: a.File()}})
	if failure(t, err, StageTLS); errors.Is(err, ErrNoCipher) || alert(err) == "" {
		t.Errorf("got %v, want an alert that is not about cipher suites", err)
	}
}

// TestNegativeSerialIsUnusable: with a pin too; it is not tried again.
func TestNegativeSerialIsUnusable(t *testing.T) {
	t.Parallel()
	cert := certtest.New(t).NegativeSerial("127.0.0.1")
	var connections atomic.Int32
	handle := greetTLS(&tls.Config{Certificates: []tls.Certificate{cert}})
	port := serve(t, func(conn net.Conn) { connections.Add(1); handle(conn) })
	pinned := TLS{Pin: pinOf(cert)}
	for _, err := range []error{open(t, Target{Port: port}), open(t, Target{Port: port, TLS: pinned}), upgrade(t, port, pinned)} {
		failure(t, err, StageCertificate)
		var unusable *UnusableCertificateError
		if !errors.As(err, &unusable) || !strings.Contains(err.Error(), "negative serial number") {
			t.Errorf("got %v, want an *UnusableCertificateError that names the serial number", err)
		}
	}
	if got := connections.Load(); got != 3 {
		t.Errorf("got %d connections, want 3", got)
	}
}

// TestNegativeSerialCanBeAllowed: the remedy that popferry gives for it works.
func TestNegativeSerialCanBeAllowed(t *testing.T) {
	t.Setenv("GODEBUG", "x509negativeserial=1")
	cert := certtest.New(t).NegativeSerial("127.0.0.1")
	check(t, open(t, Target{
		Port: serve(t, greetTLS(&tls.Config{Certificates: []tls.Certificate{cert}})),
		TLS:  TLS{Pin: pinOf(cert)},
	}))
}

func TestUnusableCertificates(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"tls: failed to parse certificate from server: x509: negative serial number":                        true,
		"tls: failed to parse certificate from server: x509: malformed certificate":                         true,
		"tls: server sent certificate containing RSA key larger than 8192 bits":                             true,
		"tls: server's certificate contains an unsupported type of public key: *dsa.PublicKey":              true,
		"tls: invalid signature by the server certificate: crypto/rsa: 512-bit keys are insecure (see ...)": true,
		"tls: invalid signature by the server certificate: crypto/rsa: verification error":                  false,
		"remote error: tls: bad certificate":                                                                false,
		"tls: server selected unsupported protocol version 301":                                             false,
	} {
		d := &Dialer{direct: direct{addr: "mail.test:995"}}
		if got := d.handshakeError(fmt.Errorf("%s", text)).Stage == StageCertificate; got != want {
			t.Errorf("%s: a fault of the certificate is %v, want %v", text, got, want)
		}
	}
}
