package schedule_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/cmd/internal/schedule"
)

// wallClock is a clock that can be set.
type wallClock struct{ ahead atomic.Int64 }

func (c *wallClock) now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

func (c *wallClock) set(by time.Duration) { c.ahead.Add(int64(by)) }

// TestClockIsSet: whatever happens to the clock, jobs go on as their schedules say.
// The times are those that have really passed, and the clock is looked at once a
// minute.
func TestClockIsSet(t *testing.T) {
	t.Parallel()
	const day, years = 24 * time.Hour, 365 * 24 * time.Hour
	for name, tt := range map[string]struct {
		schedule string
		at       time.Duration   // when the clock is set
		by       []time.Duration // the second time a quarter of an hour later
		want     []string
	}{
		"every, back by hours":              {"@every 10m", 5 * time.Minute, []time.Duration{-9 * time.Hour}, []string{"a@0", "a@600", "a@1200", "a@1800", "a@2400", "a@3000"}},
		"every, back before 1970":           {"@every 10m", 5 * time.Minute, []time.Duration{-40 * years}, []string{"a@0", "a@600", "a@1200", "a@1800", "a@2400", "a@3000"}},
		"every, back by a little":           {"@every 10m", 5 * time.Minute, []time.Duration{-2 * time.Minute}, []string{"a@0", "a@600", "a@1200", "a@1800", "a@2400", "a@3000"}},
		"every, forward by hours, or sleep": {"@every 10m", 5 * time.Minute, []time.Duration{8 * time.Hour}, []string{"a@0", "a@300", "a@900", "a@1500", "a@2100", "a@2700", "a@3300"}},
		"every, to 2100 and back":           {"@every 10m", 5 * time.Minute, []time.Duration{100 * years, -100 * years}, []string{"a@0", "a@300", "a@900", "a@1500", "a@2100", "a@2700", "a@3300"}},
		"daily, back past its time":         {"TZ=UTC 20 0 * * *", 30 * time.Minute, []time.Duration{-20 * time.Minute}, []string{"a@0", "a@1200", "a@2400"}},
		"daily, back by days":               {"TZ=UTC 20 0 * * *", 10 * time.Minute, []time.Duration{-9 * day}, []string{"a@0", "a@1200"}},
		"daily, to its time and back":       {"TZ=UTC 50 0 * * *", 5 * time.Minute, []time.Duration{day, -day}, []string{"a@0", "a@300", "a@3000"}},
		"leap days, to where there is none": {"TZ=UTC 50 0 29 2 *", 5 * time.Minute, []time.Duration{35_200 * day, (59 - 35_200) * day}, []string{"a@0", "a@300", "a@3000"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // the bubble's clock begins at midnight UTC, the first of January
				j, c := newJournal(), new(wallClock)
				s := start(t, t.Context(), schedule.Options{
					Jobs:  []schedule.Job{{Name: "a", Schedule: tt.schedule}},
					Run:   finishing(func(_ context.Context, name string) { j.note(name) }),
					Share: always(0),
					Clock: c.now,
				})
				time.Sleep(tt.at - time.Second)
				for _, by := range tt.by {
					c.set(by)
					time.Sleep(15 * time.Minute)
				}
				time.Sleep(59*time.Minute - time.Since(j.start)) // not to a moment at which a poll is due
				s.Stop()
				j.is(t, tt.want...)
			})
		})
	}
}

// TestCheckTheSchedule: what a health check sees. A clock that was set shows no
// fault before the next look could mend it.
func TestCheckTheSchedule(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := new(wallClock)
		s, err := schedule.New(schedule.Options{
			Jobs:  []schedule.Job{{Name: "a", Schedule: "@every 10m"}, {Name: "b", Schedule: "TZ=UTC 0 8 * * *"}},
			Run:   finishing(func(context.Context, string) {}),
			Clock: c.now,
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(); err != nil {
			t.Errorf("before the start: got %v, want no error", err)
		}
		s.Start(t.Context())
		for _, by := range []time.Duration{0, -9 * time.Hour, 9 * time.Hour, 70 * 365 * 24 * time.Hour, -100 * 365 * 24 * time.Hour} {
			c.set(by)
			for range 30 {
				if err := s.Check(); err != nil {
					t.Errorf("the clock was set by %s: %v", by, err)
				}
				time.Sleep(25 * time.Second)
			}
		}
		s.Stop() // no timekeeper looks at the clock any more
		time.Sleep(3 * time.Minute)
		if err := s.Check(); err == nil {
			t.Error("nobody looks at the clock: want an error")
		}
	})
}
