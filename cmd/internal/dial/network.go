package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync"
)

// Network makes Dialers that share what is the same for them: the addresses of
// a name, the roots of a CA file, the TLS configuration and sessions of a server,
// and whether it needs a short ClientHello. Five thousand mailboxes on one host
// cost little more than one. Its methods may be used concurrently.
type Network struct {
	names *resolver
	over  connectFunc // nil: a net.Dialer
	via   Route       // of targets without their own

	mu      sync.Mutex
	roots   cache[string, *x509.CertPool]
	pairs   cache[[2]string, []tls.Certificate]
	clients cache[setting, *client]
	// sessions are the TLS sessions of this process, restored those of earlier ones.
	sessions map[string]*lastSession
	restored map[string]keptSession
}

// NewNetwork returns a Network that asks the system's resolver.
func NewNetwork() *Network { return NewNetworkWith(nil) }

// NewNetworkWith returns a Network that asks this resolver; nil is the system's.
func NewNetworkWith(names *net.Resolver) *Network {
	return &Network{
		names:   newResolver(names),
		roots:   make(cache[string, *x509.CertPool]),
		pairs:   make(cache[[2]string, []tls.Certificate]),
		clients: make(cache[setting, *client]),

		sessions: make(map[string]*lastSession),
		restored: make(map[string]keptSession),
	}
}

// Over returns a Network with empty caches, except of names, whose Dialers make
// the connections to servers, below TLS, with this function: under rules of the
// caller, or in a test. Names are still looked up here. The function decides about
// the local address. Connections to proxies are made as before.
func (n *Network) Over(connect func(ctx context.Context, network, address string) (net.Conn, error)) *Network {
	o := NewNetwork()
	o.names, o.over, o.via = n.names, connect, n.via
	return o
}

// Via returns a Network with empty caches, except of names, whose Dialers use this
// route for targets that have none.
func (n *Network) Via(r Route) *Network {
	o := n.Over(n.over)
	o.via = r
	return o
}

// Route is the route of targets that have none.
func (n *Network) Route() Route { return n.via }

// connector makes the connections to servers on a route without a proxy.
func (n *Network) connector(r Route) connectFunc {
	if n.over != nil {
		return n.over
	}
	return r.dialer().DialContext
}

// setting identifies a client. The address is part of it because of the
// sessions: another port is another server, and a session that was opened with
// one client certificate must not be used with another.
type setting struct {
	tls        TLS
	name, addr string
}

// client returns the one client for these settings. The files are read again
// once they have changed.
func (n *Network) client(t TLS, name, addr string) (*client, error) {
	t.Mode = Implicit // the mode makes no difference to the handshake
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.clients.get(setting{t, name, addr}, stampOf(t.CAFile, t.CertFile, t.KeyFile), func() (*client, error) {
		pool, err := n.roots.get(t.CAFile, stampOf(t.CAFile), func() (*x509.CertPool, error) { return roots(t.CAFile) })
		if err != nil {
			return nil, err
		}
		pair, err := n.pairs.get([2]string{t.CertFile, t.KeyFile}, stampOf(t.CertFile, t.KeyFile), func() ([]tls.Certificate, error) {
			return clientCertificates(t.CertFile, t.KeyFile)
		})
		if err != nil {
			return nil, err
		}
		config, err := newConfig(t, name, pool, pair)
		if err != nil {
			return nil, err
		}
		config.ClientSessionCache = n.session(setting{t, name, addr})
		return newClient(config), nil
	})
}
