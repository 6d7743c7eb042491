package schedule

import (
	"container/heap"
	"sync"
)

// queue holds the jobs that wait. What is taken next is the job that has
// waited longest among those whose host has room.
type queue struct {
	perHost int // jobs of one host that run at once

	mu      sync.Mutex
	changed sync.Cond
	last    uint64 // number of the job that was queued last
	waiting int
	ready   hosts // that have room and a waiting job, by how long it waits
	ending  bool  // with the last waiting job
	closed  bool
}

// job is one account, in the queue or not.
type job struct {
	name    string
	host    *host
	number  uint64 // its place in the queue
	waiting bool
	running bool
	again   bool // once it has run, since it was asked for meanwhile
}

// host is a server that has several jobs.
type host struct {
	waiting []*job
	running int
}

func newQueue(perHost int) *queue {
	q := &queue{perHost: max(perHost, 1)}
	q.changed.L = &q.mu
	return q
}

// add queues a job, unless it is waiting or running, and tells whether it did.
func (q *queue) add(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if j.waiting || j.running || q.closed {
		return false
	}
	q.put(j)
	return true
}

// ask queues a job for somebody who wants what is there now. One that runs may
// be past that, so it comes once more when it has ended.
func (q *queue) ask(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case j.waiting || j.again || q.closed:
		return false
	case j.running:
		j.again = true
	default:
		q.put(j)
	}
	return true
}

// put has a job wait.
func (q *queue) put(j *job) {
	q.last++
	j.waiting, j.number = true, q.last
	j.host.waiting = append(j.host.waiting, j)
	q.waiting++
	if len(j.host.waiting) == 1 {
		q.offer(j.host)
	}
}

// take waits for a job and marks it as running. It is not ok once the queue is
// closed, or has ended.
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

// done tells that a job no longer runs.
func (q *queue) done(j *job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	j.running = false
	full := j.host.running == q.perHost
	j.host.running--
	if full { // or else it is among the ready ones, or has nothing waiting
		q.offer(j.host)
	}
	if j.again && !q.closed {
		j.again = false
		q.put(j)
	}
}

// offer lets a worker take the host's first job, if it has one and room for it.
func (q *queue) offer(h *host) {
	if len(h.waiting) > 0 && h.running < q.perHost {
		heap.Push(&q.ready, h)
		q.changed.Signal()
	}
}

// end lets take return once nothing waits any more.
func (q *queue) end() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.ending = true
	q.changed.Broadcast()
}

// close lets take return at once, whatever waits.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// hosts is a heap by the number of the first job.
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
