package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/daemon"
	"github.com/popferry/popferry/cmd/internal/progress"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/cmd/internal/web"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
)

// runFlags are the flags of run.
type runFlags struct {
	once, now, json bool
	quiet, verbose  bool
	okIfWaiting     bool
	trace           string // an account; "": none
	metricsFile     string // "": none is written
	setup           setupFlags
}

// setupFlags are those of run --setup.
type setupFlags struct {
	on                        bool
	listen, certFile, keyFile string
	caFile                    string
}

// detail is how much run --once says on a terminal or on another kind of output,
// which cron mails.
func (f *runFlags) detail(onTerminal bool) report.Detail {
	switch {
	case f.quiet:
		return report.Failures
	case f.verbose, onTerminal:
		return report.EachPoll
	}
	return report.Events
}

// tryAgain reports whether a poll is a reason for exit code 75.
func (f *runFlags) tryAgain(r fetcher.Result) bool {
	if f.okIfWaiting {
		return r.Err != nil
	}
	return r.TryAgain()
}

func (p *program) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run [ACCOUNT...]",
		Short: "Fetch and forward mail, on schedule or once",
		Long: "Fetches new mail and forwards it, for all accounts or for those that are named.\n\n" +
			"Without --once it polls each account on its schedule until it is stopped; what was due meanwhile, is new or was\n" +
			"changed it polls at the start. It reads a changed configuration again by itself.\n" +
			"Signals: TERM and INT finish the transactions in flight and stop, a second one stops at once;\n" +
			"HUP reads the configuration again; USR1 polls all accounts now.\n\n" +
			"With --setup, where there is no configuration yet, it first serves a page on which you set up a mailbox in the\n" +
			"browser, as popferry init does at a terminal. It prints the page's address and a code for it, which works once and\n" +
			"ends after 30 minutes. From then on popferry runs, and its status page is at that address.\n\n" +
			"With --once it prints a line for each account. Where stdout is not a terminal, as under cron, it leaves out\n" +
			"accounts in which nothing happened, and logs only warnings and errors.\n\n" +
			"Exit codes with --once: 0 done, 75 something has to be tried again, 78 configuration, 64 usage, 1 anything else.\n" +
			"With --ok-if-waiting, 75 means that a poll failed: messages and accounts that only wait for their next try are 0.",
		ValidArgsFunction: p.completeAccounts(0),
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return usage(c, err)
			}
			var signals daemon.Signals
			if !f.once {
				signals = daemon.TakeSignals()
				defer signals.Close()
			}
			if f.setup.on {
				if err := p.firstSetup(c, f.setup); err != nil {
					return err
				}
			}
			cfg, err := p.load()
			if err != nil {
				return err
			}
			if err := app.Select(cfg, args); err != nil {
				return usage(c, err)
			}
			if f.trace != "" && !slices.ContainsFunc(cfg.Accounts, func(a config.Account) bool { return a.Enabled && a.Name == f.trace }) {
				return usage(c, fmt.Errorf("--trace: there is no account %q that is polled", f.trace))
			}
			return p.run(c.Context(), cfg, f, args, signals)
		},
	}
	c.Flags().BoolVar(&f.once, "once", false, "poll each account once and exit")
	c.Flags().BoolVar(&f.json, "json", false, "with --once: print the summary as JSON")
	c.Flags().BoolVar(&f.now, "now", false, "with --once: poll accounts that are backing off after a failure, too")
	c.Flags().BoolVarP(&f.quiet, "quiet", "q", false, "say only what failed or needs you")
	c.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "say everything: each account, and the whole log")
	c.Flags().BoolVar(&f.okIfWaiting, "ok-if-waiting", false, "with --once: exit with 0, not 75, if what has to be tried again only waits for its next try")
	c.Flags().StringVar(&f.metricsFile, "metrics-file", "", "with --once: write metrics to this `FILE` for node_exporter's textfile collector;\nits name has to end in .prom")
	c.Flags().StringVar(&f.trace, "trace", "", "log what this `ACCOUNT` says to its POP3 server and its destination, and their\nanswers, without passwords and mail")
	completeFlag(c, "trace", p.completeAccount)
	f.setup.define(c)
	return p.withConfig(c)
}

func (f *setupFlags) define(c *cobra.Command) {
	c.Flags().BoolVar(&f.on, "setup", false, "set up popferry in the browser first, where there is no configuration")
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:8110", "with --setup: `ADDRESS` of the page")
	c.Flags().StringVar(&f.certFile, "listen-tls-cert-file", "", "with --setup: PEM `FILE` with the page's certificate, which it needs to be used from other machines")
	c.Flags().StringVar(&f.keyFile, "listen-tls-key-file", "", "with --setup: PEM `FILE` with the certificate's key")
	c.Flags().StringVar(&f.caFile, "ca-file", "", "with --setup: PEM `FILE` with a certificate authority of your own, to verify the mail servers")
}

// firstSetup has the user set popferry up in the browser. Ctrl-C ends it.
func (p *program) firstSetup(c *cobra.Command, f setupFlags) error {
	o := p.setupOptions()
	o.Config = config.Place(p.configFlag, config.Env{})
	if _, err := os.Lstat(o.Config); !errors.Is(err, fs.ErrNotExist) {
		return usage(c, fmt.Errorf("--setup: %s is there already; without --setup, popferry run uses it. More mailboxes can be added on its status page (popferry help status-page) or with popferry init", o.Config))
	}
	o.Page = &setup.Page{CAFile: f.caFile}
	files := config.ListenTLS{CertFile: f.certFile, KeyFile: f.keyFile}
	for _, path := range []*string{&files.CertFile, &files.KeyFile} {
		if full, err := filepath.Abs(*path); err == nil && *path != "" { // the configuration is in another folder
			*path = full
		}
	}
	ctx, stop := signal.NotifyContext(c.Context(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	result, err := daemon.FirstSetup(ctx, daemon.FirstSetupOptions{
		Setup: o, Listen: f.listen, TLS: files, Resources: p.resources,
		Log: app.NewLog(app.NewSyncWriter(p.stderr), config.Log{Level: slog.LevelWarn}).Logger, Version: buildVersion(),
		Tell: func(url, code string) {
			_, _ = fmt.Fprintf(p.prose(p.stdout), "Open this page in a browser, and type in the code there:\n\n    %s\n    %s\n\nThe code works once, and ends in 30 minutes. Ctrl-C stops popferry.\n", url, code)
		},
	})
	if wrong, ok := errors.AsType[*app.UsageError](err); ok {
		return usage(c, wrong.Err)
	}
	if ctx.Err() != nil {
		return setup.ErrStopped
	}
	if err != nil {
		return err
	}
	p.configFlag = naming(result.Config)
	_, err = fmt.Fprintf(p.prose(p.stdout), "%s is set up, in %s. popferry runs now; from now on start it with popferry run\n", result.Account, result.Config)
	return err
}

// check refuses flags that need --once.
func (f *runFlags) check() error {
	switch {
	case f.quiet && f.verbose:
		return errors.New("--quiet and --verbose cannot be combined")
	case f.setup.on && f.once:
		return errors.New("--setup and --once cannot be combined; popferry init sets up, too")
	case !f.setup.on && f.setup.certFile+f.setup.keyFile+f.setup.caFile != "":
		return errors.New("--listen-tls-cert-file, --listen-tls-key-file and --ca-file need --setup")
	case (f.setup.certFile == "") != (f.setup.keyFile == ""):
		return errors.New("--listen-tls-cert-file and --listen-tls-key-file belong together")
	case f.once:
		return nil
	case f.okIfWaiting:
		return errors.New("--ok-if-waiting needs --once")
	case f.now:
		return errors.New("--now needs --once")
	case f.json:
		return errors.New("--json needs --once")
	case f.metricsFile != "":
		return errors.New("--metrics-file needs --once; without it, the address in listen serves metrics")
	}
	return nil
}

// run runs a configuration whose accounts are selected.
func (p *program) run(ctx context.Context, cfg *config.Config, f runFlags, names []string, signals daemon.Signals) error {
	log := p.setupOutput(cfg, f)
	defer p.resources.Tracker.Stop()
	p.warn(cfg.Warnings...)
	var stop *daemon.Stop // a daemon's, from the beginning: a signal comes once
	if !f.once {
		stop = daemon.WatchStop(ctx)
		defer stop.Close()
	}
	store, err := openForRun(ctx, cfg, log.Logger, stop)
	if store == nil {
		return err
	}
	p.warn(app.LedgerWarnings(ctx, store)...)
	p.warn(app.CopyWarnings(ctx, store, cfg, len(names) > 0)...)
	app.Prune(ctx, store, log.Logger)
	keepSessions := app.KeepSessions(cfg, p.resources.Network)
	if f.once {
		err = p.once(ctx, cfg, store, log, f)
	} else {
		err = daemon.Run(stop, daemon.Options{
			Config: cfg, Load: p.load, Accounts: names, Store: store,
			Resources: p.resources, Log: log, Signals: signals, Version: buildVersion(), Setup: p.setupOptions(),
		})
	}
	if kerr := keepSessions(); kerr != nil {
		log.Debug("cannot keep the TLS sessions for the next run", "error", kerr)
	}
	if cerr := store.Close(); cerr != nil && err == nil {
		err = fmt.Errorf("closing the ledger: %w", cerr)
	}
	return err
}

// openForRun opens the ledger. A daemon, which has a stop, waits for a database that is
// away; nil without an error means that it was told to stop meanwhile.
func openForRun(ctx context.Context, cfg *config.Config, log *slog.Logger, stop *daemon.Stop) (ledger.Store, error) {
	if stop == nil {
		return app.OpenLedger(ctx, cfg)
	}
	return app.AwaitLedger(stop.Context, stop.Stopping, cfg, log)
}

// setupOutput prepares the log, the wire trace and the display of progress: bars
// where a user waits at a terminal, else lines in the log. The tracker has to be
// stopped.
func (p *program) setupOutput(cfg *config.Config, f runFlags) app.Log {
	var view progress.View
	if out := terminal.File(p.stderr); out != nil && f.once && progress.CanShow(out, os.Getenv) {
		bars := progress.NewBars(out)
		p.stderr, view = terminal.NewEscaper(bars), bars
	}
	p.stderr = app.NewSyncWriter(p.stderr)
	p.resources.Trace = app.NewTrace(f.trace, p.stderr, cfg.Log)
	log := app.NewStyledLog(p.stderr, cfg.Log, app.LogStyle{
		Short: terminal.Is(p.stderr) && !f.verbose && f.trace == "",
		Quiet: f.quiet || f.once && f.detail(terminal.Is(p.stdout)) != report.EachPoll,
	})
	if view == nil {
		view = progress.Lines(log.Logger)
	}
	p.resources.Tracker = progress.Watch(view)
	return log
}

// once polls each account once. The results go to stdout, a line for each account
// in the order of the configuration, and what failed goes to stderr.
func (p *program) once(ctx context.Context, cfg *config.Config, store ledger.Store, log app.Log, f runFlags) error {
	stop := daemon.WatchStop(ctx)
	defer stop.Close()
	var metrics *web.Metrics
	if f.metricsFile != "" {
		view := report.NewLedgerView(store)
		view.Configure(cfg)
		metrics = web.NewMetrics(buildVersion(), view)
		app.Expect(metrics, cfg)
	}
	a, err := app.New(stop.Context, cfg, store, app.Options{Resources: p.resources, Log: log.Logger, Stopping: stop.Stopping, Metrics: metrics})
	if err != nil {
		return err
	}
	defer a.Close()
	results := a.PollAll(stop.Context, f.now)
	p.resources.Tracker.Stop() // nothing that follows may come between bars
	if !stop.Begun() {
		a.Notify(stop.Context, store, log.Logger)
	}
	if err := p.printPolls(results, f); err != nil {
		return err
	}
	if metrics != nil {
		if err := web.WriteTextfile(metrics, f.metricsFile); err != nil {
			return cause.Explain("metrics-file", err)
		}
	}
	if slices.ContainsFunc(results, f.tryAgain) {
		return &app.TryAgainError{}
	}
	return nil
}

// printPolls prints the results to stdout, and what to do about them to stderr.
func (p *program) printPolls(results []fetcher.Result, f runFlags) error {
	detail := f.detail(terminal.Is(p.stdout))
	for _, res := range results {
		if line := detail.Problem(res); line != "" {
			p.tell("%s", line)
		}
	}
	if f.json {
		return report.PrintPollsJSON(p.stdout, results)
	}
	return report.PrintPolls(results, detail, func(line string) error {
		_, err := fmt.Fprintln(p.prose(p.stdout), line)
		return err
	})
}
