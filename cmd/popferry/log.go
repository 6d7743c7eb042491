package main

import (
	"context"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/popferry/popferry/cmd/internal/config"
)

// logging is how loggers write. A configuration that is read again changes it
// for all of them, those with attributes too.
type logging struct {
	w   io.Writer
	all bool // every level is written, whatever the configuration says
	now atomic.Pointer[slog.Handler]
}

// newLogging writes to w as the configuration wants it.
func newLogging(w io.Writer, c config.Log) *logging {
	l := &logging{w: w}
	l.use(c)
	return l
}

// use goes over to a configuration.
func (l *logging) use(c config.Log) {
	o := &slog.HandlerOptions{Level: c.Level}
	if l.all {
		o.Level = slog.LevelDebug
	}
	var h slog.Handler = slog.NewTextHandler(l.w, o)
	if c.Format == "json" {
		h = slog.NewJSONHandler(l.w, o)
	}
	l.now.Store(&h)
}

func (l *logging) logger() *slog.Logger { return slog.New(&handler{logging: l}) }

// handler has each record written as the configuration of the moment wants it.
type handler struct {
	logging *logging
	with    []func(slog.Handler) slog.Handler // the attributes and groups of its logger
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(ctx context.Context, level slog.Level) bool {
	return (*h.logging.now.Load()).Enabled(ctx, level)
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	now := *h.logging.now.Load()
	for _, with := range h.with {
		now = with(now)
	}
	return now.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return h.plus(func(now slog.Handler) slog.Handler { return now.WithAttrs(attrs) })
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	return h.plus(func(now slog.Handler) slog.Handler { return now.WithGroup(name) })
}

func (h *handler) plus(with func(slog.Handler) slog.Handler) slog.Handler {
	return &handler{h.logging, append(slices.Clip(h.with), with)}
}
