package schedule

import (
	"container/heap"
	"context"
	"fmt"
	"sync"
	"time"
)

const (
	// wakeUp is how late a job can be after the machine has slept or the clock was
	// set: timers know of neither, so the timekeeper also looks at the clock at this
	// interval.
	wakeUp = time.Minute
	// stepBack is from when on a clock that lags behind the time that has passed
	// counts as set back. Less is how clocks are adjusted.
	stepBack = time.Second
)

// timetable is the plans of all jobs, and the timekeeper that goes by them.
type timetable struct {
	clock func() time.Time // the wall clock
	share func(name string, at time.Time) float64
	moved chan struct{} // a job is due earlier than the timekeeper knows

	mu    sync.Mutex
	plans plans
	last  look
}

// look is when the timekeeper last looked, by both clocks: the wall clock can be
// set, and the other one stands still while the machine sleeps.
type look struct {
	wall, monotonic time.Time
}

// keep is the timekeeper: it plans all jobs and calls due for each when its time
// has come, until ctx ends. It answers pings.
func (t *timetable) keep(ctx context.Context, pings <-chan struct{}, due func(*job)) {
	t.begin()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pings:
			continue
		case <-t.moved:
		case <-timer.C:
		}
		timer.Reset(t.turn(due))
	}
}

// begin plans all jobs. Those that are due at the start are spread.
func (t *timetable) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, _ := t.look()
	var overdue plans
	for _, p := range t.plans {
		if p.startNow(now) {
			overdue = append(overdue, p)
		} else {
			p.ran(p.began)
		}
	}
	window := min(maxStartSpread, startSpread*time.Duration(len(overdue)))
	for _, p := range overdue {
		p.waits(now.Add(part(window, t.share(p.job.name, now))))
	}
	heap.Init(&t.plans)
	for i, p := range t.plans {
		p.index = i
	}
}

// change changes the plan of one job.
func (t *timetable) change(p *plan, how func(*plan)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.last.wall.IsZero() {
		return // not started
	}
	how(p)
	heap.Fix(&t.plans, p.index)
	select {
	case t.moved <- struct{}{}:
	default: // it will look anyway
	}
}

// turn calls due for the jobs whose time has come, and returns how long the
// timekeeper may sleep.
func (t *timetable) turn(due func(*job)) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	now, back := t.look()
	if back >= stepBack {
		for _, p := range t.plans {
			p.replan(back)
		}
		heap.Init(&t.plans)
	}
	for len(t.plans) > 0 && t.plans[0].isDue(now) {
		t.advance(now, due)
	}
	if len(t.plans) == 0 || t.plans[0].next.IsZero() {
		return wakeUp
	}
	return min(wakeUp, t.plans[0].next.Sub(now))
}

// advance calls due for the first job, and plans its next time as if its run began
// now: it has to wait for its turn, and may find that another process was first.
func (t *timetable) advance(now time.Time, due func(*job)) {
	p := t.plans[0]
	due(p.job)
	p.ran(now)
	heap.Fix(&t.plans, 0)
}

// look returns what the wall clock shows, and by how much it was set back since
// the last look. A clock that was set forward is like a machine that has slept:
// what has become due meanwhile is. The caller holds mu.
func (t *timetable) look() (now time.Time, back time.Duration) {
	// Without their monotonic part times are compared by the wall clock.
	at := look{wall: t.clock().Round(0), monotonic: time.Now()}
	if !t.last.wall.IsZero() {
		back = at.monotonic.Sub(t.last.monotonic) - at.wall.Sub(t.last.wall)
	}
	t.last = at
	return at.wall, back
}

// check returns an error if the timekeeper does not look at the clock any more, or
// a job is not to be queued when its schedule wants it. The clock of the last look
// counts: the next look will show how it has changed since.
func (t *timetable) check(jobs map[string]*plan) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	last := t.last
	if last.wall.IsZero() {
		return nil // not started
	}
	if silent := time.Since(last.monotonic); silent > 2*wakeUp {
		return fmt.Errorf("the scheduler has not looked at the clock for %s", silent.Round(time.Second))
	}
	for name, p := range jobs {
		next := p.next
		switch latest := p.rule.latest(last.wall); {
		case next.IsZero() || latest.IsZero():
		case last.wall.Sub(next) > wakeUp:
			return fmt.Errorf("%s was due at %s, and the scheduler has not queued it", name, next.Format(time.DateTime))
		case next.After(latest):
			return fmt.Errorf("%s waits until %s, and its schedule says %s at the latest", name, next.Format(time.DateTime), latest.In(next.Location()).Format(time.DateTime))
		}
	}
	return nil
}
