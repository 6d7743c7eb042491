package schedule

import (
	"log/slog"
	"runtime/debug"
	"sync"
)

// Each runs every job once, as many at the same time as the limits allow, and
// returns when all have ended. One that ends Unfinished runs again. To stop early,
// run has to return at once.
func Each(jobs []Job, concurrency, perHost int, run func(name string, t Turn) End) {
	q := newQueue(jobs, concurrency, perHost)
	for _, j := range q.jobs {
		q.add(j)
	}
	q.end()
	w := workers{queue: q, log: slog.Default(), run: run}
	w.start()
	w.running.Wait()
	q.close()
	w.refereeing.Wait()
}

// workers run the queued jobs.
type workers struct {
	queue      *queue
	log        *slog.Logger
	run        func(name string, t Turn) End
	running    sync.WaitGroup
	refereeing sync.WaitGroup
}

// start starts as many workers as there are slots, or jobs if they are fewer, and
// the referee.
func (w *workers) start() {
	w.queue.replace = func() { w.running.Go(w.work) }
	for range min(w.queue.slots.limit, len(w.queue.jobs)) {
		w.running.Go(w.work)
	}
	w.refereeing.Go(w.queue.referee)
}

// wait waits until all have ended, after the queue was closed.
func (w *workers) wait() {
	w.refereeing.Wait() // first: it starts workers
	w.running.Wait()
}

// work runs jobs until there are no more, or it has lost its slot to another
// worker.
func (w *workers) work() {
	for {
		r := w.queue.take()
		if r == nil || !w.queue.done(r, w.guard(r)) {
			return
		}
	}
}

// guard recovers from a panic in a run, so that the others go on.
func (w *workers) guard(r *run) (end End) {
	defer func() {
		if p := recover(); p != nil {
			w.log.Error("panic in a poll", "account", r.job.name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	return w.run(r.job.name, r.turn())
}
