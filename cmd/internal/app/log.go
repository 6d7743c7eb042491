package app

import (
	"io"
	"log/slog"
	"sync"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/shortlog"
	"github.com/popferry/popferry/fetcher/printable"
)

// Log is the program's log. A configuration that is read again can change its
// level; another format takes a restart.
type Log struct {
	*slog.Logger
	level *slog.LevelVar
	quiet bool
}

// LogStyle is how a log is written.
type LogStyle struct {
	Short bool // for a user at a terminal, where the format is text
	Quiet bool // without what is only of level info
}

// NewLog returns a log that writes to w.
func NewLog(w io.Writer, c config.Log) Log { return NewStyledLog(w, c, LogStyle{}) }

// NewStyledLog returns a log that writes to w in a style.
func NewStyledLog(w io.Writer, c config.Log, style LogStyle) Log {
	l := Log{level: new(slog.LevelVar), quiet: style.Quiet}
	l.Apply(c)
	h := newHandler(w, c.Format, l.level)
	if style.Short && c.Format != "json" {
		h = shortlog.New(w, l.level)
	}
	l.Logger = slog.New(h)
	return l
}

// Apply takes over the level of a configuration. A quiet log still has what is of
// level debug, if that is asked for.
func (l Log) Apply(c config.Log) {
	level := c.Level
	if l.quiet && level == slog.LevelInfo {
		level = slog.LevelWarn
	}
	l.level.Set(level)
}

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

// Unwrap returns the writer below.
func (s *SyncWriter) Unwrap() io.Writer { return s.w }

// Write implements io.Writer.
func (s *SyncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}
