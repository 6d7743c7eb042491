package schedule

import (
	"container/heap"
	"context"
	"time"
)

// wakeUp is how late a job can be after the machine has slept: timers stop during
// sleep, so the timekeeper also looks at the clock at this interval.
const wakeUp = time.Minute

// timetable is a heap of plans, ordered by their next time.
type timetable []*plan

// keep is the timekeeper: it plans all jobs and calls due for each when its time
// has come, until ctx ends. It answers pings.
func (t *timetable) keep(ctx context.Context, pings <-chan struct{}, due func(*job)) {
	// Without their monotonic part times are compared by the wall clock, which
	// also runs while the machine sleeps.
	now := time.Now().Round(0)
	for _, p := range *t {
		p.plan(now)
	}
	heap.Init(t)
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
		now := time.Now().Round(0)
		for len(*t) > 0 && !(*t)[0].next.After(now) {
			t.advance(now, due)
		}
		wait := wakeUp
		if len(*t) > 0 {
			wait = min(wait, (*t)[0].next.Sub(now))
		}
		timer.Reset(wait)
	}
}

// advance calls due for the first job and plans its next time.
func (t *timetable) advance(now time.Time, due func(*job)) {
	p := (*t)[0]
	due(p.job)
	if p.plan(now); p.next.IsZero() { // the schedule has ended
		heap.Pop(t)
		return
	}
	heap.Fix(t, 0)
}

func (t timetable) Len() int           { return len(t) }
func (t timetable) Less(i, j int) bool { return t[i].next.Before(t[j].next) }
func (t timetable) Swap(i, j int)      { t[i], t[j] = t[j], t[i] }
func (t *timetable) Push(x any)        { *t = append(*t, x.(*plan)) }

func (t *timetable) Pop() any {
	old := *t
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	return last
}
