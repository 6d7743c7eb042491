package daemon

import (
	"io"
	"log/slog"
	"testing"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/fetcher/ledger"
)

// fixture is a daemon without its loop, on the ledger of a configuration.
func fixture(tb testing.TB, path string, log io.Writer, level slog.Level) (*daemon, *config.Config) {
	tb.Helper()
	cfg, store := open(tb, path)
	d := newDaemon(&Stop{Context: tb.Context(), Stopping: make(chan struct{})}, Options{
		Config: cfg, Store: store, Resources: app.NewResources(), Log: app.NewLog(log, config.Log{Level: level}),
	})
	tb.Cleanup(d.http.close)
	return d, cfg
}

// open reads a configuration and opens its ledger.
func open(tb testing.TB, path string) (*config.Config, ledger.Store) {
	tb.Helper()
	cfg, err := app.Load(path)
	if err != nil {
		tb.Fatal(err)
	}
	store, err := app.OpenLedger(tb.Context(), cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	return cfg, store
}

// begin starts a configuration and returns its generation.
func (d *daemon) begin(tb testing.TB, cfg *config.Config) *generation {
	tb.Helper()
	if err := d.start(cfg); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(d.running().stop)
	return d.running()
}
