package app

import (
	"io"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/popferry/popferry/cmd/internal/config"
)

// Trace logs what one account says to its POP3 server and its destination, and
// their answers. The zero value logs nothing.
type Trace struct {
	account string
	log     *slog.Logger
}

// NewTrace returns the trace of an account, or none if that is "". It logs at
// every level, whatever the configuration says.
func NewTrace(account string, w io.Writer, c config.Log) Trace {
	if account == "" {
		return Trace{}
	}
	return Trace{account, slog.New(newHandler(w, c.Format, slog.LevelDebug))}
}

// ofAccount returns the trace function for an account's POP3 sessions, nil if it
// is not traced.
func (t Trace) ofAccount(account string) func(sent bool, line string) {
	if t.log == nil || account != t.account {
		return nil
	}
	return wireLogger(t.log.With("account", account))
}

// covers reports whether the connections of a destination are traced: those that
// the traced account uses. Mail of other accounts may be on them, too.
func (t Trace) covers(destination string, accounts []config.Account) bool {
	return t.log != nil && slices.ContainsFunc(accounts, func(a config.Account) bool {
		return a.Name == t.account && a.Forward == destination
	})
}

// ofDestination returns a function that makes a trace function for each
// connection to a destination, nil if they are not traced.
func (t Trace) ofDestination(name string, accounts []config.Account) func() func(sent bool, line string) {
	if !t.covers(name, accounts) {
		return nil
	}
	var connections atomic.Int64
	return func() func(bool, string) {
		return wireLogger(t.log.With("forward", name, "connection", connections.Add(1)))
	}
}

// wireLogger returns a function that logs the lines of a connection.
func wireLogger(log *slog.Logger) func(sent bool, line string) {
	return func(sent bool, line string) {
		from := "server"
		if sent {
			from = "popferry"
		}
		log.Debug("wire", "from", from, "line", line)
	}
}
