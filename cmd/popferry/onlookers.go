package main

import (
	"log/slog"
	"os"

	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/progress"
)

// onlookers prepares what shows the polls: the log, the trace, and progress, as
// bars where a person waits at a terminal. The board has to be stopped.
func (p *program) onlookers(cfg *config.Config, f runFlags) *slog.Logger {
	var view progress.View
	if out, ok := p.stderr.(*os.File); ok && f.once && progress.CanShow(out, os.Getenv) {
		bars := progress.NewBars(out)
		p.stderr, view = bars, bars
	}
	p.stderr = &lines{w: p.stderr}
	p.wiring.tracing = newTracing(f.trace, p.stderr, cfg.Log)
	p.logging = newLogging(p.stderr, cfg.Log)
	log := p.logging.logger()
	if view == nil {
		view = progress.Lines(log)
	}
	p.wiring.board = progress.Watch(view)
	return log
}
