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
	// At the start every account is due. They are spread over startSpread each,
	// at most maxStartSpread in all.
	startSpread    = 50 * time.Millisecond
	maxStartSpread = time.Minute
)

// Job is an account as the scheduler sees it.
type Job struct {
	Name     string // unique
	Host     string // the POP3 server
	Schedule string // as Check accepts it
}

// Options are what a Scheduler needs.
type Options struct {
	Jobs        []Job
	Concurrency int // runs at once that have not been cut; at least 1
	PerHost     int // of them, on one host; at least 1
	// Run polls an account, with the context given to Start. No job runs twice at
	// once. A panic is logged and ends only this run.
	Run func(ctx context.Context, name string, t Turn) End
	// Rand returns a number in [0, 1) for the spread. Default: math/rand.
	Rand func() float64
	// Clock is the wall clock, which may be set at any time. Default: time.Now.
	Clock func() time.Time
	// Log is for panics. Default: slog.Default.
	Log *slog.Logger
}

func (o Options) orDefaults() Options {
	if o.Rand == nil {
		o.Rand = rand.Float64
	}
	if o.Clock == nil {
		o.Clock = time.Now
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
	workers  workers
	byName   map[string]*plan
	times    timetable
	pings    chan struct{}
	stopping context.Context
	stop     context.CancelFunc
	keeping  sync.WaitGroup
}

// New returns a Scheduler; Start starts it. The error names the job with an
// invalid schedule or a name that is not unique.
func New(o Options) (*Scheduler, error) {
	o = o.orDefaults()
	s := &Scheduler{
		options: o,
		queue:   newQueue(o.Jobs, o.Concurrency, o.PerHost),
		byName:  make(map[string]*plan, len(o.Jobs)),
		pings:   make(chan struct{}),
		times:   timetable{clock: o.Clock},
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	start := min(maxStartSpread, startSpread*time.Duration(len(o.Jobs)))
	for i, j := range s.queue.jobs {
		if s.byName[j.name] != nil {
			return nil, fmt.Errorf("two jobs with the name %q", j.name)
		}
		base, err := parse(o.Jobs[i].Schedule)
		if err != nil {
			return nil, fmt.Errorf("the schedule %q of %s: %w", o.Jobs[i].Schedule, j.name, err)
		}
		s.queue.setPatience(j, patienceOf(base))
		p := &plan{
			job:   j,
			base:  base,
			rand:  o.Rand,
			first: part(start, o.Rand()),
		}
		s.byName[j.name] = p
		s.times.plans = append(s.times.plans, p)
	}
	return s, nil
}

// Start runs every job once within a minute, then on its schedule. Call it once.
// No run starts after the end of ctx.
func (s *Scheduler) Start(ctx context.Context) {
	s.workers.queue, s.workers.log = s.queue, s.options.Log
	s.workers.run = func(name string, t Turn) End {
		if ctx.Err() != nil {
			return NotBegun
		}
		return s.options.Run(ctx, name, t)
	}
	s.workers.start()
	s.keeping.Go(func() { s.times.keep(s.stopping, s.pings, func(j *job) { s.queue.add(j) }) })
}

// Queue runs these jobs, or all if none is named, as soon as there is a free
// slot. A job that is running runs once more afterwards. Jobs that are waiting
// already, and unknown names, are ignored. It returns how many runs it queued.
func (s *Scheduler) Queue(names ...string) int {
	jobs := s.queue.jobs
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
		if s.queue.request(j) {
			queued++
		}
	}
	return queued
}

// Ping returns nil once the timekeeper has answered and the queue could be
// locked. The error is ctx's, or ErrStopped.
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

// Check returns an error if jobs are not queued, or not to be queued, when their
// schedules want it. It is nil before Start.
func (s *Scheduler) Check() error { return s.times.check(s.byName) }

// ErrStopped: Ping was called after Stop.
var ErrStopped = errors.New("the schedule was stopped")

// Stop starts no more runs and waits for the running ones and for all
// goroutines. To end the runs as well, cancel the context given to Start. A
// Scheduler cannot be started again.
func (s *Scheduler) Stop() {
	s.queue.close()
	s.stop()
	s.keeping.Wait()
	s.workers.wait()
}

// Next returns when a job is due next: zero before Start, if there is no next
// time, and for an unknown name.
func (s *Scheduler) Next(name string) time.Time {
	if p := s.byName[name]; p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.next
	}
	return time.Time{}
}
