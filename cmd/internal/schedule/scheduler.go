package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Job is an account as the scheduler sees it.
type Job struct {
	Name     string // unique
	Host     string // the POP3 server
	Schedule string // as Check accepts it
	// Began is when the last run began, in whatever process; zero: there was none.
	Began time.Time
	// Look: it is to be looked at soon after the start, due or not.
	Look bool
}

// Options are what a Scheduler needs.
type Options struct {
	Jobs        []Job
	Concurrency int // runs at once that have not been cut; at least 1
	PerHost     int // of them, on one host; at least 1
	// Run polls an account, with the context given to Start. No job runs twice at
	// once. A panic is logged and ends only this run.
	Run func(ctx context.Context, name string, t Turn) End
	// Share returns the part of the greatest spread, in [0, 1), that is added for this
	// job at this time. Default: a hash of both.
	Share func(name string, at time.Time) float64
	// Clock is the clock by which jobs are due, which may be set at any time. Default:
	// time.Now.
	Clock func() time.Time
	// Log is for panics. Default: slog.Default.
	Log *slog.Logger
}

func (o Options) orDefaults() Options {
	if o.Share == nil {
		o.Share = hashed
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
		times:   timetable{clock: o.Clock, share: o.Share, moved: make(chan struct{}, 1)},
	}
	s.stopping, s.stop = context.WithCancel(context.Background())
	for i, j := range s.queue.jobs {
		if s.byName[j.name] != nil {
			return nil, fmt.Errorf("two jobs with the name %q", j.name)
		}
		rule, err := newRule(j.name, o.Jobs[i].Schedule, o.Share)
		if err != nil {
			return nil, err
		}
		s.queue.setPatience(j, patienceOf(rule.base))
		p := &plan{job: j, rule: rule, began: o.Jobs[i].Began, look: o.Jobs[i].Look}
		s.byName[j.name] = p
		s.times.plans = append(s.times.plans, p)
	}
	return s, nil
}

// Start runs within a minute what is due or to be looked at, then every job on its
// schedule. Call it once. No run starts after the end of ctx.
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

// Began tells when a job's last run began, here or in another process: the next one
// follows from that. Unknown names are ignored.
func (s *Scheduler) Began(name string, at time.Time) {
	if p := s.byName[name]; p != nil {
		s.times.change(p, func(p *plan) { p.ran(at.Round(0)) })
	}
}

// Heard is Began for news that may be old: what is known to be later counts.
func (s *Scheduler) Heard(name string, at time.Time) {
	if p := s.byName[name]; p != nil {
		s.times.change(p, func(p *plan) {
			if at = at.Round(0); at.After(p.began) {
				p.ran(at)
			}
		})
	}
}

// Again has a job run after this time, unless it is due earlier. Unknown names are
// ignored.
func (s *Scheduler) Again(name string, after time.Duration) {
	if p := s.byName[name]; p != nil {
		s.times.change(p, func(p *plan) { p.waits(s.options.Clock().Round(0).Add(after)) })
	}
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
		s.times.mu.Lock()
		defer s.times.mu.Unlock()
		return p.next
	}
	return time.Time{}
}
