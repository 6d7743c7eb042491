package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
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
}

// Dialer connects to one Target. Its methods may be used concurrently.
type Dialer struct {
	network string // tcp or unix
	addr    string
	name    string // of the host, to be looked up; "" for an address or a socket
	port    string
	names   *resolver
	timeout time.Duration
	mode    Mode
	tls     *client // nil without TLS; shared with other Dialers
	over    func(ctx context.Context, network, address string) (net.Conn, error)
}

// New checks a target and reads the files it names. It does not connect. Errors
// name the setting or the file. The Dialer shares nothing with others.
func New(t Target) (*Dialer, error) { return NewNetwork().New(t) }

// New is like the function New, but the Dialer shares with the network's others
// what is the same for both.
func (n *Network) New(t Target) (*Dialer, error) {
	d := &Dialer{network: "tcp", names: n.names, over: n.over, mode: t.TLS.Mode, timeout: t.Timeout}
	if d.timeout <= 0 {
		d.timeout = DefaultTimeout
	}
	path, isSocket := strings.CutPrefix(t.Host, unixPrefix)
	switch {
	case isSocket && path == "":
		return nil, errors.New("unix: needs the path of a socket")
	case isSocket:
		d.network, d.addr = "unix", path
	case t.Host == "":
		return nil, errors.New("no host")
	case t.Port < 1 || t.Port > 65535:
		return nil, fmt.Errorf("port %d is not within 1 and 65535", t.Port)
	default:
		d.port = strconv.Itoa(t.Port)
		d.addr = net.JoinHostPort(t.Host, d.port)
		if _, err := netip.ParseAddr(t.Host); err != nil {
			d.name = t.Host
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
// stage, StageName (where a name is looked up), StageConnect, and StageTLS
// (where it is implicit).
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
	raw, err := d.connect(ctx, done)
	if err != nil {
		return nil, d.connectError(err)
	}
	done(StageConnect)
	if d.mode != Implicit {
		return raw, nil
	}
	conn, failed := d.handshake(ctx, raw)
	if failed != nil {
		raw.Close()
		return nil, failed
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
		return nil, failed
	}
	return conn, nil
}
