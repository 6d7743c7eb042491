package schedule_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/cmd/internal/schedule"
)

// journal records what ran when, in seconds since it was made.
type journal struct {
	mu    sync.Mutex
	start time.Time
	lines []string
}

func newJournal() *journal { return &journal{start: time.Now()} }

func (j *journal) note(text string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, fmt.Sprintf("%s@%d", text, int(time.Since(j.start).Seconds())))
}

// is compares the records.
func (j *journal) is(t *testing.T, want ...string) {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	if !slices.Equal(j.lines, want) {
		t.Errorf("got  %q\nwant %q", j.lines, want)
	}
}

// finishing is a run that always does what there was to do.
func finishing(run func(ctx context.Context, name string)) func(context.Context, string, schedule.Turn) schedule.End {
	return func(ctx context.Context, name string, _ schedule.Turn) schedule.End {
		run(ctx, name)
		return schedule.Finished
	}
}

func always(share float64) func(string, time.Time) float64 {
	return func(string, time.Time) float64 { return share }
}

// start makes a scheduler of these jobs and starts it.
func start(t *testing.T, ctx context.Context, o schedule.Options) *schedule.Scheduler {
	t.Helper()
	s, err := schedule.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s.Start(ctx)
	return s
}

func TestRunsFollowTheSchedule(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, schedule string
		rand           float64
		want           []string
	}{
		{"every", "@every 10m", 0, []string{"a@0", "a@600", "a@1200", "a@1800"}},
		{"every, spread", "@every 10m", 0.5, []string{"a@0", "a@630", "a@1260", "a@1890"}},
		{"cron", "*/20 * * * *", 0, []string{"a@0", "a@1200"}},
		{"cron, spread", "*/15 * * * *", 0.99, []string{"a@0", "a@989", "a@1889"}},
		{"cron, the gap bounds the spread", "*/5 0 * * *", 0.5, []string{"a@0", "a@315", "a@615", "a@915", "a@1215", "a@1515", "a@1815"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // the bubble's clock begins at midnight UTC
				j := newJournal()
				s := start(t, t.Context(), schedule.Options{
					Jobs:  []schedule.Job{{Name: "a", Schedule: "TZ=UTC " + tt.schedule}},
					Run:   finishing(func(_ context.Context, name string) { j.note(name) }),
					Share: always(tt.rand),
				})
				time.Sleep(32 * time.Minute)
				s.Stop()
				j.is(t, tt.want...)
			})
		})
	}
}

func TestSpreadIsBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := start(t, t.Context(), schedule.Options{
			Jobs:  []schedule.Job{{Name: "a", Schedule: "TZ=UTC 0 8 * * *"}},
			Run:   finishing(func(context.Context, string) {}),
			Share: always(0.5),
		})
		defer s.Stop()
		synctest.Wait()
		if next := s.Next("a").UTC(); next.Hour() != 8 || next.Minute() != 5 {
			t.Errorf("next at %s, want 8:05", next)
		}
	})
}

// TestNext: the next time is known from the start on, and moves with each run.
func TestNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := schedule.New(schedule.Options{
			Jobs:  []schedule.Job{{Name: "a", Schedule: "@every 10m"}},
			Run:   finishing(func(context.Context, string) {}),
			Share: always(0),
		})
		if err != nil {
			t.Fatal(err)
		}
		if next := s.Next("a"); !next.IsZero() {
			t.Errorf("next time before the start: %s, want none", next)
		}
		began := time.Now()
		s.Start(t.Context())
		defer s.Stop()
		for _, want := range []time.Duration{10 * time.Minute, 20 * time.Minute} {
			synctest.Wait()
			if got := s.Next("a").Sub(began); got != want {
				t.Errorf("next time %s after the start, want %s", got, want)
			}
			time.Sleep(11 * time.Minute)
		}
		if next := s.Next("b"); !next.IsZero() {
			t.Errorf("next time of a name that no job has: %s, want none", next)
		}
	})
}

// TestNeverTwiceAtOnce: a run lasts longer than its schedule's interval.
func TestNeverTwiceAtOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		s := start(t, t.Context(), schedule.Options{
			Jobs:        []schedule.Job{{Name: "a", Schedule: "@every 1m"}},
			Concurrency: 4,
			PerHost:     4,
			Share:       always(0),
			Run: finishing(func(context.Context, string) {
				j.note("begin")
				time.Sleep(150 * time.Second)
				j.note("end")
			}),
		})
		time.Sleep(170 * time.Second)
		s.Queue("a", "nobody")
		time.Sleep(time.Second)
		s.Stop()
		j.is(t, "begin@0", "end@150", "begin@170", "end@320")
	})
}

// TestQueueWhileRunning: a job that is requested while it runs, however near its
// end, runs once more afterwards, and only once.
func TestQueueWhileRunning(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		s := start(t, t.Context(), schedule.Options{
			Jobs:  []schedule.Job{{Name: "a", Schedule: "@every 1h"}, {Name: "b", Schedule: "@every 1h"}},
			Share: always(0),
			Run: finishing(func(_ context.Context, name string) {
				j.note(name)
				time.Sleep(10 * time.Second)
			}),
		})
		time.Sleep(5 * time.Second)
		for _, want := range []int{1, 0} { // b is waiting, and runs before a runs again
			if n := s.Queue(); n != want {
				t.Errorf("got %d queued, want %d", n, want)
			}
		}
		time.Sleep(time.Minute)
		j.is(t, "a@0", "b@10", "a@20")
		s.Queue("a")
		time.Sleep(time.Second)
		s.Queue("a")
		s.Stop() // after which nothing starts
		j.is(t, "a@0", "b@10", "a@20", "a@65")
	})
}

// TestSlowHostHoldsUpOnlyItself: jobs of one host wait only for each other, the
// oldest first.
func TestSlowHostHoldsUpOnlyItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		var jobs []schedule.Job
		for _, name := range []string{"slow1", "slow2", "slow3", "quick1", "quick2"} {
			jobs = append(jobs, schedule.Job{Name: name, Host: strings.TrimRight(name, "123")})
		}
		schedule.Each(jobs, 3, 2, func(name string, _ schedule.Turn) schedule.End {
			if strings.HasPrefix(name, "slow") {
				time.Sleep(10 * time.Second)
			} else {
				time.Sleep(time.Second)
			}
			j.note(name)
			return schedule.Finished
		})
		slices.Sort(j.lines) // what ends in the same second has no order
		j.is(t, "quick1@1", "quick2@2", "slow1@10", "slow2@10", "slow3@20")
	})
}

func TestStopWaitsForRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		s := start(t, t.Context(), schedule.Options{
			Jobs:  []schedule.Job{{Name: "a", Schedule: "@every 1m"}, {Name: "b", Schedule: "@every 1m"}},
			Share: always(0),
			Run: finishing(func(context.Context, string) {
				time.Sleep(10 * time.Second)
				j.note("end")
			}),
		})
		time.Sleep(time.Second)
		s.Stop() // one runs, the other waits for the one worker
		j.note("stopped")
		s.Queue()
		time.Sleep(time.Hour)
		j.is(t, "end@10", "stopped@10")
	})
}

func TestContextEndsRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		ctx, cancel := context.WithCancel(t.Context())
		s := start(t, ctx, schedule.Options{
			Jobs:  []schedule.Job{{Name: "a", Schedule: "@every 1m"}, {Name: "b", Schedule: "@every 1m"}},
			Share: always(0),
			Run: finishing(func(ctx context.Context, _ string) {
				<-ctx.Done()
				j.note("end")
			}),
		})
		time.Sleep(3 * time.Second)
		cancel()
		time.Sleep(time.Hour)
		s.Stop()
		j.is(t, "end@3")
	})
}

func TestPanicEndsOnlyItsRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var runs atomic.Int32
		s := start(t, t.Context(), schedule.Options{
			Jobs:  []schedule.Job{{Name: "a", Schedule: "@every 1m"}},
			Log:   slog.New(slog.NewTextHandler(&log, nil)),
			Share: always(0),
			Run: finishing(func(context.Context, string) {
				if runs.Add(1) == 1 {
					panic("out of order")
				}
			}),
		})
		time.Sleep(90 * time.Second)
		s.Stop()
		if runs.Load() != 2 || !strings.Contains(log.String(), `account=a panic="out of order"`) {
			t.Errorf("got %d runs, want 2 and the panic in the log: %s", runs.Load(), log.String())
		}
	})
}

func TestNewErrors(t *testing.T) {
	t.Parallel()
	for want, jobs := range map[string][]schedule.Job{
		`the schedule "10m" of a: expected exactly 5 fields, found 1: [10m]`: {{Name: "a", Schedule: "10m"}},
		`two jobs with the name "a"`:                                         {{Name: "a", Schedule: "@hourly"}, {Name: "a", Schedule: "@hourly"}},
	} {
		if _, err := schedule.New(schedule.Options{Jobs: jobs}); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestStopWithoutStart(t *testing.T) {
	t.Parallel()
	s, err := schedule.New(schedule.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Stop()
}

// many returns 10,000 jobs on 100 hosts.
func many() []schedule.Job {
	jobs := make([]schedule.Job, 10_000)
	for i := range jobs {
		jobs[i] = schedule.Job{Name: fmt.Sprint("account", i), Host: fmt.Sprint("host", i%100), Schedule: "@every 10m"}
	}
	return jobs
}

// gauge counts what runs at once.
type gauge struct {
	mu            sync.Mutex
	now, most     map[string]int
	runs, threads int
}

func (g *gauge) enter(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.runs++
	g.now[name]++
	g.most[name] = max(g.most[name], g.now[name])
	g.threads = max(g.threads, runtime.NumGoroutine())
}

func (g *gauge) leave(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.now[name]--
}

func TestTenThousandJobsKeepTheLimits(t *testing.T) {
	hostOf := map[string]string{}
	for _, j := range many() {
		hostOf[j.Name] = j.Host
	}
	before := runtime.NumGoroutine()
	synctest.Test(t, func(t *testing.T) {
		g := &gauge{now: map[string]int{}, most: map[string]int{}}
		s := start(t, t.Context(), schedule.Options{
			Jobs:        many(),
			Concurrency: 100,
			PerHost:     2,
			Run: finishing(func(_ context.Context, name string) {
				for _, of := range []string{"", hostOf[name], name} {
					g.enter(of)
					defer g.leave(of)
				}
				time.Sleep(time.Second)
			}),
		})
		time.Sleep(9 * time.Minute)
		s.Stop()
		if g.runs/3 != 10_000 || g.most[""] != 100 {
			t.Errorf("got %d runs, %d at once; want 10000, 100 at once", g.runs/3, g.most[""])
		}
		for name, most := range g.most {
			if strings.HasPrefix(name, "account") && most != 1 || strings.HasPrefix(name, "host") && most > 2 {
				t.Errorf("%s: %d at once, want at most 1 an account, 2 a host", name, most)
			}
		}
		// 100 workers, the timekeeper, the referee, and this one.
		if g.threads-before > 100+4 {
			t.Errorf("got %d goroutines, want at most %d", g.threads-before, 100+4)
		}
	})
}

func BenchmarkEach(b *testing.B) {
	jobs := many()
	for b.Loop() {
		schedule.Each(jobs, 16, 4, func(string, schedule.Turn) schedule.End { return schedule.Finished })
	}
}
