package dial

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"
)

// ProxyReason is what is wrong with a proxy, or with the server behind it.
type ProxyReason uint8

const (
	// ProxyName: the proxy's name cannot be looked up; ProxyError.Err is a *net.DNSError
	// or *FamilyError.
	ProxyName ProxyReason = iota + 1
	// ProxyConnect: there is no connection to the proxy.
	ProxyConnect
	// ProxySecret: the password for the proxy could not be read.
	ProxySecret
	// ProxyWantsLogin: the proxy wants a user name and a password.
	ProxyWantsLogin
	// ProxyLogin: the proxy refused the user name or the password.
	ProxyLogin
	// ProxyRefuses: the proxy does not make this connection.
	ProxyRefuses
	// ProxyNoAnswer: nothing came back. It may have waited for the server.
	ProxyNoAnswer
	// ProxyProtocol: the answer is not that of a proxy of this kind.
	ProxyProtocol
	// ProxyCommand: the command ended, or could not be started.
	ProxyCommand
	// ProxyNoServer: the proxy could not connect to the server.
	ProxyNoServer
)

// ProxyError is a connection that a proxy did not make.
type ProxyError struct {
	Proxy  string // as Proxy.String
	Reason ProxyReason
	Err    error
}

// Error names the proxy and the cause.
func (e *ProxyError) Error() string { return e.Proxy + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *ProxyError) Unwrap() error { return e.Err }

// Timeout reports whether the time was up.
func (e *ProxyError) Timeout() bool {
	return errors.Is(e.Err, os.ErrDeadlineExceeded) || errors.Is(e.Err, context.DeadlineExceeded)
}

// Temporary implements net.Error.
func (*ProxyError) Temporary() bool { return false }

// relay makes the connections to one server through a proxy.
type relay struct {
	Proxy
	direct            // to the proxy; not used for a command
	host, port string // the server's
}

// newRelay returns the connections to a server on a route with a proxy.
func (n *Network) newRelay(r Route, host, port string) (*relay, error) {
	p := &relay{Proxy: r.Proxy, host: host, port: port}
	switch {
	case p.Kind != Command:
		p.direct = newDirect(p.Host, p.Port, n.names, r.dialer().DialContext, r.family())
	case len(p.Command) == 0 || p.Command[0] == "":
		return nil, errors.New("no command for the proxy")
	case strings.HasPrefix(host, "-"):
		return nil, fmt.Errorf("host %q could be an option of the proxy's command", host)
	}
	return p, nil
}

// String hides the one of the address.
func (p *relay) String() string { return p.Proxy.String() }

// connect makes a connection to the server. Every error is a *ProxyError.
func (p *relay) connect(ctx context.Context) (net.Conn, error) {
	if p.Kind == Command {
		return p.start()
	}
	conn, err := p.direct.connect(ctx, func(Stage) {})
	if err != nil {
		return nil, p.unreachable(err)
	}
	password := ""
	if p.Username != "" && p.Password != nil {
		if password, err = p.Password(ctx); err != nil {
			conn.Close()
			return nil, p.fails(ProxySecret, err)
		}
	}
	ask := p.askSOCKS
	if p.Kind == HTTP {
		ask = p.askHTTP
	}
	through, err := ask(ctx, conn, password)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return through, nil
}

func (p *relay) fails(why ProxyReason, err error) *ProxyError {
	return &ProxyError{Proxy: p.String(), Reason: why, Err: err}
}

// unreachable is a proxy that there is no connection to.
func (p *relay) unreachable(err error) *ProxyError {
	var dns *net.DNSError
	var family *FamilyError
	if errors.As(err, &dns) || errors.As(err, &family) {
		return p.fails(ProxyName, err)
	}
	return p.fails(ProxyConnect, err)
}

// errHungUp: the proxy closed the connection instead of an answer.
var errHungUp = errors.New("it closed the connection")

// noAnswer is what a proxy did not answer to.
func (p *relay) noAnswer(ctx context.Context, err error) *ProxyError {
	failed := p.fails(ProxyNoAnswer, err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		failed.Err = ctx.Err()
	case ctx.Err() != nil, failed.Timeout():
		failed.Err = fmt.Errorf("no answer in time: %w", os.ErrDeadlineExceeded)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		failed.Err = errHungUp
	}
	return failed
}

// within gives reads and writes of a connection the time of ctx, until the function
// that it returns is called.
func within(ctx context.Context, conn net.Conn) (release func()) {
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // fails on a closed connection only, as the next read does
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if stop() {
			_ = conn.SetDeadline(time.Time{})
		}
	}
}

// isIO reports whether an error is of reading or writing.
func isIO(err error) bool {
	var network net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &network)
}
