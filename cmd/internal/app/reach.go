package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/dial"
	"github.com/popferry/popferry/fetcher/ledger"
)

// sickAfter is how many servers in a row this process alone could not connect to for it
// to leave all mailboxes to others.
const sickAfter = 5

// Reach is which servers this process can connect to, compared with those that share
// its ledger. Where only this one cannot, neither a server nor an account is at fault.
// It outlives configurations. The zero value is ready to use.
type Reach struct {
	mu     sync.Mutex
	alone  []string        // servers that it alone could not connect to since it last could to any
	told   map[string]bool // servers of which it has told the others
	rotate int             // of try
}

// fails notes that there was no connection with a server. It reports whether that is
// this process's own fault, until another one has seen the same.
func (r *Reach) fails(ctx context.Context, shared ledger.Sightings, server string, log *slog.Logger) (own bool) {
	confirmed, err := shared.Unreached(ctx, server)
	if err != nil {
		return true // nothing can be noted either
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.told == nil {
		r.told = make(map[string]bool)
	}
	r.told[server] = true
	before := len(r.alone)
	r.alone = slices.DeleteFunc(r.alone, func(s string) bool { return s == server })
	if !confirmed {
		r.alone = append(r.alone, server)
	}
	if before < sickAfter && len(r.alone) >= sickAfter {
		log.Error("no connection to one server after the other, and no other popferry says the same; this one polls nothing until it can connect to one: see to its network",
			"servers", strings.Join(r.alone, " "))
	}
	return !confirmed
}

// passes notes a connection with a server.
func (r *Reach) passes(ctx context.Context, shared ledger.Sightings, server string, log *slog.Logger) {
	r.mu.Lock()
	told, sick := r.told[server], len(r.alone) >= sickAfter
	delete(r.told, server)
	r.alone = nil
	r.mu.Unlock()
	if told {
		_ = shared.Reached(ctx, server) // else the others forget it by themselves
	}
	if sick {
		log.Info("connections are possible again; polling goes on", "server", server)
	}
}

// Sick returns why this process polls nothing; nil: it does.
func (r *Reach) Sick() error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.alone) < sickAfter {
		return nil
	}
	return &SickError{Servers: slices.Clone(r.alone)}
}

// SickError: this process cannot connect to servers that others can.
type SickError struct{ Servers []string }

func (e *SickError) Error() string {
	return fmt.Sprintf("no connection to %d servers in a row, and no other popferry says the same: %s", len(e.Servers), strings.Join(e.Servers, ", "))
}

// server is one that can be tried.
type server struct {
	addr string
	dial func(context.Context) (net.Conn, error)
}

// tryLimit bounds one try to connect.
const tryLimit = 20 * time.Second

// TryServers looks, if this process is sick, whether it can connect to one of the
// servers of the configuration, each time another one.
func (a *App) TryServers(ctx context.Context) {
	shared, ok := a.store.(ledger.Shared)
	if !ok || a.reach.Sick() == nil {
		return
	}
	s := a.reach.next(a.servers())
	limited, cancel := context.WithTimeout(ctx, tryLimit)
	defer cancel()
	conn, err := s.dial(limited)
	if err != nil {
		if ctx.Err() == nil {
			_ = a.reach.fails(ctx, shared, s.addr, a.log)
		}
		return
	}
	_ = conn.Close()
	a.reach.passes(ctx, shared, s.addr, a.log)
}

// next is the server to be tried next.
func (r *Reach) next(all []server) server {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rotate++
	return all[r.rotate%len(all)]
}

// servers are those of all accounts and destinations, each once.
func (a *App) servers() (list []server) {
	seen := make(map[string]bool)
	add := func(s server) {
		if !seen[s.addr] {
			seen[s.addr] = true
			list = append(list, s)
		}
	}
	for _, name := range a.Names() {
		acc := a.accounts[name]
		add(server{acc.Source.Addr, acc.Source.Dial})
		if d := a.pools[acc.Destination.Name].dialer.Load(); d != nil {
			add(server{d.Addr(), d.Dial})
		}
	}
	return list
}

// isOwn reports whether a poll failed by the fault of this process alone: it could not
// connect, and no other one has seen the same.
func (a *App) isOwn(ctx context.Context, failed error) bool {
	shared, ok := a.store.(ledger.Shared)
	unreached, is := errors.AsType[*dial.Error](failed)
	return ok && is && a.reach.fails(ctx, shared, unreached.Addr, a.log)
}

// reached notes the servers that a poll has connected to.
func (a *App) reached(ctx context.Context, name string, listed, forwarded bool) {
	shared, ok := a.store.(ledger.Shared)
	if !ok {
		return
	}
	acc := a.accounts[name]
	if listed {
		a.reach.passes(ctx, shared, acc.Source.Addr, a.log)
	}
	if d := a.pools[acc.Destination.Name].dialer.Load(); forwarded && d != nil {
		a.reach.passes(ctx, shared, d.Addr(), a.log)
	}
}
