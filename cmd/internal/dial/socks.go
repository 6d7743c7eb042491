package dial

import (
	"context"
	"errors"
	"net"
	"strings"

	"golang.org/x/net/proxy"
)

// askSOCKS has a SOCKS5 proxy connect to the server, whose name the proxy looks up.
func (p *relay) askSOCKS(ctx context.Context, conn net.Conn, password string) (net.Conn, error) {
	var login *proxy.Auth
	if p.Username != "" {
		login = &proxy.Auth{User: p.Username, Password: password}
	}
	observed := &socksConn{Conn: conn}
	client, err := proxy.SOCKS5("tcp", p.addr, login, dialed{observed})
	if err == nil {
		_, err = client.(proxy.ContextDialer).DialContext(ctx, "tcp", net.JoinHostPort(p.host, p.port))
	}
	if err != nil {
		return nil, p.socksError(ctx, err, observed)
	}
	return conn, nil
}

// dialed is a proxy.Dialer whose one connection is there already.
type dialed struct{ net.Conn }

// Dial implements proxy.Dialer.
func (d dialed) Dial(string, string) (net.Conn, error) { return d.Conn, nil }

// DialContext implements proxy.ContextDialer.
func (d dialed) DialContext(context.Context, string, string) (net.Conn, error) { return d.Conn, nil }

// socksConn notes the first octets that a proxy answers.
type socksConn struct {
	net.Conn
	heard  int
	method byte // of the login, once two octets are heard
}

func (c *socksConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.heard < 2 && c.heard+n >= 2 {
		c.method = b[1-c.heard]
	}
	c.heard += n
	return n, err
}

// connecting reports whether the proxy has let us in, so that what is missing is the
// server's part (RFC 1928 section 3, RFC 1929 section 2).
func (c *socksConn) connecting() bool {
	const byPassword = 2
	return c.heard == 2 && c.method == 0 || c.heard == 4 && c.method == byPassword
}

// socksError says what is wrong. The library has no types for the proxy's answers,
// only texts.
func (p *relay) socksError(ctx context.Context, err error, c *socksConn) *ProxyError {
	var network *net.OpError
	if errors.As(err, &network) && strings.HasPrefix(network.Op, "socks") {
		err = network.Err
	}
	if text, ok := strings.CutPrefix(err.Error(), "unknown error "); ok {
		said := errors.New("the proxy says: " + text)
		switch text {
		case "connection not allowed by ruleset", "command not supported", "address type not supported":
			return p.fails(ProxyRefuses, said)
		}
		return p.fails(ProxyNoServer, said)
	}
	switch err.Error() {
	case "no acceptable authentication methods":
		return p.fails(ProxyWantsLogin, err)
	case "username/password authentication failed":
		return p.fails(ProxyLogin, err)
	}
	switch silent := p.noAnswer(ctx, err); {
	case !isIO(err) && ctx.Err() == nil:
		return p.fails(ProxyProtocol, err)
	case silent.Timeout() && c.connecting():
		return p.fails(ProxyNoServer, silent.Err)
	default:
		return silent
	}
}
