package dial

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"sync"
)

// Network makes Dialers that share what is the same for them: the addresses of
// a name, the roots of a CA file, the TLS configuration of one server and its
// sessions. Five thousand mailboxes on one host then cost little more than one.
// Its methods may be used concurrently.
type Network struct {
	names *resolver
	over  func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	roots   kept[string, *x509.CertPool]
	pairs   kept[[2]string, []tls.Certificate]
	configs kept[setting, *tls.Config]
}

// NewNetwork returns a Network that asks the system's resolver.
func NewNetwork() *Network { return NewNetworkWith(nil) }

// NewNetworkWith returns a Network that asks this resolver; nil is the system's.
func NewNetworkWith(names *net.Resolver) *Network {
	return &Network{
		names:   newResolver(names),
		over:    new(net.Dialer).DialContext, // its zero value sends keep-alives
		roots:   make(kept[string, *x509.CertPool]),
		pairs:   make(kept[[2]string, []tls.Certificate]),
		configs: make(kept[setting, *tls.Config]),
	}
}

// Over returns a Network without what n has learnt, whose Dialers make the
// connections below TLS by this function: over a proxy, or in a test's own
// world. Names are still looked up here.
func (n *Network) Over(connect func(ctx context.Context, network, address string) (net.Conn, error)) *Network {
	o := NewNetwork()
	o.names, o.over = n.names, connect
	return o
}

// setting is what tells one TLS configuration from another. The address is
// part of it, for the sessions: those of another port are of another server,
// and one that was opened with one client's certificate is not for another.
type setting struct {
	tls        TLS
	name, addr string
}

// config returns the one configuration for these settings. The files are read
// again once they have changed.
func (n *Network) config(t TLS, name, addr string) (*tls.Config, error) {
	t.Mode = Implicit // when the handshake comes makes no difference to it
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.configs.get(setting{t, name, addr}, stampOf(t.CAFile, t.CertFile, t.KeyFile), func() (*tls.Config, error) {
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
		return newConfig(t, name, pool, pair)
	})
}
