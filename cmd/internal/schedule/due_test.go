package schedule_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/cmd/internal/schedule"
)

// TestDueByTheLastRun: what is due after a start follows from when jobs last ran, in
// whatever process. The bubble's clock begins at midnight UTC.
func TestDueByTheLastRun(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		schedule string
		ago      time.Duration // 0: it never ran
		look     bool
		want     []string
	}{
		"never ran":                       {"@every 10m", 0, false, []string{"a@0", "a@600", "a@1200"}},
		"ran a while ago":                 {"@every 10m", 4 * time.Minute, false, []string{"a@360", "a@960", "a@1560"}},
		"is overdue":                      {"@every 10m", 15 * time.Minute, false, []string{"a@0", "a@600", "a@1200"}},
		"missed many":                     {"@every 10m", 30 * 24 * time.Hour, false, []string{"a@0", "a@600", "a@1200"}},
		"is to be looked at":              {"@every 10m", 4 * time.Minute, true, []string{"a@0", "a@600", "a@1200"}},
		"a time of day, to come":          {"TZ=UTC 20 0 * * *", time.Hour, false, []string{"a@1200"}},
		"a time of day, missed once":      {"TZ=UTC 55 23 * * *", time.Hour, false, []string{"a@0"}},
		"a time of day, missed often":     {"TZ=UTC 55 23 * * *", 9 * 24 * time.Hour, false, []string{"a@0"}},
		"a time of day, not missed":       {"TZ=UTC 55 23 * * *", 4 * time.Minute, false, nil},
		"ran in the far future":           {"@every 10m", -9 * time.Hour, false, []string{"a@0", "a@600", "a@1200"}},
		"ran by a clock that is ahead":    {"@every 10m", -2 * time.Second, false, []string{"a@602", "a@1202"}},
		"has no time that is yet to come": {"TZ=UTC 0 0 1 1 *", time.Second, false, []string{"a@0"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				j := newJournal()
				job := schedule.Job{Name: "a", Schedule: tt.schedule, Look: tt.look}
				if tt.ago != 0 {
					job.Began = time.Now().Add(-tt.ago)
				}
				s := start(t, t.Context(), schedule.Options{
					Jobs: []schedule.Job{job}, Share: always(0),
					Run: finishing(func(_ context.Context, name string) { j.note(name) }),
				})
				time.Sleep(27 * time.Minute)
				s.Stop()
				j.is(t, tt.want...)
			})
		})
	}
}

// TestRanElsewhere: the next time follows from a run in another process, and what
// could not run is looked at again, unless it is due earlier or turns out to have run.
func TestRanElsewhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		s := start(t, t.Context(), schedule.Options{
			Jobs: []schedule.Job{{Name: "a", Schedule: "@every 10m"}}, Share: always(0),
			Run: finishing(func(_ context.Context, name string) { j.note(name) }),
		})
		time.Sleep(5 * time.Minute)
		s.Began("a", time.Now()) // due at 900
		s.Began("nobody", time.Now())
		s.Again("nobody", time.Second)
		time.Sleep(11 * time.Minute) // 960: it ran at 900, and is due at 1500
		s.Again("a", 30*time.Second)
		time.Sleep(time.Minute) // 1020: it ran at 990, and is due at 1590
		s.Again("a", time.Hour)
		s.Again("a", 30*time.Second)
		s.Began("a", time.Now()) // due at 1620
		time.Sleep(11 * time.Minute)
		s.Stop()
		j.is(t, "a@0", "a@900", "a@990", "a@1620")
	})
}

// TestSameForAll: two processes find the same times, and those of many accounts are
// spread evenly.
func TestSameForAll(t *testing.T) {
	t.Parallel()
	began := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	const accounts, parts = 10_000, 10
	var within [parts]int
	for i := range accounts {
		var times [2]time.Time
		for process := range times {
			rule, err := schedule.NewRule(fmt.Sprint("account", i), "@every 10m")
			if err != nil {
				t.Fatal(err)
			}
			times[process] = rule.After(began)
		}
		if times[0] != times[1] {
			t.Fatalf("account %d is due at %s for one process, at %s for another", i, times[0], times[1])
		}
		late := times[0].Sub(began.Add(10 * time.Minute))
		if late < 0 || late >= time.Minute {
			t.Fatalf("account %d is due %s after the interval, want less than a tenth of it", i, late)
		}
		within[late*parts/time.Minute]++
	}
	for i, n := range within {
		if n < accounts/parts*8/10 || n > accounts/parts*12/10 {
			t.Errorf("%d of %d accounts are due in the %d. tenth of the spread, want about %d", n, accounts, i+1, accounts/parts)
		}
	}
}

// TestNoStampede: what ran lately does not run because of a start.
func TestNoStampede(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var jobs []schedule.Job
		for i := range 10_000 {
			jobs = append(jobs, schedule.Job{Name: fmt.Sprint("account", i), Host: fmt.Sprint("host", i%100), Schedule: "@every 10m",
				Began: time.Now().Add(-time.Duration(i) * 10 * time.Minute / 10_000)})
		}
		j := newJournal()
		s := start(t, t.Context(), schedule.Options{Jobs: jobs, Concurrency: 100, PerHost: 10,
			Run: finishing(func(_ context.Context, name string) { j.note(name) })})
		time.Sleep(30 * time.Second)
		s.Stop()
		if n := len(j.lines); n > 600 {
			t.Errorf("%d of 10,000 jobs ran within 30 s of the start, want about a twentieth", n)
		}
	})
}

// TestCrowdedHost: what finds no room at its host waits on, and is asked for again by
// one job at a time. Other hosts are not held up, and no worker waits.
func TestCrowdedHost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal()
		jobs := []schedule.Job{{Name: "a", Host: "big"}, {Name: "b", Host: "big"}, {Name: "c", Host: "small"}}
		schedule.Each(jobs, 1, 4, func(name string, _ schedule.Turn) schedule.End {
			j.note(name)
			if name != "c" && time.Since(j.start) < 2500*time.Millisecond {
				return schedule.Crowded
			}
			return schedule.Finished
		})
		j.is(t, "a@0", "c@0", "b@1", "a@2", "b@3", "a@3")
	})
}
