package daemon

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/mailboxes"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/cmd/internal/setup"
	"github.com/popferry/popferry/cmd/internal/watch"
	"github.com/popferry/popferry/fetcher/ledger"
)

const (
	// watchInterval is how often the configuration's files are looked at.
	watchInterval = 2 * time.Second
	// restartInterval is after how long starting is tried again where no
	// configuration could be started: a full disk may have room by then.
	restartInterval = 15 * time.Second
	// noticeInterval is how often the daemon checks whether a notice is due.
	noticeInterval = time.Minute
	pruneInterval  = 24 * time.Hour
)

// Options are what a daemon needs.
type Options struct {
	Config    *config.Config                 // the first configuration, with its accounts selected
	Load      func() (*config.Config, error) // reads it again
	Accounts  []string                       // those that the command line named
	Store     ledger.Store
	Resources app.Resources
	Log       app.Log
	Signals   Signals
	Version   string        // of popferry
	Setup     setup.Options // what the page's set-ups have in common
}

// daemon is what outlives a configuration.
type daemon struct {
	Options
	stop     *Stop
	shared   ledger.Shared // nil: no other process has the ledger
	began    time.Time
	files    *watch.Watcher
	systemd  systemd
	view     *report.LedgerView
	http     *httpServer
	desk     *mailboxes.Desk
	selected *selection
	changed  chan struct{} // the configuration's files have been changed
	requests pollRequests
	// reloadAgain: a new configuration has to wait for a poll in another process. For
	// the loop alone.
	reloadAgain bool
	background  sync.WaitGroup // generations that are being stopped

	mu      sync.Mutex
	current *generation    // stopped while the next one is prepared; nil before the first and where none could be started
	cfg     *config.Config // of the generation that was started last
}

// Run polls on schedule until it is stopped. A new configuration takes over from the
// old one as a restart would, but the ledger stays open: polls finish what they have
// begun, and the new schedule does the rest.
func Run(stop *Stop, o Options) error {
	if stop.Begun() { // while the ledger was being opened
		return context.Cause(stop.Context)
	}
	d := newDaemon(stop, o)
	defer d.http.close()
	defer d.desk.Close()
	if err := d.startFirst(); err != nil || d.running() == nil {
		return err
	}
	d.warnOfAnother(stop.Context)
	o.Log.Info("started", "version", o.Version, "accounts", d.accounts(), "config", o.Config.Path, "state", o.Config.State)
	defer d.listenForClients(o.Config)()
	defer d.goBackground(d.watchdog)()
	defer d.goBackground(d.sendNotices)()
	defer d.goBackground(d.prune)()
	defer d.goBackground(d.beats)()
	defer d.goBackground(func(ctx context.Context) { d.files.Run(ctx, watchInterval, d.changed) })()
	return d.loop()
}

// startAgain is how long startFirst waits between two tries.
const startAgain = 2 * time.Second

// startFirst sets the first configuration to work. It waits for a database that went away
// since it was opened. Where popferry is told to stop meanwhile, none is at work.
func (d *daemon) startFirst() error {
	for tries := 0; ; tries++ {
		err := d.start(d.Options.Config)
		if d.shared == nil || !errors.Is(err, ledger.ErrUnavailable) {
			return err
		}
		if tries == 0 {
			d.Log.Error("waiting for the database", "error", err)
		}
		select {
		case <-d.stop.Stopping:
			return nil
		case <-d.stop.Context.Done():
			return context.Cause(d.stop.Context)
		case <-time.After(startAgain):
		}
	}
}

func newDaemon(stop *Stop, o Options) *daemon {
	d := &daemon{Options: o, stop: stop, began: time.Now(), systemd: newSystemd(o.Log.Logger), view: report.NewLedgerView(o.Store), changed: make(chan struct{}, 1), selected: newSelection(o.Accounts)}
	d.shared, _ = o.Store.(ledger.Shared)
	d.view.Require(o.Resources.Reach.Sick)
	d.view.Progress = o.Resources.Tracker.Progress
	d.desk = mailboxes.New(stop.Context, mailboxes.Options{
		Setup: o.Setup, Config: d.config, Ledger: o.Store, Resources: o.Resources, Poll: control{d}.Poll,
		Changed: func(setup.Result) { d.noteChange() }, Selection: d.selected,
	})
	d.files = watch.New(watch.Set{Files: o.Config.Files, Patterns: o.Config.Patterns})
	d.http = newHTTPServer(d)
	return d
}

// noteChange has the configuration read again.
func (d *daemon) noteChange() {
	select {
	case d.changed <- struct{}{}:
	default: // it is read again anyway
	}
}

// loop does what signals, timers and changed files ask for, until the end.
func (d *daemon) loop() error {
	restart := time.NewTicker(restartInterval)
	defer restart.Stop()
	d.ready()
	for {
		select {
		case <-d.stop.Stopping:
			d.Log.Info("stopping: waiting a few seconds for transactions in flight; a second signal stops at once")
			d.systemd.stopping()
			d.running().stop()
			d.background.Wait()
			d.Log.Info("stopped")
			return nil
		case <-d.stop.Context.Done():
			d.running().stop()
			d.background.Wait()
			return context.Cause(d.stop.Context)
		case <-d.Signals.PollNow:
			d.Log.Info("polling all accounts now")
			if _, _, err := d.requestPolls(); err != nil {
				d.Log.Warn("cannot poll now", "error", err)
			}
		case <-d.Signals.Reload:
			d.reload()
		case <-restart.C:
			if d.running() == nil || d.reloadAgain {
				d.reload()
			}
		case <-d.changed:
			d.Log.Info("the configuration's files have changed")
			d.reload()
		}
	}
}

// prune removes old rows from the ledger, once a day.
func (d *daemon) prune(ctx context.Context) {
	daily := time.NewTicker(pruneInterval)
	defer daily.Stop()
	for {
		select {
		case <-daily.C:
			app.Prune(ctx, d.Store, d.Log.Logger)
		case <-ctx.Done():
			return
		}
	}
}

// goBackground runs a function beside the loop until the returned function is
// called, which waits for its end.
func (d *daemon) goBackground(run func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(d.stop.Context)
	done := make(chan struct{})
	go func() {
		defer close(done)
		run(ctx)
	}()
	return func() {
		cancel()
		<-done
	}
}

// running returns the current generation; nil if there is none.
func (d *daemon) running() *generation {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.current
}

// setCurrent makes a generation the current one; nil: none could be started.
// Requests for accounts that it does not poll end.
func (d *daemon) setCurrent(g *generation) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.current = g
	if g != nil {
		d.cfg = g.app.Config()
		d.requests.retain(g.app.Polls, errNotPolled)
	}
}

// config returns the configuration that was started last; nil before the first.
func (d *daemon) config() *config.Config {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cfg
}

// accounts returns how many accounts are polled.
func (d *daemon) accounts() int {
	if g := d.running(); g != nil {
		return len(g.app.Names())
	}
	return 0
}

// sendNotices sends a notice whenever one is due.
func (d *daemon) sendNotices(ctx context.Context) {
	tick := time.NewTicker(noticeInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.stop.Stopping:
			return
		case <-tick.C:
			if g := d.running(); g != nil {
				g.app.Notify(ctx, d.Store, d.Log.Logger)
			}
		}
	}
}
