package schedule

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestCheckSeesAWrongPlan: a job that nobody queues, or that waits for longer than
// its schedule says.
func TestCheckSeesAWrongPlan(t *testing.T) {
	t.Parallel()
	for want, wait := range map[string]time.Duration{
		"a was due at 1999-12-31 23:50:00": -10 * time.Minute,
		"a waits until 2000-01-01 09:00:00, and its schedule says 2000-01-01 00:20:00 at the latest": 9 * time.Hour,
	} {
		synctest.Test(t, func(t *testing.T) {
			s, err := New(Options{
				Jobs: []Job{{Name: "a", Schedule: "@every 10m"}},
				Run:  func(context.Context, string, Turn) End { return Finished },
			})
			if err != nil {
				t.Fatal(err)
			}
			s.Start(t.Context())
			synctest.Wait()
			s.Stop()
			s.byName["a"].next = s.times.last.wall.UTC().Add(wait)
			if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %s", err, want)
			}
		})
	}
}
