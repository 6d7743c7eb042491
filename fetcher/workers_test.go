package fetcher

import (
	"bufio"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/fetcher/pop3"
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
				near, _ := net.Pipe()
				r := &run{a: Account{Destination: Destination{Forwarder: busy{}}}, s: &session{Client: pop3.New(near, pop3.Options{})}}
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

// TestNOOPOnlyAfterSilence: what counts is when the last command went out, not
// how long the poll goes on.
func TestNOOPOnlyAfterSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		begin := time.Now()
		var commands []time.Duration
		go func() {
			for in := bufio.NewScanner(far); in.Scan(); {
				commands = append(commands, time.Since(begin))
				_, _ = io.WriteString(far, "+OK\r\n")
			}
		}()
		c := pop3.New(near, pop3.Options{})
		defer c.Close()
		r := &run{a: Account{Source: Source{Timeout: time.Minute}, Destination: Destination{Forwarder: busy{}}}, s: &session{Client: c}}
		w := r.newWorkers()
		w.enter(t.Context(), spooledOctets)
		full := func(length time.Duration) { // from now on, for so long
			go func() {
				time.Sleep(length)
				w.leave(spooledOctets)
			}()
			w.enter(t.Context(), spooledOctets)
		}
		time.Sleep(100 * time.Second) // a long body came
		if err := c.Noop(t.Context()); err != nil {
			t.Fatal(err)
		}
		full(11 * time.Second)
		full(20 * time.Second)
		w.leave(spooledOctets)
		w.wait(t.Context())
		want := []time.Duration{100 * time.Second, 112 * time.Second, 124 * time.Second}
		if !slices.Equal(commands, want) {
			t.Errorf("commands after %v, want %v", commands, want)
		}
	})
}
