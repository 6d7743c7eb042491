package app

import (
	"context"
	"net"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/ledger"
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
	sessions
	settings poolSettings
	slots    *slots                        // nil: the ledger is not shared
	secret   atomic.Pointer[config.Secret] // the newest
	dialer   atomic.Pointer[dial.Dialer]   // the newest: it asks for the proxy's newest password; nil: no server
	users    int

	factsMu sync.Mutex
	facts   string // as they were last read or written
}

// secretFunc returns the password for a login.
type secretFunc = func(context.Context) (string, error)

// dialFunc connects to the server.
type dialFunc = func(context.Context) (net.Conn, error)

// routeOf is the route that has the facts of a destination.
func routeOf(d config.Destination) ledger.RouteKey {
	return ledger.RouteKey{Destination: d.Name, Server: d.Endpoint()}
}

// keepFacts writes what was learnt of the destination, if that has changed.
func (s *sharedPool) keepFacts(ctx context.Context, store ledger.Store) error {
	s.factsMu.Lock()
	defer s.factsMu.Unlock()
	text := s.learnt()
	if text == s.facts {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), factsTimeout)
	defer cancel()
	if err := store.PutFacts(ctx, routeOf(s.settings.destination), text); err != nil {
		return err
	}
	s.facts = text
	return nil
}

// factsTimeout bounds the wait for the ledger: the facts are written again after
// the next poll.
const factsTimeout = 10 * time.Second

// acquire returns the pool of a destination, which open makes if there is none.
// The caller releases it.
func (p *Pools) acquire(settings poolSettings, password config.Secret, slots *slots, open func(secretFunc, dialFunc) sessions) *sharedPool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.open {
		if s.settings.same(settings) {
			s.secret.Store(&password)
			s.dialer.Store(settings.dialer)
			s.users++
			return s
		}
	}
	s := &sharedPool{settings: settings, slots: slots, users: 1}
	s.secret.Store(&password)
	s.dialer.Store(settings.dialer)
	s.sessions = open(
		func(ctx context.Context) (string, error) { return s.secret.Load().Get(ctx) },
		func(ctx context.Context) (net.Conn, error) { return s.dialer.Load().Dial(ctx) })
	s.facts = s.learnt()
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
	dialer      *dial.Dialer // for the contents of the certificate files; nil: no server
	traced      bool
}

func (p poolSettings) same(o poolSettings) bool {
	return p.traced == o.traced && reflect.DeepEqual(p.destination, o.destination) && (p.dialer == nil || p.dialer.SameTLS(o.dialer))
}

// settingsOf returns the part of a destination that its pool depends on. The
// passwords are not part of it: they are asked for at each login.
func settingsOf(d config.Destination) config.Destination {
	route := d.Route
	route.Proxy = route.Proxy.WithoutSecrets()
	return config.Destination{Name: d.Name, Protocol: d.Protocol, Path: d.Path, Folder: d.Folder, CreateFolder: d.CreateFolder, Helo: d.Helo, Connections: d.Connections, InFlight: d.InFlight, Server: config.Server{
		Host: d.Host, Port: d.Port, TLS: d.TLS, Username: d.Username, Token: d.Token, Auth: d.Auth, Timeout: d.Timeout, Route: route,
	}}
}
