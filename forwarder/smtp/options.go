package smtp

import (
	"cmp"
	"context"
	"net"
	"time"

	"github.com/popferry/popferry/fetcher/login"
	"github.com/popferry/popferry/forwarder"
)

// Options say how to reach and use one server. Only Dial is required.
type Options struct {
	// Dial returns a connection, with TLS done where TLS is implicit. Its
	// errors are passed on with %w.
	Dial func(ctx context.Context) (net.Conn, error)
	// StartTLS, if set, demands STARTTLS (RFC 3207) and does its TLS handshake:
	// there is no session without it. If it is nil and Dial returns a connection
	// without TLS, the password is sent in clear: set it or dial TLS unless the
	// user chose otherwise. An error with a method NewConnection that returns
	// true asks for one more try.
	StartTLS func(context.Context, net.Conn) (net.Conn, error)
	// LMTP speaks RFC 2033 instead of RFC 5321.
	LMTP bool
	// Helo is the name for EHLO or LHLO; default: the host's name, if that has a
	// dot. If it is not a domain, the connection's address literal is used instead.
	Helo string

	// Username to log in with (RFC 4954); "": no AUTH.
	Username string
	// Secret returns the password or token; it is called at each login, once more
	// where a token is refused, and not at all for login.External.
	Secret func(ctx context.Context) (string, error)
	// Token: Secret returns an OAuth2 access token.
	Token bool
	// Auth is the method to log in with; default login.Auto.
	Auth login.Method

	// Facts are what was learnt of the server before.
	Facts Facts

	// Connections at most at once; default 4.
	Connections int
	// Slot, if set, is asked before each connection whether there may be one more;
	// release says that it has ended.
	Slot func(context.Context) (release func(), err error)
	// InFlight bounds the deliveries that have begun and are not done yet, over
	// all connections; default 32.
	InFlight int

	// Timeout for each write and each reply; default 5 min, the second longest of
	// RFC 5321 4.5.3.2.
	Timeout time.Duration
	// DotTimeout for the reply to the final dot; default 10 min
	// (RFC 5321 4.5.3.2.6). A shorter one causes duplicates.
	DotTimeout time.Duration
	// Passed, if set, is called after each stage of a session's handshake:
	// StageHello (with the greeting), StageTLS for STARTTLS, StageAuth. It must not
	// block.
	Passed func(stage forwarder.Stage)
	// Greeted, if set, is called with the text of each greeting, without its code
	// and on one line. It must not block.
	Greeted func(text string)
	// Now is the clock; default time.Now.
	Now func() time.Time
	// Trace, if set, is called for each new connection. It returns a function that
	// is called with each line of the dialogue, under TLS too: without passwords,
	// and with the length only of messages. The connection waits meanwhile.
	Trace func() (report func(sent bool, line string))
}

// quitTimeout bounds QUIT, on which nothing depends.
const quitTimeout = 5 * time.Second

// withDefaults fills in the defaults.
func (o Options) withDefaults() Options {
	o.Auth = cmp.Or(o.Auth, login.Auto)
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
