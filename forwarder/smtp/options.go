package smtp

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// Method names a way to log in, in the words of the configuration.
type Method string

// The methods. The zero value is Auto.
const (
	Auto  Method = "auto"  // PLAIN, else LOGIN, of what the server offers
	Plain Method = "plain" // RFC 4616
	Login Method = "login" // draft-murchison-sasl-login; obsolete, and all that some servers offer
)

// Options say how to reach and use one server. Only Dial is required.
type Options struct {
	// Dial returns a connection, with TLS done where TLS is implicit. Its
	// errors are passed on with %w.
	Dial func(ctx context.Context) (net.Conn, error)
	// StartTLS, where set, demands STARTTLS (RFC 3207): without it nothing goes
	// on. It has to carry the ServerName. Where it is nil and Dial returns a
	// connection without TLS, a password goes in clear: set it or dial TLS
	// unless the user wrote otherwise.
	StartTLS *tls.Config
	// LMTP speaks RFC 2033 instead of RFC 5321.
	LMTP bool
	// Helo is the name for EHLO or LHLO; default: the host's name. What is no
	// domain is replaced by the connection's address literal.
	Helo string

	// Username to log in with (RFC 4954); "": no AUTH.
	Username string
	// Secret returns the password and is asked at each login.
	Secret func(ctx context.Context) (string, error)
	// Auth is the method to log in with.
	Auth Method

	// Connections at most at once; default 4.
	Connections int
	// InFlight bounds the transactions that have begun and are not answered
	// yet, over all connections; default 32.
	InFlight int

	// Timeout for each write and each reply; default 5 min, the longest of
	// RFC 5321 4.5.3.2 but one.
	Timeout time.Duration
	// DotTimeout for the reply to the final dot; default 10 min
	// (RFC 5321 4.5.3.2.6): shorter ones make duplicates.
	DotTimeout time.Duration
	// Passed, where set, is told each stage that the opening of a session has
	// behind it: StageHello (with the greeting), StageTLS for STARTTLS, StageAuth.
	// It must not wait.
	Passed func(stage forwarder.Stage)
	// Now tells the time; default time.Now.
	Now func() time.Time
	// Trace, where set, is asked at each new connection who is to be told its
	// dialogue, line by line and under TLS too, but without passwords, and of
	// messages only their length. The connection waits meanwhile.
	Trace func() (tell func(sent bool, line string))
}

const (
	// idleLimit is how long a session may wait for the next message: servers
	// under load end idle ones after little more.
	idleLimit = 30 * time.Second
	// quitTimeout bounds the courtesy of QUIT, on which nothing depends.
	quitTimeout = 5 * time.Second
)

// withDefaults fills in what was left out.
func (o Options) withDefaults() Options {
	o.Auth = cmp.Or(o.Auth, Auto)
	o.Connections = cmp.Or(max(o.Connections, 0), 4)
	o.InFlight = cmp.Or(max(o.InFlight, 0), 32)
	o.Timeout = cmp.Or(o.Timeout, 5*time.Minute)
	o.DotTimeout = cmp.Or(o.DotTimeout, 10*time.Minute)
	if o.Passed == nil {
		o.Passed = func(forwarder.Stage) {}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
