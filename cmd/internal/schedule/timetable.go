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
	plans plans
	clock func() time.Time // the wall clock

	mu   sync.Mutex
	last look
}

// look is when the timekeeper last looked, by both clocks: the wall clock can be
// set, and the other one stands still while the machine sleeps.
type look struct {
	wall, monotonic time.Time
}

// keep is the timekeeper: it plans all jobs and calls due for each when its time
// has come, until ctx ends. It answers pings.
func (t *timetable) keep(ctx context.Context, pings <-chan struct{}, due func(*job)) {
	now, _ := t.look()
	for _, p := range t.plans {
		p.plan(now)
	}
	heap.Init(&t.plans)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pings:
			continue
		case <-timer.C:
		}
		timer.Reset(t.turn(due))
	}
}

// turn calls due for the jobs whose time has come, and returns how long the
// timekeeper may sleep.
func (t *timetable) turn(due func(*job)) time.Duration {
	now, back := t.look()
	if back >= stepBack {
		for _, p := range t.plans {
			p.replan(now, back)
		}
		heap.Init(&t.plans)
	}
	for len(t.plans) > 0 && t.plans[0].isDue(now) {
		t.plans.advance(now, due)
	}
	if len(t.plans) == 0 || t.plans[0].next.IsZero() {
		return wakeUp
	}
	return min(wakeUp, t.plans[0].next.Sub(now))
}

// look returns what the wall clock shows, and by how much it was set back since
// the last look. A clock that was set forward is like a machine that has slept:
// what has become due meanwhile is.
func (t *timetable) look() (now time.Time, back time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
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
// counts: what has become of it since, the next look will show.
func (t *timetable) check(jobs map[string]*plan) error {
	t.mu.Lock()
	last := t.last
	t.mu.Unlock()
	if last.wall.IsZero() {
		return nil // not started
	}
	if silent := time.Since(last.monotonic); silent > 2*wakeUp {
		return fmt.Errorf("the scheduler has not looked at the clock for %s", silent.Round(time.Second))
	}
	for name, p := range jobs {
		p.mu.Lock()
		next := p.next
		p.mu.Unlock()
		switch latest := p.latest(last.wall); {
		case next.IsZero() || latest.IsZero():
		case last.wall.Sub(next) > wakeUp:
			return fmt.Errorf("%s was due at %s, and the scheduler has not queued it", name, next.Format(time.DateTime))
		case next.After(latest):
			return fmt.Errorf("%s waits until %s, and its schedule says %s at the latest", name, next.Format(time.DateTime), latest.In(next.Location()).Format(time.DateTime))
		}
	}
	return nil
}

// plans is a heap, ordered by their next time; those without one are last.
type plans []*plan

// advance calls due for the first job and plans its next time.
func (t *plans) advance(now time.Time, due func(*job)) {
	due((*t)[0].job)
	(*t)[0].plan(now)
	heap.Fix(t, 0)
}

func (t plans) Len() int { return len(t) }

func (t plans) Less(i, j int) bool {
	if t[i].next.IsZero() || t[j].next.IsZero() {
		return !t[i].next.IsZero()
	}
	return t[i].next.Before(t[j].next)
}

func (t plans) Swap(i, j int) { t[i], t[j] = t[j], t[i] }
func (t *plans) Push(x any)   { *t = append(*t, x.(*plan)) }

func (t *plans) Pop() any {
	old := *t
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	return last
}
