package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/daemon"
	"github.com/popferry/popferry/cmd/internal/demo"
)

func (p *program) demoCommand() *cobra.Command {
	var serve bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "See popferry work, between servers in memory",
		Long: "Starts a POP3 server with three mailboxes and an SMTP server, both in memory, and forwards mail from\n" +
			"one to the other as popferry does with real servers. Nothing leaves this machine.",
		Args:              argsAre(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(c *cobra.Command, _ []string) error {
			w, err := demo.Start()
			if err != nil {
				return fmt.Errorf("starting the demo's servers: %w", err)
			}
			defer w.Close()
			if serve {
				return p.serveDemo(c.Context(), w)
			}
			return w.Play(c.Context(), p.resources, p.prose(p.stdout))
		},
	}
	c.Flags().BoolVar(&serve, "serve", false, "keep running, with a status page: mail keeps arriving and is polled every 5 s")
	return c
}

// newMailInterval is how often new mail arrives in demo --serve.
const newMailInterval = 7 * time.Second

// freeAddress is one of this machine on which nothing listens now.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("looking for a port for the demo's status page: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// serveDemo runs the daemon between the demo's servers until it is stopped.
func (p *program) serveDemo(ctx context.Context, w *demo.World) error {
	signals := daemon.TakeSignals()
	defer signals.Close()
	page, err := freeAddress(ctx)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(p.prose(p.stdout), "POP3 server on %s (users isp, work, club; password demo), SMTP server on %s.\nConfiguration: %s\nStatus page: http://%s/\nStop with Ctrl-C.\n\n",
		w.POP3(), w.SMTP(), w.Config, page)
	load := func() (*config.Config, error) {
		cfg, err := app.Load(w.Config)
		if err == nil {
			cfg.Log.Level, cfg.Listen = slog.LevelInfo, page
		}
		return cfg, err
	}
	cfg, err := load()
	if err != nil {
		return err
	}
	store, err := app.OpenLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for tick := time.NewTicker(newMailInterval); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				_, _ = fmt.Fprintf(p.prose(p.stdout), "new mail: %s\n", w.More())
			}
		}
	}()
	stop := daemon.WatchStop(ctx)
	defer stop.Close()
	err = daemon.Run(stop, daemon.Options{
		Config: cfg, Load: load, Store: store, Resources: p.resources,
		Log: app.NewLog(p.stderr, cfg.Log), Signals: signals, Version: buildVersion(),
	})
	cancel()
	<-done
	return err
}
