package pop3

import (
	"bufio"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestIdle: a late reply ends the idle time just as a command does.
func TestIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go func() {
			for in := bufio.NewScanner(far); in.Scan(); {
				time.Sleep(7 * time.Second)
				_, _ = io.WriteString(far, "+OK\r\n")
			}
		}()
		c := newClient(near, Options{})
		defer c.Close()
		time.Sleep(5 * time.Second)
		if err := c.Noop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.Idle(); got != 0 {
			t.Errorf("idle for %v right after a reply, want 0", got)
		}
		time.Sleep(3 * time.Second)
		if got, want := c.Idle(), 3*time.Second; got != want {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
