package schedule

import (
	"container/heap"
	"slices"
	"strings"
	"sync"
	"time"
)

// queue holds the waiting jobs. The next one taken is the one that has waited
// longest among those for which there is a slot, in total and at their host.
type queue struct {
	jobs    []*job
	tick    time.Duration // how often runs are looked at while jobs wait
	crowded chan struct{} // a job waits
	over    chan struct{} // closed: so is the queue
	replace func()        // starts a worker for a run that has lost its slot

	mu       sync.Mutex
	changed  sync.Cond
	slots    share
	last     uint64 // number of the last job queued
	waiting  int
	quick    lines  // with jobs for which their host has a slot
	slow     lines  // likewise, of slow jobs
	runs     []*run // in the order in which they began
	detached int    // of them, runs that hold no slot any more
	ending   bool   // take returns nil once no job waits or runs
	closed   bool
}

// job is an account, queued or not.
type job struct {
	name     string
	host     *host
	patience time.Duration // what others may take of its time
	number   uint64        // its position in the queue
	waiting  bool
	run      *run // nil: it is not running
	rerun    bool // queue it again after this run
	slow     bool // it does not yield
	cuts     uint // runs in a row that were cut
}

// host is a server with its jobs.
type host struct {
	slots  share
	quick  line
	slow   line
	parked *time.Timer // it is crowded until then; nil: it is not
}

// has reports whether a job may be started.
func (h *host) has(slow bool) bool { return h.parked == nil && h.slots.has(slow) }

// newQueue returns a queue of these jobs, none of which waits. Those of one host
// share its slots.
func newQueue(list []Job, concurrency, perHost int) *queue {
	q := &queue{
		jobs: make([]*job, len(list)), slots: share{limit: max(concurrency, 1), quick: len(list)},
		crowded: make(chan struct{}, 1), over: make(chan struct{}), tick: maxPatience / 2,
	}
	q.changed.L = &q.mu
	byName := make(map[string]*host)
	for i, j := range list {
		name := strings.ToLower(j.Host)
		h := byName[name]
		if h == nil {
			h = &host{slots: share{limit: max(perHost, 1)}}
			h.quick, h.slow = line{host: h}, line{host: h, slow: true}
			byName[name] = h
		}
		h.slots.quick++
		q.jobs[i] = &job{name: j.Name, host: h, patience: maxPatience}
	}
	return q
}

// add queues a job that is due. It reports false if the job is waiting or running.
func (q *queue) add(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.waiting || j.run != nil || q.closed {
		return false
	}
	q.enqueue(j)
	return true
}

// request queues a job on request. If the job is running, it runs once more
// afterwards, because it may have looked before there was something to see. It
// reports false if the job is waiting already.
func (q *queue) request(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case j.waiting || j.rerun || q.closed:
		return false
	case j.run != nil:
		j.rerun = true
	default:
		q.enqueue(j)
	}
	return true
}

// enqueue adds a job at the end. The caller holds mu.
func (q *queue) enqueue(j *job) {
	q.last++
	q.waiting++
	j.waiting, j.number = true, q.last
	l := &j.host.quick
	if j.slow {
		l = &j.host.slow
	}
	l.jobs = append(l.jobs, j)
	q.offer(l)
	select {
	case q.crowded <- struct{}{}:
	default: // it is known
	}
}

// take waits for a job that can run and starts its run. It returns nil once the
// queue is closed, or has been ended and is empty.
func (q *queue) take() *run {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		l := q.next()
		switch {
		case q.closed, q.ending && q.waiting == 0 && len(q.runs) == 0:
			return nil
		case l != nil:
			return q.start(l)
		}
		q.changed.Wait()
	}
}

// next returns the line whose first job is the next one to run; nil: none can run.
// The caller holds mu.
func (q *queue) next() *line {
	var first *line
	for _, ready := range []*lines{&q.quick, &q.slow} {
		for len(*ready) > 0 && !(*ready)[0].host.has((*ready)[0].slow) {
			heap.Pop(ready).(*line).ready = false // offered again when its host has a slot
		}
		if len(*ready) > 0 && q.slots.has((*ready)[0].slow) && (first == nil || (*ready)[0].before(first)) {
			first = (*ready)[0]
		}
	}
	return first
}

// start starts the run of a line's first job. The caller holds mu.
func (q *queue) start(l *line) *run {
	heap.Pop(q.among(l)).(*line).ready = false
	j := l.jobs[0]
	l.jobs[0] = nil
	l.jobs = l.jobs[1:]
	q.waiting--
	j.waiting, j.run = false, newRun(j)
	j.run.holds, j.run.slow = true, j.slow
	q.hold(j.run, 1)
	q.runs = append(q.runs, j.run)
	q.offer(l)
	return j.run
}

// done ends a run. It reports whether the run still had its slot.
func (q *queue) done(r *run, end End) (held bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j := r.job
	if held = r.holds; held {
		q.vacate(r)
	} else {
		q.detached--
	}
	q.runs = slices.DeleteFunc(q.runs, func(o *run) bool { return o == r })
	j.run = nil
	q.assess(r, end)
	if end == Crowded {
		q.park(j.host)
	}
	if (j.rerun || end == Unfinished || end == Crowded) && !q.closed {
		q.enqueue(j)
	}
	j.rerun = false
	if q.ending {
		q.changed.Broadcast()
	}
	return held
}

// park leaves a host alone for a while. The caller holds mu.
func (q *queue) park(h *host) {
	if h.parked != nil || q.closed {
		return
	}
	h.parked = time.AfterFunc(crowdedPause, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		h.parked = nil
		q.offer(&h.quick)
		q.offer(&h.slow)
		q.changed.Broadcast()
	})
}

// vacate gives the slot of a run to the jobs that wait. The caller holds mu.
func (q *queue) vacate(r *run) {
	q.hold(r, -1)
	r.holds = false
	q.offer(&r.job.host.quick)
	q.offer(&r.job.host.slow)
	q.changed.Signal()
}

// hold takes n slots for a run, or gives them back if n is negative. The caller
// holds mu.
func (q *queue) hold(r *run, n int) {
	q.slots.take(n, r.slow)
	r.job.host.slots.take(n, r.slow)
}

// reclass counts a job as slow, or as quick again. It does not wait. The caller
// holds mu.
func (q *queue) reclass(j *job, slow bool) {
	if j.slow == slow {
		return
	}
	n := -1
	if slow {
		n = 1
	}
	j.slow = slow
	q.slots.quick -= n
	j.host.slots.quick -= n
	if j.run != nil && j.run.holds {
		q.hold(j.run, -1)
		j.run.slow = slow
		q.hold(j.run, 1)
	}
	q.offer(&j.host.slow) // there may be more slots for it, or fewer
	q.changed.Broadcast()
}

// offer makes a line ready if it has a job and its host a slot for that. The
// caller holds mu.
func (q *queue) offer(l *line) {
	if !l.ready && len(l.jobs) > 0 && l.host.has(l.slow) {
		l.ready = true
		heap.Push(q.among(l), l)
		q.changed.Signal()
	}
}

func (q *queue) among(l *line) *lines {
	if l.slow {
		return &q.slow
	}
	return &q.quick
}

// end makes take return nil once no job waits or runs.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ending = true
	q.changed.Broadcast()
}

// close makes take return nil at once. It may be called again.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.over)
	}
	q.changed.Broadcast()
}
