package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/daemon"
	"github.com/popferry/popferry/cmd/internal/demo"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

func (p *program) demoCommand() *cobra.Command {
	var serve bool
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show the whole thing on servers in memory",
		Long: "Starts a POP3 server with three mailboxes and an SMTP server, both in memory, and forwards from\n" +
			"one to the other as popferry does with real ones. Nothing leaves this machine.",
		Args:              usageArgs(cobra.NoArgs),
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
			return p.playDemo(c.Context(), w)
		},
	}
	c.Flags().BoolVar(&serve, "serve", false, "keep running: mail keeps arriving and is polled every 5 s")
	return c
}

// say writes a line of the demo. That stdout is gone shows at its end.
func (p *program) say(format string, args ...any) { _, _ = fmt.Fprintf(p.stdout, format+"\n", args...) }

// playDemo polls twice and checks what came of it.
func (p *program) playDemo(ctx context.Context, w *demo.World) error {
	text, err := os.ReadFile(w.Config)
	if err != nil {
		return err
	}
	p.say("A POP3 server with three mailboxes listens on %s, an SMTP server on %s.\nThe configuration between them:\n\n%s", w.POP3(), w.SMTP(), text)
	cfg, err := app.Load(w.Config)
	if err != nil {
		return err
	}
	store, err := app.OpenLedger(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	d := &demoRun{program: p, w: w, store: store}
	if d.app, err = app.New(ctx, cfg, store, app.Options{Resources: p.resources, Log: slog.New(slog.DiscardHandler)}); err != nil {
		return err
	}
	defer d.app.Close()
	first := d.poll(ctx, "First poll. One message is refused for good, one for now.")
	second := d.poll(ctx, "Second poll. The one that had to wait is tried again; nothing else is new.")
	d.inbox()
	return d.check(ctx, first, second)
}

// demoRun is the demo at work.
type demoRun struct {
	*program
	w      *demo.World
	app    *app.App
	store  *sqlite.Store
	failed int
}

// poll polls all mailboxes and prints what run --once prints. It returns the
// results by account.
func (d *demoRun) poll(ctx context.Context, title string) map[string]fetcher.Result {
	d.say("%s", title)
	results := make(map[string]fetcher.Result)
	for _, res := range d.app.PollAll(ctx, true) {
		results[res.Account] = res
		d.say("  %s", res.Summary())
		if line := report.ProblemLine(res); line != "" {
			d.say("  %s", line)
		}
	}
	d.say("")
	return results
}

func (d *demoRun) inbox() {
	d.say("In the inbox:")
	for _, a := range d.w.Inbox() {
		d.say("  %9d octets  %-28s %s", a.Size, a.From, a.Subject)
	}
	d.say("")
}

// check looks at what popferry guarantees.
func (d *demoRun) check(ctx context.Context, first, second map[string]fetcher.Result) error {
	d.say("Checked:")
	intact, inbox := true, d.w.Inbox()
	for _, a := range inbox {
		intact = intact && a.Intact
	}
	again := second["isp"].Forwarded + second["work"].Forwarded + second["club"].Forwarded
	d.must(len(inbox) == 7, "7 of 8 messages are in the inbox, each of them once")
	d.must(intact, "every octet of them is as the mailbox has it, below popferry's two trace lines")
	d.must(first["club"].Deferred == 1 && again == 1, "the message that was told to wait came with the second poll, and nothing came twice")
	d.must(d.w.Left("isp") == 1, "mailbox isp (leave_on_server: false) has lost what was forwarded, and only that")
	d.must(d.w.Left("work") == 3 && d.w.Left("club") == 2, "mailboxes work (true) and club (14d) still have all of theirs")
	held, err := d.held(ctx)
	if err != nil {
		return err
	}
	d.must(len(held) == 1, "the refused message is held, and still on its server: %v", held)
	if d.failed > 0 {
		return fmt.Errorf("the demo failed: %d of its checks", d.failed)
	}
	d.say("\nAll is well. To set up your own mailbox: popferry init")
	return nil
}

func (d *demoRun) must(ok bool, format string, args ...any) {
	mark := "ok  "
	if !ok {
		mark = "FAIL"
		d.failed++
	}
	d.say("  "+mark+"  "+format, args...)
}

// held lists the refused messages with the reply.
func (d *demoRun) held(ctx context.Context) (out []string, err error) {
	err = d.store.Messages(ctx, ledger.Filter{State: ledger.Held}, func(_ string, r *ledger.Record) error {
		out = append(out, r.Excerpt.Subject+": "+r.Recipients[0].Text)
		return nil
	})
	return out, err
}

// serveDemo runs the daemon in the demo's world until it is stopped.
func (p *program) serveDemo(ctx context.Context, w *demo.World) error {
	signals := daemon.TakeSignals()
	defer signals.Close()
	p.say("POP3 server on %s (users isp, work, club; password demo), SMTP server on %s.\nConfiguration: %s\nStop with Ctrl-C.\n", w.POP3(), w.SMTP(), w.Config)
	load := func() (*config.Config, error) {
		cfg, err := app.Load(w.Config)
		if err == nil {
			cfg.Log.Level = slog.LevelInfo
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
		for tick := time.NewTicker(7 * time.Second); ; {
			select {
			case <-ctx.Done():
				tick.Stop()
				return
			case <-tick.C:
				p.say("new mail: %s", w.More())
			}
		}
	}()
	err = daemon.Run(ctx, daemon.Options{
		Config: cfg, Load: load, Store: store, Resources: p.resources,
		Log: app.NewLog(p.stderr, cfg.Log), Signals: signals, Version: buildVersion(),
	})
	cancel()
	<-done
	return err
}
