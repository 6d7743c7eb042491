package fetcher

import (
	"bufio"
	"context"
	"io"
	"net"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/fetcher/pop3"
)

// connection is a POP3 session that is kept alive by NOOP.
type connection struct{ *pop3.Client }

func (c connection) KeepAlive(ctx context.Context) error { return c.Noop(ctx) }

// greeted is a session whose server has greeted and not seen a login.
func greeted(t *testing.T, near net.Conn) connection {
	t.Helper()
	dial := func(context.Context) (net.Conn, error) { return near, nil }
	c, _, err := pop3.Open(t.Context(), pop3.Config{Dial: dial, Until: pop3.StepSTLS}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return connection{c}
}

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
				near, far := net.Pipe()
				go func() { _, _ = io.WriteString(far, "+OK\r\n") }()
				w := newWorkers(greeted(t, near), 0, 3)
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
					t.Errorf("%d entered in the end, want 5", entered)
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
			_, _ = io.WriteString(far, "+OK\r\n")
			for in := bufio.NewScanner(far); in.Scan(); {
				commands = append(commands, time.Since(begin))
				_, _ = io.WriteString(far, "+OK\r\n")
			}
		}()
		c := greeted(t, near)
		defer c.Close()
		w := newWorkers(c, time.Minute, 3)
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
