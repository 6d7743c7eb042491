package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/popferry/popferry/cmd/internal/schedule"
)

// systemd reports to the service manager, if there is one (sd_notify(3)).
type systemd struct {
	log      *slog.Logger
	watchdog time.Duration // after how long without a sign of life the process is killed; 0: never
}

func newSystemd(log *slog.Logger) systemd {
	watchdog, err := sd.SdWatchdogEnabled(true)
	if err != nil {
		log.Warn("the service manager's watchdog cannot be used", "error", err)
	}
	return systemd{log, watchdog}
}

func (s systemd) ready(status string) { s.notify(sd.SdNotifyReady + "\nSTATUS=" + status) }

func (s systemd) reloading() {
	s.notify(sd.SdNotifyReloading + "\n" + sd.SdNotifyMonotonicUsec() + "STATUS=reading the configuration")
}

func (s systemd) stopping() { s.notify(sd.SdNotifyStopping + "\nSTATUS=finishing what is in flight") }

func (s systemd) alive() { s.notify(sd.SdNotifyWatchdog) }

// notifyTimeout is how long a message may take: the manager's queue may be full,
// and mail does not wait for that.
const notifyTimeout = 5 * time.Second

// notify sends a message. A failure is only logged.
func (s systemd) notify(state string) {
	sent := make(chan error, 1)
	go func() {
		_, err := sd.SdNotify(false, state)
		sent <- err
	}()
	select {
	case err := <-sent:
		if err != nil {
			s.log.Warn("the service manager could not be notified", "error", err)
		}
	case <-time.After(notifyTimeout):
		s.log.Warn("the service manager could not be notified", "error", "it does not read its socket")
	}
}

// ready reports that the program has started, or goes on after a reload.
func (d *daemon) ready() { d.systemd.ready(fmt.Sprintf("%d accounts", d.accounts())) }

// watchdog reports that the program is alive while the schedule is: twice in the
// time after which it would be killed.
func (d *daemon) watchdog(ctx context.Context) {
	interval := d.systemd.watchdog / 2
	if interval <= 0 {
		return
	}
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		if d.scheduleAnswers(ctx, interval) {
			d.systemd.alive()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// scheduleAnswers reports whether the schedule answers in time. That of a
// stopped generation need not: a reload waits for what is in flight.
func (d *daemon) scheduleAnswers(ctx context.Context, limit time.Duration) bool {
	g := d.running()
	if g == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := g.sched.Ping(ctx)
	return err == nil || errors.Is(err, schedule.ErrStopped)
}
