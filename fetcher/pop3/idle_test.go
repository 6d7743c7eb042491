package pop3

import (
	"bufio"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// TestSilence: a reply that takes its time ends it as a command does.
func TestSilence(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go func() {
			for in := bufio.NewScanner(far); in.Scan(); {
				time.Sleep(7 * time.Second)
				_, _ = io.WriteString(far, "+OK\r\n")
			}
		}()
		c := New(near, Options{})
		defer c.Close()
		time.Sleep(5 * time.Second)
		if err := c.Noop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := c.Idle(); got != 0 {
			t.Errorf("%v behind a reply", got)
		}
		time.Sleep(3 * time.Second)
		if got, want := c.Idle(), 3*time.Second; got != want {
			t.Errorf("%v, want %v", got, want)
		}
	})
}
