package main

import (
	"io"
	"log/slog"

	"github.com/popferry/popferry/cmd/internal/config"
)

// newLog writes to w as the configuration wants it.
func newLog(w io.Writer, c config.Log) *slog.Logger {
	o := &slog.HandlerOptions{Level: c.Level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
