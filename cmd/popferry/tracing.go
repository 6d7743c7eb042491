package main

import (
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/popferry/popferry/cmd/internal/config"
)

// tracing is whose dialogue with its POP3 server and with its destination is to
// be shown, and where. The zero value shows none.
type tracing struct {
	account string
	logging *logging
}

// newTracing logs at every level: whoever asks for it wants to see it.
func newTracing(account string, w io.Writer, c config.Log) tracing {
	if account == "" {
		return tracing{}
	}
	l := &logging{w: w, all: true}
	l.use(c)
	return tracing{account, l}
}

// use has the trace written as another configuration wants it.
func (t tracing) use(c config.Log) {
	if t.logging != nil {
		t.logging.use(c)
	}
}

// of is the trace of an account, nil if it is not to be shown.
func (t tracing) of(account string) func(bool, string) {
	if t.logging == nil || account != t.account {
		return nil
	}
	return teller(t.logging.logger().With("account", account))
}

// shows tells whether the connections of a destination are to be shown: those of
// the account's. Others may have their mail on them too.
func (t tracing) shows(destination string, accounts []config.Account) bool {
	return t.logging != nil && slices.ContainsFunc(accounts, func(a config.Account) bool {
		return a.Name == t.account && a.Forward == destination
	})
}

// ofDestination is the trace of a destination's connections, nil if they are not
// to be shown.
func (t tracing) ofDestination(name string, accounts []config.Account) func() func(bool, string) {
	if !t.shows(name, accounts) {
		return nil
	}
	var connections atomic.Int64
	return func() func(bool, string) {
		return teller(t.logging.logger().With("forward", name, "connection", connections.Add(1)))
	}
}

// teller logs a dialogue.
func teller(log *slog.Logger) func(sent bool, line string) {
	return func(sent bool, line string) {
		from := "server"
		if sent {
			from = "popferry"
		}
		log.Debug("wire", "from", from, "line", line)
	}
}

// lines is a writer for several slog.Handlers, none of which knows of the others.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
