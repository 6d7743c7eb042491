package fetcher

import (
	"testing"
	"testing/synctest"
)

// busy is a Forwarder that says how many calls are useful.
type busy struct{ Forwarder }

func (busy) Workers() int { return 3 }

// TestWorkersAreBounded by their number and by their octets; a message that is
// larger than all that is allowed goes alone.
func TestWorkersAreBounded(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		octets int64
		inside int
	}{
		"small":     {1 << 10, 3},
		"large":     {spooledOctets / 2, 2},
		"too large": {spooledOctets + 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				r := &run{a: Account{Destination: Destination{Forwarder: busy{}}}}
				w := r.newWorkers()
				entered := 0
				go func() {
					for range 5 {
						w.enter(t.Context(), tt.octets)
						entered++
					}
				}()
				synctest.Wait()
				if entered != tt.inside {
					t.Errorf("%d entered, want %d", entered, tt.inside)
				}
				for range 5 {
					w.leave(tt.octets)
					synctest.Wait()
				}
				w.wait(t.Context())
				if entered != 5 {
					t.Errorf("%d entered in the end", entered)
				}
			})
		})
	}
}
