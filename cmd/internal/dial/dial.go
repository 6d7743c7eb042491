package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// DefaultTimeout is the limit of a Target that sets none.
const DefaultTimeout = time.Minute

// unixPrefix marks a Target.Host that is a socket in the file system.
const unixPrefix = "unix:"

// Target says which server to connect to, and how.
type Target struct {
	Host    string        // name or IP address, or unix:/path of a socket
	Port    int           // not used with a unix socket
	TLS     TLS           // the zero value is implicit TLS with the system's roots
	Timeout time.Duration // for name, connection and TLS together; DefaultTimeout if zero
	Route   Route         // the zero value is the Network's, unless the host is this machine
}

// Dialer connects to one Target. Its methods may be used concurrently.
type Dialer struct {
	direct         // to the server
	proxy   *relay // that makes the connections instead; nil: none
	timeout time.Duration
	mode    Mode
	tls     *client // nil without TLS; shared with other Dialers
}

// New checks a target and reads the files it names. It does not connect. Errors
// name the setting or the file. The Dialer shares nothing with others.
func New(t Target) (*Dialer, error) { return NewNetwork().New(t) }

// New is like the function New, but the Dialer shares with the network's others
// what is the same for both.
func (n *Network) New(t Target) (*Dialer, error) {
	d := &Dialer{mode: t.TLS.Mode, timeout: t.Timeout}
	if d.timeout <= 0 {
		d.timeout = DefaultTimeout
	}
	path, isSocket := strings.CutPrefix(t.Host, unixPrefix)
	switch {
	case isSocket && path == "":
		return nil, errors.New("unix: needs the path of a socket")
	case isSocket:
		d.direct = direct{network: "unix", addr: path, allowed: true, over: n.connector(Route{})}
	case t.Host == "":
		return nil, errors.New("no host")
	case t.Port < 1 || t.Port > 65535:
		return nil, fmt.Errorf("port %d is not within 1 and 65535", t.Port)
	default:
		if err := d.route(n, t); err != nil {
			return nil, err
		}
	}
	if t.TLS.Mode == None {
		return d, nil
	}
	name := t.TLS.ServerName
	if name == "" && !isSocket {
		name = t.Host
	}
	client, err := n.client(t.TLS, name, d.Addr())
	if err != nil {
		return nil, err
	}
	d.tls = client
	return d, nil
}

// route sets how the server is reached.
func (d *Dialer) route(n *Network, t Target) error {
	r := t.Route
	if r.isZero() && !isLocal(t.Host) {
		r = n.via
	}
	d.direct = newDirect(t.Host, t.Port, n.names, n.connector(r), r.family())
	if r.Proxy.Kind == NoProxy {
		return nil
	}
	var err error
	d.proxy, err = n.newRelay(r, t.Host, d.port)
	return err
}

// isLocal reports whether a host is this machine.
func isLocal(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// Via is the proxy that the connections go through, as users see it; "" without
// one.
func (d *Dialer) Via() string {
	if d.proxy == nil {
		return ""
	}
	return d.proxy.String()
}

// Addr is the server's address as users see it: host:port, or unix:/path.
func (d *Dialer) Addr() string {
	if d.network == "unix" {
		return unixPrefix + d.addr
	}
	return d.addr
}

// SameTLS reports whether another Dialer of the same Network has the same TLS
// settings, and the files that they name have the same content.
func (d *Dialer) SameTLS(o *Dialer) bool { return d.tls == o.tls }

// Dial connects, within the target's timeout, and does the TLS handshake where
// TLS is implicit; the connection is then a *tls.Conn. Every error is an
// *Error with its stage.
func (d *Dialer) Dial(ctx context.Context) (net.Conn, error) {
	return d.DialStages(ctx, func(Stage) {})
}

// DialStages is Dial with a report of its progress: done is called after each
// stage, StageName (where a name is looked up, which a proxy does itself),
// StageConnect, and StageTLS (where it is implicit).
func (d *Dialer) DialStages(ctx context.Context, done func(Stage)) (net.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	conn, err := d.open(limited, done)
	if err != nil && err.again {
		conn, err = d.open(limited, func(s Stage) {
			if s == StageTLS {
				done(s)
			}
		})
	}
	switch {
	case err == nil:
		return conn, nil
	case err.Stage == StageTLS && errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		err.Err = fmt.Errorf("no answer within %v: %w", d.timeout, err.Err)
	}
	return nil, err
}

// open is one attempt of DialStages.
func (d *Dialer) open(ctx context.Context, done func(Stage)) (net.Conn, *Error) {
	var raw net.Conn
	var err error
	if d.proxy != nil {
		raw, err = d.proxy.connect(ctx)
	} else {
		raw, err = d.connect(ctx, done)
	}
	if err != nil {
		return nil, d.connectError(err)
	}
	_, unknown := raw.(*commandConn) // whether there is a connection, only the server's first octets show
	if !unknown {
		done(StageConnect)
	}
	if d.mode != Implicit {
		return raw, nil
	}
	conn, failed := d.handshake(ctx, raw)
	if failed != nil {
		raw.Close()
		return nil, failed
	}
	if unknown {
		done(StageConnect)
	}
	done(StageTLS)
	return conn, nil
}

// Upgrade returns the function that does the TLS handshake of STARTTLS or STLS
// on a connection of Dial; nil for other modes. It returns a *tls.Conn. Its
// errors are as those of Dial; the caller closes the connection.
func (d *Dialer) Upgrade() func(context.Context, net.Conn) (net.Conn, error) {
	if d.mode != StartTLS {
		return nil
	}
	return func(ctx context.Context, raw net.Conn) (net.Conn, error) {
		conn, err := d.handshake(ctx, raw)
		if err != nil {
			return nil, err
		}
		return conn, nil
	}
}

func (d *Dialer) handshake(ctx context.Context, raw net.Conn) (net.Conn, *Error) {
	conn, again, err := d.tls.handshake(ctx, raw)
	if err != nil {
		failed := d.handshakeError(err)
		failed.again = again
		if c, ok := raw.(*commandConn); ok && !c.heard.Load() && !errors.Is(err, context.Canceled) {
			failed = d.connectError(c.explain(err))
		}
		return nil, failed
	}
	return conn, nil
}
