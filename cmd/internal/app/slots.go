package app

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// room asks whether there may be one more session with an account's POP3 server, and
// one with its destination: per_host and connections hold for all processes that share
// the ledger. It is nil where there are no others.
func (a *App) room(c config.Account) func(context.Context) (leave func(), err error) {
	shared, ok := a.store.(ledger.Shared)
	if !ok {
		return nil
	}
	kind := "pop3 " + strings.ToLower(c.Host)
	return func(ctx context.Context) (func(), error) {
		host, err := shared.Slot(ctx, kind, a.cfg.PerHost)
		if err != nil {
			return nil, err
		}
		leave, err := a.pools[c.Forward].slots.enter(ctx)
		if err != nil {
			return nil, errors.Join(err, host.Release())
		}
		return func() {
			leave()
			_ = host.Release() // it fails only with the session that has it
		}, nil
	}
}

// alone does a task that one process at a time is enough for. Where another one is at
// it, it is not done.
func alone(ctx context.Context, store ledger.Store, task string, do func()) error {
	if shared, ok := store.(ledger.Shared); ok {
		only, err := shared.Slot(ctx, "task "+task, 1)
		switch {
		case errors.Is(err, ledger.ErrLeased):
			return nil
		case err != nil:
			return err
		}
		defer func() { _ = only.Release() }() // it fails only with the session that has it
	}
	do()
	return nil
}

// slots are what this process has of the connections that all processes together may
// have with one destination. While accounts are polled it keeps at least one, so that
// what was fetched can be sent. A nil one bounds nothing.
type slots struct {
	ledger ledger.Shared
	kind   string
	most   int

	mu          sync.Mutex
	held        []ledger.Slot
	polls       int
	connections int
}

// newSlots returns those of a destination; nil where the ledger is not shared.
func newSlots(store ledger.Store, d config.Destination) *slots {
	shared, ok := store.(ledger.Shared)
	if !ok {
		return nil
	}
	return &slots{ledger: shared, kind: "forward " + d.Name + " " + d.Endpoint(), most: d.Connections}
}

// enter is for an account that is about to be polled. Where no slot is free the error
// is ledger.ErrLeased.
func (s *slots) enter(ctx context.Context) (leave func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.want(ctx, 1); err != nil {
		return nil, err
	}
	s.polls++
	return s.less(&s.polls), nil
}

// connect is for a connection that is about to be opened. Where no slot is free the
// error is forwarder.ErrCrowded.
func (s *slots) connect(ctx context.Context) (release func(), err error) {
	if s == nil {
		return func() {}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.want(ctx, s.connections+1); err != nil {
		if errors.Is(err, ledger.ErrLeased) {
			err = forwarder.ErrCrowded
		}
		return nil, err
	}
	s.connections++
	return s.less(&s.connections), nil
}

// want takes slots until there are n. Those that went with a session of the database
// do not count. The caller holds mu.
func (s *slots) want(ctx context.Context, n int) error {
	s.held = slices.DeleteFunc(s.held, func(l ledger.Slot) bool {
		select {
		case <-l.Lost():
			return l.Release() == nil // it only forgets it
		default:
			return false
		}
	})
	for len(s.held) < n {
		l, err := s.ledger.Slot(ctx, s.kind, s.most)
		if err != nil {
			return err
		}
		s.held = append(s.held, l)
	}
	return nil
}

// less returns what counts one down, once, and gives back the slots that are not
// needed any more.
func (s *slots) less(count *int) func() {
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		*count--
		for len(s.held) > max(s.connections, min(s.polls, 1)) {
			last := len(s.held) - 1
			_ = s.held[last].Release() // it fails only with the session that has it
			s.held = s.held[:last]
		}
	})
}
