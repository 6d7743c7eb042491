package app

import (
	"context"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// Pools holds the sessions with destinations. A destination that a new
// configuration defines as the old one did keeps its pool as long as
// transactions of the old one last: its connections and in_flight are limits for
// both together. The zero value is ready to use.
type Pools struct {
	mu   sync.Mutex
	open []*sharedPool
}

// sharedPool is the sessions with one destination.
type sharedPool struct {
	*smtp.Pool
	settings poolSettings
	secret   atomic.Pointer[config.Secret] // the newest
	users    int
}

// Submit implements fetcher.Forwarder.
func (s *sharedPool) Submit(m *forwarder.Message) fetcher.Delivery { return s.Pool.Submit(m) }

// secretFunc returns the password for a login.
type secretFunc = func(context.Context) (string, error)

// acquire returns the pool of a destination, which open makes if there is none.
// The caller releases it.
func (p *Pools) acquire(settings poolSettings, password config.Secret, open func(secretFunc) *smtp.Pool) *sharedPool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.open {
		if s.settings.same(settings) {
			s.secret.Store(&password)
			s.users++
			return s
		}
	}
	s := &sharedPool{settings: settings, users: 1}
	s.secret.Store(&password)
	s.Pool = open(func(ctx context.Context) (string, error) { return s.secret.Load().Get(ctx) })
	p.open = append(p.open, s)
	return s
}

// release gives a pool back. The last user closes it.
func (p *Pools) release(s *sharedPool) {
	p.mu.Lock()
	s.users--
	last := s.users == 0
	if last {
		p.open = slices.DeleteFunc(p.open, func(o *sharedPool) bool { return o == s })
	}
	p.mu.Unlock()
	if last {
		_ = s.Close() // what was accepted is accepted
	}
}

// poolSettings are what two configurations must agree on to share a pool.
type poolSettings struct {
	destination config.Destination
	dialer      *dial.Dialer // for the contents of the certificate files
	traced      bool
}

func (p poolSettings) same(o poolSettings) bool {
	return p.traced == o.traced && p.dialer.SameTLS(o.dialer) && reflect.DeepEqual(p.destination, o.destination)
}

// settingsOf returns the part of a destination that its pool depends on. The
// password is not part of it: it is asked for at each login.
func settingsOf(d config.Destination) config.Destination {
	return config.Destination{Name: d.Name, Protocol: d.Protocol, Helo: d.Helo, Connections: d.Connections, InFlight: d.InFlight, Server: config.Server{
		Host: d.Host, Port: d.Port, TLS: d.TLS, Username: d.Username, Token: d.Token, Auth: d.Auth, Timeout: d.Timeout,
	}}
}
