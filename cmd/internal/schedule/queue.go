package schedule

import (
	"container/heap"
	"sync"
)

// queue holds the waiting jobs. The next one taken is the one that has waited
// longest among those whose host has a free slot.
type queue struct {
	perHost int // jobs of one host that may run at once

	mu      sync.Mutex
	changed sync.Cond
	last    uint64 // number of the last job queued
	waiting int
	ready   hosts // with a free slot and a waiting job
	ending  bool  // take returns false once no job waits
	closed  bool
}

// job is an account, queued or not.
type job struct {
	name    string
	host    *host
	number  uint64 // its position in the queue
	waiting bool
	running bool
	rerun   bool // queue it again after this run
}

// host is a server with its jobs.
type host struct {
	waiting []*job
	running int
}

func newQueue(perHost int) *queue {
	q := &queue{perHost: max(perHost, 1)}
	q.changed.L = &q.mu
	return q
}

// add queues a job that is due. It reports false if the job is waiting or running.
func (q *queue) add(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.waiting || j.running || q.closed {
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
	case j.running:
		j.rerun = true
	default:
		q.enqueue(j)
	}
	return true
}

// enqueue adds a job at the end. The caller holds mu.
func (q *queue) enqueue(j *job) {
	q.last++
	j.waiting, j.number = true, q.last
	j.host.waiting = append(j.host.waiting, j)
	q.waiting++
	if len(j.host.waiting) == 1 {
		q.offer(j.host)
	}
}

// take waits for a job and marks it as running. It is not ok once the queue is
// closed, or has been ended and is empty.
func (q *queue) take() (j *job, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for !q.closed && len(q.ready) == 0 && !(q.ending && q.waiting == 0) {
		q.changed.Wait()
	}
	if q.closed || len(q.ready) == 0 {
		return nil, false
	}
	h := heap.Pop(&q.ready).(*host)
	j, h.waiting[0] = h.waiting[0], nil
	h.waiting = h.waiting[1:]
	h.running++
	j.waiting, j.running = false, true
	q.waiting--
	q.offer(h)
	if q.ending && q.waiting == 0 {
		q.changed.Broadcast()
	}
	return j, true
}

// done marks a job as no longer running.
func (q *queue) done(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.running = false
	full := j.host.running == q.perHost
	j.host.running--
	if full { // otherwise the host is ready already, or nothing waits for it
		q.offer(j.host)
	}
	if j.rerun && !q.closed {
		j.rerun = false
		q.enqueue(j)
	}
}

// offer makes a host ready if it has a waiting job and a free slot. The caller
// holds mu.
func (q *queue) offer(h *host) {
	if len(h.waiting) > 0 && h.running < q.perHost {
		heap.Push(&q.ready, h)
		q.changed.Signal()
	}
}

// end makes take return false once no job waits.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ending = true
	q.changed.Broadcast()
}

// close makes take return false at once.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// hosts is a heap, ordered by the number of the first waiting job.
type hosts []*host

func (h hosts) Len() int           { return len(h) }
func (h hosts) Less(i, j int) bool { return h[i].waiting[0].number < h[j].waiting[0].number }
func (h hosts) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *hosts) Push(x any)        { *h = append(*h, x.(*host)) }

func (h *hosts) Pop() any {
	old := *h
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return last
}
