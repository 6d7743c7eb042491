package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/popferry/popferry/cmd/internal/schedule"
)

// tell tells the service manager. That it does not listen is no reason to stop.
func (d *daemon) tell(what func() error) {
	if err := what(); err != nil {
		d.log.Warn("the service manager could not be told", "error", err)
	}
}

// ready tells the service manager that the program has started, or goes on
// after a reload.
func (d *daemon) ready() {
	n := len(d.now.Load().app.accounts)
	d.tell(func() error { return d.manager.Ready(fmt.Sprintf("%d accounts", n)) })
}

// watchdog tells the service manager that the program is alive, as long as the
// schedule is: twice in the time after which it is taken for dead.
func (d *daemon) watchdog(ctx context.Context) {
	gap := d.manager.Watchdog() / 2
	if gap <= 0 {
		return
	}
	tick := time.NewTicker(gap)
	defer tick.Stop()
	for {
		if d.alive(ctx, gap) {
			d.tell(d.manager.Alive)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// alive tells whether the schedule answers in time. One that was stopped has
// its end: a reload waits for what is in flight.
func (d *daemon) alive(ctx context.Context, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	err := d.now.Load().sched.Ping(ctx)
	return err == nil || errors.Is(err, schedule.ErrStopped)
}
