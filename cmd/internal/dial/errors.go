package dial

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// ErrNotTLS: the server answered the TLS handshake in plain text. Most likely
// the port is for STARTTLS, or for no TLS at all.
var ErrNotTLS = errors.New("the server does not speak TLS on this port")

// ErrNoCipher: the server supports none of the cipher suites that it was offered.
// Most likely it is old and has only RSA key exchange; see TLS.Legacy.
var ErrNoCipher = errors.New("no cipher suite that both sides support")

// UnusableCertificateError is a server's certificate that crypto/tls cannot read
// or use. So it cannot be verified, nor accepted because of a pin.
type UnusableCertificateError struct{ Err error }

// Error is the one of crypto/tls.
func (e *UnusableCertificateError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnusableCertificateError) Unwrap() error { return e.Err }

// Stage is a part of connecting.
type Stage uint8

const (
	// StageName is the lookup of the host's name; Error.Err is a *net.DNSError.
	StageName Stage = iota + 1
	// StageConnect is the connection; Error.Err is a *net.OpError, or a *ProxyError
	// if a proxy could not make it.
	StageConnect
	// StageTLS is the handshake; Error.Err may be ErrNotTLS or ErrNoCipher.
	StageTLS
	// StageCertificate is the verification of the server's certificate;
	// Error.Err is a *CertificateError or *UnusableCertificateError.
	StageCertificate
	// StageProxy is the proxy itself; Error.Err is a *ProxyError.
	StageProxy
)

var stages = [...]string{StageName: "name", StageConnect: "connect", StageTLS: "tls", StageCertificate: "certificate", StageProxy: "proxy"}

// String is the stage in one word.
func (s Stage) String() string {
	if int(s) < len(stages) && stages[s] != "" {
		return stages[s]
	}
	return fmt.Sprintf("stage %d", uint8(s))
}

// Error is a connection that could not be made.
type Error struct {
	Stage Stage
	Addr  string // as Dialer.Addr
	Err   error
	again bool
}

// Error names the address, the stage and the cause.
func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Addr, e.Stage, e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// NewConnection reports whether the caller should try once more at once, on a
// new connection: the next handshake is one that more servers understand.
func (e *Error) NewConnection() bool { return e.again }

// connectError distinguishes a failed lookup from a failed connection, and a proxy
// from the server.
func (d *Dialer) connectError(err error) *Error {
	var (
		noName *net.DNSError
		family *FamilyError
		proxy  *ProxyError
	)
	switch {
	case errors.As(err, &proxy) && proxy.Reason == ProxyNoServer:
		return &Error{Stage: StageConnect, Addr: d.Addr(), Err: proxy}
	case errors.As(err, &proxy):
		return &Error{Stage: StageProxy, Addr: d.Addr(), Err: proxy}
	case errors.As(err, &noName):
		return &Error{Stage: StageName, Addr: d.Addr(), Err: noName}
	case errors.As(err, &family):
		return &Error{Stage: StageName, Addr: d.Addr(), Err: family}
	}
	return &Error{Stage: StageConnect, Addr: d.Addr(), Err: err}
}

// handshakeError explains a failed handshake better than crypto/tls does.
func (d *Dialer) handshakeError(err error) *Error {
	var (
		bad   *CertificateError
		plain tls.RecordHeaderError
	)
	switch {
	case errors.As(err, &bad):
		return &Error{Stage: StageCertificate, Addr: d.Addr(), Err: bad}
	case unusable(err):
		return &Error{Stage: StageCertificate, Addr: d.Addr(), Err: &UnusableCertificateError{err}}
	case errors.As(err, &plain) && plain.Conn != nil: // set for the first record only
		err = fmt.Errorf("%w (it began with %q)", ErrNotTLS, plain.RecordHeader[:])
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("the server closed the connection during the handshake: %w", err)
	}
	return &Error{Stage: StageTLS, Addr: d.Addr(), Err: err}
}

// unusable reports by its text whether err is about a certificate that could not
// be used: crypto/tls and crypto/rsa have no types for that.
func unusable(err error) bool {
	for _, text := range []string{
		"failed to parse certificate from server",
		"certificate containing RSA key larger than",
		"certificate contains an unsupported type of public key",
		"-bit keys are insecure", // RSA below 1024 bits
	} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}
