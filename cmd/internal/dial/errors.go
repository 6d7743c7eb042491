package dial

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
)

// ErrNotTLS: the server answered the TLS handshake in plain text. Most likely
// the port is for STARTTLS, or for no TLS at all.
var ErrNotTLS = errors.New("the server does not speak TLS on this port")

// Stage is a part of connecting.
type Stage uint8

const (
	// StageName is the lookup of the host's name; Error.Err is a *net.DNSError.
	StageName Stage = iota + 1
	// StageConnect is the connection; Error.Err is a *net.OpError.
	StageConnect
	// StageTLS is the handshake; Error.Err may be ErrNotTLS.
	StageTLS
	// StageCertificate is the verification of the server's certificate;
	// Error.Err is a *CertificateError.
	StageCertificate
)

var stages = [...]string{StageName: "name", StageConnect: "connect", StageTLS: "tls", StageCertificate: "certificate"}

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

// connectError distinguishes a failed lookup from a failed connection.
func (d *Dialer) connectError(err error) *Error {
	var noName *net.DNSError
	if errors.As(err, &noName) {
		return &Error{Stage: StageName, Addr: d.Addr(), Err: noName}
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
	case errors.As(err, &plain) && plain.Conn != nil: // set for the first record only
		err = fmt.Errorf("%w (it began with %q)", ErrNotTLS, plain.RecordHeader[:])
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("the server closed the connection during the handshake: %w", err)
	}
	return &Error{Stage: StageTLS, Addr: d.Addr(), Err: err}
}
