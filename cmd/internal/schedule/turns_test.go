package schedule_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/cmd/internal/schedule"
)

// poll is how a job's runs go.
type poll func(ctx context.Context, t schedule.Turn) schedule.End

// lasting is a poll that takes this long, even while others wait, unless it is cut.
func lasting(d time.Duration) poll {
	return func(ctx context.Context, t schedule.Turn) schedule.End {
		select {
		case <-t.Cut:
			return schedule.Unfinished
		case <-time.After(d):
		case <-ctx.Done():
		}
		return schedule.Finished
	}
}

// sleep sleeps for a time that nobody but the test's end cuts short.
func sleep(ctx context.Context, d time.Duration) { lasting(d)(ctx, schedule.Turn{}) }

const (
	quick   = time.Second
	stall   = time.Minute   // a server that sends nothing, until the timeout
	trickle = 6 * time.Hour // one that sends just enough
)

// large is a mailbox with messages of a second each. Between two of them it
// yields.
func large(messages int) poll {
	return func(ctx context.Context, t schedule.Turn) schedule.End {
		for ; messages > 0; messages-- {
			select {
			case <-t.Yield:
				return schedule.Unfinished
			default:
				sleep(ctx, time.Second)
			}
		}
		return schedule.Finished
	}
}

// town is jobs and what their runs came to. In its virtual clock nothing takes
// time, except the polls.
type town struct {
	t     *testing.T
	jobs  []schedule.Job
	polls map[string]poll

	mu       sync.Mutex
	start    time.Time
	ended    map[string]time.Time     // the last run
	gap      map[string]time.Duration // the longest time without the end of a run, by job
	finished map[string]time.Duration // when the first one finished
	runs     map[string]int
	open     map[string]int // sessions, by host; "" is all of them
	most     map[string]int
}

func newTown(t *testing.T) *town {
	return &town{t: t, polls: make(map[string]poll), start: time.Now(), ended: make(map[string]time.Time), gap: make(map[string]time.Duration),
		finished: make(map[string]time.Duration), runs: make(map[string]int), open: make(map[string]int), most: make(map[string]int)}
}

// add adds so many jobs on a host. They are named kind1, kind2 ...; "%d" in the
// host's name is their number.
func (w *town) add(kind string, n int, host, interval string, p func() poll) {
	for i := range n {
		name, host := fmt.Sprint(kind, i+1), host
		if strings.Contains(host, "%d") {
			host = fmt.Sprintf(host, i+1)
		}
		w.jobs = append(w.jobs, schedule.Job{Name: name, Host: host, Schedule: "@every " + interval})
		w.polls[name] = p()
	}
}

// live runs the jobs for a time.
func (w *town) live(d time.Duration, concurrency, perHost int) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	s := start(w.t, ctx, schedule.Options{Jobs: w.jobs, Concurrency: concurrency, PerHost: perHost, Share: always(0.5),
		Run: func(ctx context.Context, name string, t schedule.Turn) schedule.End { return w.run(ctx, name, t) }})
	time.Sleep(d)
	w.mu.Lock()
	for name := range w.polls {
		w.note(name) // what is late counts, too
	}
	w.mu.Unlock()
	cancel()
	s.Stop()
	for of, most := range w.most {
		if limit := map[bool]int{true: concurrency, false: perHost}[of == ""]; most > limit {
			w.t.Errorf("%d sessions at once at host %q, want at most %d", most, of, limit)
		}
	}
}

func (w *town) run(ctx context.Context, name string, t schedule.Turn) schedule.End {
	host := w.jobs[slices.IndexFunc(w.jobs, func(j schedule.Job) bool { return j.Name == name })].Host
	w.enter(host)
	result := make(chan schedule.End, 1)
	go func() { result <- w.polls[name](ctx, t) }()
	var end schedule.End
	select {
	case end = <-result:
		w.leave(host)
	case <-t.Cut:
		w.leave(host) // its session has ended, whatever else it waits for
		end = <-result
	}
	if ctx.Err() != nil {
		return schedule.Finished
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note(name)
	w.runs[name]++
	if end == schedule.Finished && w.finished[name] == 0 {
		w.finished[name] = time.Since(w.start)
	}
	return end
}

// note notes that a run has ended. The caller holds mu.
func (w *town) note(name string) {
	last := w.ended[name]
	if last.IsZero() {
		last = w.start
	}
	w.gap[name] = max(w.gap[name], time.Since(last))
	w.ended[name] = time.Now()
}

func (w *town) enter(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, of := range []string{"", host} {
		w.open[of]++
		w.most[of] = max(w.most[of], w.open[of])
	}
}

func (w *town) leave(host string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.open[""]--
	w.open[host]--
}

// longestGap is the longest time that any of these jobs had no run.
func (w *town) longestGap(kind string) (longest time.Duration) {
	for name, gap := range w.gap {
		if strings.HasPrefix(name, kind) {
			longest = max(longest, gap)
		}
	}
	return longest
}

func TestSlowJobsNeverStarveQuickOnes(t *testing.T) {
	t.Parallel()
	type kind struct {
		jobs int
		host string
		poll func() poll
	}
	lasts := func(d time.Duration) func() poll { return func() poll { return lasting(d) } }
	detached := func() poll {
		return func(ctx context.Context, _ schedule.Turn) schedule.End {
			sleep(ctx, 10*time.Minute)
			return schedule.Finished
		}
	}
	for _, test := range []struct {
		name                 string
		interval             time.Duration
		concurrency, perHost int
		quick                kind
		slow                 []kind
	}{
		{"16 trickle, one is quick", 3 * time.Second, 16, 4, kind{1, "quick", lasts(quick / 10)}, []kind{{16, "slow%d", lasts(trickle)}}},
		{"40 trickle", 10 * time.Minute, 16, 4, kind{100, "quick%d", lasts(quick)}, []kind{{40, "slow%d", lasts(trickle)}}},
		{"20 of 200 stall", 10 * time.Minute, 16, 4, kind{180, "quick%d", lasts(quick)}, []kind{{20, "slow%d", lasts(stall)}}},
		{"20 of 200 stall, short intervals", time.Minute, 16, 4, kind{180, "quick%d", lasts(quick)}, []kind{{20, "slow%d", lasts(stall)}}},
		{"all on one host, which has large ones, too", 10 * time.Minute, 16, 4, kind{100, "one", lasts(quick)},
			[]kind{{8, "one", lasts(trickle)}, {4, "one", func() poll { return large(10_000) }}}},
		{"large mailboxes", 10 * time.Minute, 4, 4, kind{100, "quick%d", lasts(quick)}, []kind{{20, "large%d", func() poll { return large(10_000) }}}},
		{"two at once", 10 * time.Minute, 2, 1, kind{50, "quick%d", lasts(quick)}, []kind{{3, "slow%d", lasts(trickle)}}},
		{"one at once", 10 * time.Minute, 1, 1, kind{50, "quick%d", lasts(quick)}, []kind{{2, "slow%d", lasts(trickle)}}},
		{"cut runs that wait for their destination", 10 * time.Minute, 16, 4, kind{100, "quick%d", lasts(quick)}, []kind{{40, "slow%d", detached}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newTown(t)
				for i, k := range test.slow {
					w.add(fmt.Sprintf("slow%c", 'A'+i), k.jobs, k.host, test.interval.String(), k.poll)
				}
				w.add("quick", test.quick.jobs, test.quick.host, test.interval.String(), test.quick.poll)
				w.live(max(20*test.interval, time.Hour), test.concurrency, test.perHost)
				got := w.longestGap("quick")
				if got >= 2*test.interval {
					t.Errorf("a quick job had no run for %s, want less than twice %s", got, test.interval)
				}
				t.Logf("longest time without a run of a quick job: %s", got)
			})
		})
	}
}

// A mailbox that takes hours comes to its end meanwhile, and sooner than one turn
// in each interval would bring it there.
func TestYieldedRunGoesOnWhenOthersHadTheirTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.add("large", 1, "one", "10m", func() poll { return large(5000) })
		w.add("quick", 200, "one", "10m", func() poll { return lasting(quick) })
		w.live(4*time.Hour, 1, 1)
		if got := w.longestGap("quick"); got >= 20*time.Minute {
			t.Errorf("a quick job had no run for %s, want less than 20m", got)
		}
		if got := w.finished["large1"]; got == 0 || got > 150*time.Minute {
			t.Errorf("the large mailbox was through after %s, want within 2h30m", got)
		}
	})
}

// Slow jobs share their slots, and turns become longer, so that each has one in
// which it is done.
func TestSlowJobsGetThroughThoughTheyAreCut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.add("slow", 30, "host%d", "10m", func() poll { return lasting(trickle) })
		w.add("message", 5, "link%d", "10m", func() poll { return lasting(17 * time.Minute) })
		w.add("quick", 50, "quick%d", "10m", func() poll { return lasting(quick) })
		w.live(24*time.Hour, 16, 4)
		for i := range 5 {
			if name := fmt.Sprint("message", i+1); w.finished[name] == 0 {
				t.Errorf("%s has not finished in a day, after %d runs", name, w.runs[name])
			}
		}
		if got := w.longestGap("quick"); got >= 20*time.Minute {
			t.Errorf("a quick job had no run for %s, want less than 20m", got)
		}
	})
}

// Where no one waits, or only for another host, a run lasts as long as it likes.
func TestNobodyIsAskedToYieldForNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.add("slow", 3, "slow", "10m", func() poll {
			return func(ctx context.Context, turn schedule.Turn) schedule.End {
				select {
				case <-ctx.Done():
				case <-time.After(45 * time.Minute):
				case <-turn.Yield:
					t.Error("asked to yield")
				}
				return schedule.Finished
			}
		})
		w.add("waiting", 3, "stalled", "10m", func() poll {
			first := true
			return func(ctx context.Context, _ schedule.Turn) schedule.End {
				if first {
					sleep(ctx, 8*time.Minute)
				}
				first = false
				return schedule.Finished
			}
		})
		w.live(time.Hour, 16, 3)
	})
}

// A job whose poll is put off, as in a back-off, is no quicker for it: if it were,
// it would have a reserved slot next time.
func TestRunThatDidNotBeginProvesNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		cuts, n := 0, 0
		w.add("slow", 8, "slow%d", "10m", func() poll {
			n++
			phase := n % 2
			return func(ctx context.Context, turn schedule.Turn) schedule.End {
				if phase++; phase%2 == 0 {
					return schedule.NotBegun
				}
				end := lasting(stall)(ctx, turn)
				if end == schedule.Unfinished && time.Since(w.start) > 30*time.Minute {
					cuts++
				}
				return end
			}
		})
		w.add("quick", 100, "quick%d", "10m", func() poll { return lasting(quick) })
		w.live(5*time.Hour, 4, 4)
		if cuts > 0 {
			t.Errorf("%d runs were cut, want none once they were known to be slow", cuts)
		}
	})
}

// Each runs a job again that has yielded.
func TestEachFinishesWhatWasUnfinished(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newTown(t)
		w.add("large", 1, "large", "10m", func() poll { return large(500) })
		w.add("slow", 2, "slow%d", "10m", func() poll { return lasting(stall) })
		w.add("quick", 100, "quick%d", "10m", func() poll { return lasting(quick) })
		for i := range w.jobs {
			w.jobs[i].Schedule = "" // it is not looked at
		}
		schedule.Each(w.jobs, 2, 1, func(name string, turn schedule.Turn) schedule.End { return w.run(t.Context(), name, turn) })
		if len(w.finished) != len(w.jobs) {
			t.Errorf("%d of %d jobs have finished", len(w.finished), len(w.jobs))
		}
		if got := w.finished["large1"]; w.runs["large1"] < 2 || got > 20*time.Minute {
			t.Errorf("the large mailbox took %d runs and %s; want several, and less than 20m", w.runs["large1"], got)
		}
	})
}
