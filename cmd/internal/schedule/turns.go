package schedule

import (
	"slices"
	"time"

	"github.com/robfig/cron/v3"
)

// While jobs wait, runs are bounded in time. A run that has lasted for the
// patience of those that wait is asked to yield. One that has not ended after as
// long again does not yield: its server sends nothing, or little, or its
// destination is slow. From then on its job is slow, until a run of it has ended
// in time. It keeps its slot, unless slow jobs have more slots than they may: then
// it is cut, and waits until there is a slot for slow jobs. There they take longer
// turns, and the longer the more often they were cut, so that each gets its
// messages through at last.
const (
	// maxPatience is how long a run may last, at least, before others count.
	maxPatience = 10 * time.Second
	minPatience = 250 * time.Millisecond
	// patiencePart is which part of its interval a job waits with patience: it
	// may have to wait three times as long.
	patiencePart = 8
	// slowTurn is how long a slow job's run may last while others wait.
	slowTurn = 3 * time.Minute
	// maxDoublings bounds how often that is doubled: about six hours.
	maxDoublings = 7
	// maxDetached is how many runs for each slot may go on without one, because
	// they were cut and their destination has yet to answer.
	maxDetached = 4
)

// Turn is the time that a run has while other jobs wait.
type Turn struct {
	// Yield is closed when others have waited long enough: the run should come to
	// an end soon.
	Yield <-chan struct{}
	// Cut is closed when it did not: it has to give up what the slot stands for,
	// the session with the host, at once.
	Cut <-chan struct{}
}

// End is how a run ended.
type End uint8

const (
	// Finished: it did what there was to do, or failed.
	Finished End = iota
	// Unfinished: it yielded or was cut, and goes on at its job's next turn, which
	// comes after those of the jobs that wait.
	Unfinished
	// NotBegun: there was nothing to do yet. It does not count as a quick run.
	NotBegun
	// Crowded: as many sessions with the host as there may be are other processes'. The
	// job waits on, with all others of that host, until it is asked for again.
	Crowded
)

// crowdedPause is how long a host is left alone that was crowded: other processes have
// polls of seconds there.
const crowdedPause = time.Second

// run is a job that is running.
type run struct {
	job        *job
	began      time.Time
	holds      bool // a slot
	slow       bool // it counts as slow among those that hold slots
	asked      time.Time
	wasCut     time.Time
	unyielding bool // it did not end in time after it was asked
	yield, cut chan struct{}
}

func newRun(j *job) *run {
	return &run{job: j, began: time.Now(), yield: make(chan struct{}), cut: make(chan struct{})}
}

func (r *run) turn() Turn { return Turn{Yield: r.yield, Cut: r.cut} }

// patienceOf is a part of a schedule's interval, so that a job can keep to that.
func patienceOf(s cron.Schedule) time.Duration {
	first := s.Next(time.Now())
	second := s.Next(first)
	if first.IsZero() || second.IsZero() {
		return maxPatience
	}
	return max(minPatience, min(maxPatience, second.Sub(first)/patiencePart))
}

// setPatience says how patient a job is.
func (q *queue) setPatience(j *job, patience time.Duration) {
	j.patience, q.tick = patience, min(q.tick, patience/2)
}

// referee presses runs while jobs wait, until the queue is closed.
func (q *queue) referee() {
	timer := time.NewTimer(q.tick)
	defer timer.Stop()
	for {
		select {
		case <-q.crowded:
		case <-q.over:
			return
		}
		for waiting := true; waiting; {
			timer.Reset(q.tick)
			select {
			case <-timer.C:
			case <-q.over:
				return
			}
			waiting = q.press(time.Now())
		}
	}
}

// press takes the next step against runs whose slots others wait for. It reports
// whether jobs wait.
func (q *queue) press(now time.Time) (waiting bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	patience := maxPatience
	for _, j := range q.jobs {
		if j.waiting {
			patience = min(patience, j.patience)
		}
	}
	for _, r := range q.runs {
		if q.isWaitedFor(r) {
			q.ask(r, patience, now)
		}
	}
	for _, r := range slices.Backward(slices.Clone(q.runs)) { // the last ones have the least to lose
		if q.isWaitedFor(r) {
			q.cut(r, patience, now)
		}
	}
	return q.waiting > 0
}

// isWaitedFor reports whether a job could run if this run gave its slot up. The
// caller holds mu.
func (q *queue) isWaitedFor(r *run) bool {
	if !r.holds || q.next() != nil { // a worker is about to take that
		return false
	}
	q.hold(r, -1)
	defer q.hold(r, 1)
	h := r.job.host
	for _, l := range []*line{&h.quick, &h.slow} {
		if len(l.jobs) > 0 && h.slots.has(l.slow) && q.slots.has(l.slow) {
			return true
		}
	}
	return q.next() != nil
}

// ask asks a run to yield when its time has come, and counts its job as slow if
// it does not. The caller holds mu.
func (q *queue) ask(r *run, patience time.Duration, now time.Time) {
	lasted := now.Sub(r.began)
	switch {
	case r.asked.IsZero():
		if lasted >= patience && (!r.slow || q.overfull(r) || lasted >= q.slowTurn(r.job)) {
			close(r.yield)
			r.asked = now
		}
	case !r.unyielding && now.Sub(r.asked) >= patience:
		r.unyielding = true
		q.reclass(r.job, true)
	}
}

// cut cuts a run that did not yield, if it may not go on as a slow one, and takes
// its slot if it does not end. The caller holds mu.
func (q *queue) cut(r *run, patience time.Duration, now time.Time) {
	switch {
	case !r.unyielding:
	case r.wasCut.IsZero():
		if q.overfull(r) || now.Sub(r.began) >= q.slowTurn(r.job) {
			close(r.cut)
			r.wasCut = now
			q.hold(r, -1)
			r.slow = false // it counts as one that ends
			q.hold(r, 1)
		}
	case now.Sub(r.wasCut) >= patience && q.detached < maxDetached*q.slots.limit:
		// It has no session with the host any more, and waits for something else.
		q.vacate(r)
		q.detached++
		q.replace()
	}
}

// overfull reports whether slow jobs have slots that are reserved for quick ones,
// and this run is one of theirs. The caller holds mu.
func (q *queue) overfull(r *run) bool {
	return r.slow && (q.slots.overfull() || r.job.host.slots.overfull())
}

// slowTurn is how long a run of this job may last once it is slow. Where there is
// only one slot it is not doubled: others wait for it.
func (q *queue) slowTurn(j *job) time.Duration {
	if min(q.slots.limit, j.host.slots.limit) == 1 {
		return slowTurn
	}
	return slowTurn << min(j.cuts, maxDoublings)
}

// assess decides after a run whether its job is slow. The caller holds mu.
func (q *queue) assess(r *run, end End) {
	j := r.job
	switch {
	case end == NotBegun, end == Crowded:
	case end == Unfinished && !r.wasCut.IsZero():
		j.cuts++
	case end == Unfinished:
		j.cuts = 0
		q.reclass(j, r.unyielding)
	default:
		j.cuts = 0
		q.reclass(j, r.unyielding || time.Since(r.began) > 2*j.patience)
	}
}
