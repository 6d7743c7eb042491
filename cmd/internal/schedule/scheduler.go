package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// At the start every account is due. They come one after the other in
	// startSpread for each, maxStartSpread for all.
	startSpread    = 50 * time.Millisecond
	maxStartSpread = time.Minute
)

// Job is an account as the scheduler sees it.
type Job struct {
	Name     string // no two have the same
	Host     string // its POP3 server
	Schedule string // as Check takes it
}

// Options are what a Scheduler needs.
type Options struct {
	Jobs        []Job
	Concurrency int // runs at once; at least one
	PerHost     int // runs at once that share a host; at least one
	// Run polls an account. It is never called twice at once for one job, and
	// ctx is that of Start. A panic is logged and ends only the run.
	Run func(ctx context.Context, name string)
	// Rand returns a number in [0, 1) for the spread. Default: math/rand.
	Rand func() float64
	// Log is for panics. Default: slog.Default.
	Log *slog.Logger
}

func (o Options) orDefaults() Options {
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Scheduler runs jobs when they are due.
type Scheduler struct {
	options  Options
	queue    *queue
	jobs     []*job
	byName   map[string]*plan
	times    timetable // of the goroutine that keeps the time
	pings    chan struct{}
	stopping context.Context
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// New returns a Scheduler that Start sets to work. The error names the job
// whose schedule is wrong or whose name another has.
func New(o Options) (*Scheduler, error) {
	o = o.orDefaults()
	s := &Scheduler{
		options: o,
		queue:   newQueue(o.PerHost),
		jobs:    newJobs(o.Jobs),
		byName:  make(map[string]*plan, len(o.Jobs)),
		pings:   make(chan struct{}),
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	start := min(maxStartSpread, startSpread*time.Duration(len(o.Jobs)))
	for i, j := range s.jobs {
		if s.byName[j.name] != nil {
			return nil, fmt.Errorf("two jobs with the name %q", j.name)
		}
		base, err := parse(o.Jobs[i].Schedule)
		if err != nil {
			return nil, fmt.Errorf("the schedule %q of %s: %w", o.Jobs[i].Schedule, j.name, err)
		}
		p := &plan{
			job:   j,
			base:  base,
			rand:  o.Rand,
			first: part(start, o.Rand()),
		}
		s.byName[j.name] = p
		s.times = append(s.times, p)
	}
	return s, nil
}

// Start begins: every job comes once within seconds, then on its schedule. It
// is to be called once. No run begins once ctx has ended.
func (s *Scheduler) Start(ctx context.Context) {
	startWorkers(&s.running, s.queue, min(s.options.Concurrency, len(s.jobs)), s.options.Log, func(name string) {
		if ctx.Err() == nil {
			s.options.Run(ctx, name)
		}
	})
	s.running.Go(func() { s.times.keep(s.stopping, s.pings, func(j *job) { s.queue.add(j) }) })
}

// Queue has these jobs run as soon as there is room, or all of them if none is
// named: what runs already runs once more after that, for it may have looked
// before there was something to see. Those that wait already, and names that no
// job has, are left alone. It returns how many will run for this call.
func (s *Scheduler) Queue(names ...string) int {
	jobs := s.jobs
	if len(names) > 0 {
		jobs = nil
	}
	for _, name := range names {
		if p := s.byName[name]; p != nil {
			jobs = append(jobs, p.job)
		}
	}
	queued := 0
	for _, j := range jobs {
		if s.queue.ask(j) {
			queued++
		}
	}
	return queued
}

// Ping waits until the goroutine that keeps the time has answered and the queue
// could be looked into: the error is that of ctx, or that it was stopped.
func (s *Scheduler) Ping(ctx context.Context) error {
	select {
	case s.pings <- struct{}{}:
		s.queue.mu.Lock()
		defer s.queue.mu.Unlock()
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-s.stopping.Done():
		return ErrStopped
	}
}

// ErrStopped is what Ping returns after Stop.
var ErrStopped = errors.New("the schedule was stopped")

// Stop begins no more runs, waits for those that are under way, and for all
// goroutines. To end the runs too, cancel the context given to Start. Start
// cannot be called again.
func (s *Scheduler) Stop() {
	s.queue.close()
	s.stop()
	s.running.Wait()
}

// Next returns when a job is due next: zero before the start, without a next
// time, and for a name that no job has.
func (s *Scheduler) Next(name string) time.Time {
	if p := s.byName[name]; p != nil {
		return p.planned()
	}
	return time.Time{}
}
