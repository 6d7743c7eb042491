package main

import (
	"io"
	"log/slog"
	"sync"

	"github.com/popferry/popferry/cmd/internal/config"
)

// tracing is whose dialogue with its POP3 server is to be shown, and where. The
// zero value shows none.
type tracing struct {
	account string
	log     *slog.Logger
}

// newTracing logs at every level: whoever asks for it wants to see it.
func newTracing(account string, w io.Writer, c config.Log) tracing {
	if account == "" {
		return tracing{}
	}
	c.Level = slog.LevelDebug
	return tracing{account, newLog(w, c)}
}

// of is the trace of an account, nil if it is not to be shown.
func (t tracing) of(account string) func(bool, string) {
	if t.log == nil || account != t.account {
		return nil
	}
	log := t.log.With("account", account)
	return func(sent bool, line string) {
		from := "server"
		if sent {
			from = "popferry"
		}
		log.Debug("wire", "from", from, "line", line)
	}
}

// lines is a writer for several loggers, none of which knows of the others.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
