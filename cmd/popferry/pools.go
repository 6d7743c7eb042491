package main

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

// pools are the sessions with destinations. One that a new configuration has
// just as the old one is the same pool for both, as long as transactions of the
// old one last: its connections and in_flight are limits for all together.
type pools struct {
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

// secret is asked for a password at each login.
type secret = func(context.Context) (string, error)

// take returns the pool of a destination; a new one is made if there is none.
// The caller leaves it in the end.
func (p *pools) take(settings poolSettings, password config.Secret, open func(secret) *smtp.Pool) *sharedPool {
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

// poolSettings are what makes another pool of a destination.
type poolSettings struct {
	destination config.Destination
	dialer      *dial.Dialer // for what is in the files with certificates
	traced      bool
}

func (p poolSettings) same(o poolSettings) bool {
	return p.traced == o.traced && p.dialer.SameTLS(o.dialer) && reflect.DeepEqual(p.destination, o.destination)
}

// settingsOf is a destination without what makes no other pool of it. A password
// does not, for it is asked at each login.
func settingsOf(d config.Destination) config.Destination {
	return config.Destination{Name: d.Name, Protocol: d.Protocol, Helo: d.Helo, Connections: d.Connections, InFlight: d.InFlight, Server: config.Server{
		Host: d.Host, Port: d.Port, TLS: d.TLS, Username: d.Username, Token: d.Token, Auth: d.Auth, Timeout: d.Timeout,
	}}
}

// leave gives a pool back; the last one to do so closes it.
func (p *pools) leave(s *sharedPool) {
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
