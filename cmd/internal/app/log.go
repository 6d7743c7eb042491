package app

import (
	"io"
	"log/slog"
	"sync"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher/printable"
)

// Log is the program's log. A configuration that is read again can change its
// level; another format takes a restart.
type Log struct {
	*slog.Logger
	level *slog.LevelVar
}

// NewLog returns a log that writes to w.
func NewLog(w io.Writer, c config.Log) Log {
	level := new(slog.LevelVar)
	level.Set(c.Level)
	return Log{slog.New(newHandler(w, c.Format, level)), level}
}

// Apply takes over the level of a configuration.
func (l Log) Apply(c config.Log) { l.level.Set(c.Level) }

func newHandler(w io.Writer, format string, level slog.Leveler) slog.Handler {
	o := &slog.HandlerOptions{Level: level}
	if format == "json" {
		return slog.NewJSONHandler(printable.JSONWriter(w), o)
	}
	return slog.NewTextHandler(w, o) // it quotes what does not print
}

// SyncWriter is a writer for several loggers at once.
type SyncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// NewSyncWriter returns a SyncWriter that writes to w.
func NewSyncWriter(w io.Writer) *SyncWriter { return &SyncWriter{w: w} }

// Write implements io.Writer.
func (s *SyncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
