package schedule

import (
	"log/slog"
	"runtime/debug"
	"strings"
	"sync"
)

// Each runs every job once, as many at the same time as the limits allow, and
// returns when all have ended. To stop early, run has to return at once.
func Each(jobs []Job, concurrency, perHost int, run func(name string)) {
	q := newQueue(perHost)
	for _, j := range newJobs(jobs) {
		q.add(j)
	}
	q.end()
	var workers sync.WaitGroup
	startWorkers(&workers, q, min(concurrency, len(jobs)), slog.Default(), run)
	workers.Wait()
}

// newJobs returns the jobs; those of one host share a *host.
func newJobs(list []Job) []*job {
	byName := map[string]*host{}
	jobs := make([]*job, len(list))
	for i, j := range list {
		name := strings.ToLower(j.Host)
		if byName[name] == nil {
			byName[name] = &host{}
		}
		jobs[i] = &job{name: j.Name, host: byName[name]}
	}
	return jobs
}

// startWorkers starts n goroutines, at least one, that run the queued jobs.
func startWorkers(group *sync.WaitGroup, q *queue, n int, log *slog.Logger, run func(name string)) {
	for range max(n, 1) {
		group.Go(func() {
			for {
				j, ok := q.take()
				if !ok {
					return
				}
				guard(log, j.name, run)
				q.done(j)
			}
		})
	}
}

// guard recovers from a panic in a run, so that the others go on.
func guard(log *slog.Logger, name string, run func(string)) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic in a poll", "account", name, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	run(name)
}
