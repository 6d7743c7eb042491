package pop3

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// drip is a server that greets, reads one command and sends octets in small
// pieces, on the clock of a synctest bubble. Then it says nothing more.
func drip(t *testing.T, o Options, octets string, piece int, pause time.Duration) *Client {
	t.Helper()
	near, far := net.Pipe()
	var done sync.WaitGroup
	done.Go(func() {
		defer far.Close()
		_, _ = io.WriteString(far, "+OK\r\n")
		_, _ = bufio.NewReader(far).ReadString('\n')
		for len(octets) > 0 {
			time.Sleep(pause)
			n := min(piece, len(octets))
			if _, err := io.WriteString(far, octets[:n]); err != nil {
				return // the client has given up
			}
			octets = octets[n:]
		}
		_, _ = io.Copy(io.Discard, far)
	})
	c := newClient(near, o)
	t.Cleanup(func() {
		_ = c.Close()
		done.Wait()
	})
	if _, err := c.greeting(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c
}

// Every wait has an end, and it is that of the limit.
func TestEveryWaitHasALimit(t *testing.T) {
	t.Parallel()
	lines := "+OK\r\n" + strings.Repeat("1 abcdefgh\r\n", 100_000)
	body := "+OK\r\n" + strings.Repeat("a line of the message\r\n", 100_000)
	noop := func(c *Client) error { return c.Noop(context.Background()) }
	retr := func(c *Client) error {
		b, err := c.Retr(context.Background(), 1)
		if err == nil {
			_, err = b.WriteTo(io.Discard)
		}
		return err
	}
	listing := func(c *Client) error { _, err := c.Listing(context.Background()); return err }
	for _, tt := range []struct {
		name   string
		o      Options
		octets string
		piece  int
		pause  time.Duration
		call   func(*Client) error
		err    error
		after  time.Duration
	}{
		{"no reply", Options{}, "", 5, 0, noop, errTimeout, time.Minute},
		{"no reply, other limit", Options{Timeout: time.Second}, "", 5, 0, noop, errTimeout, time.Second},
		{"a reply without an end", Options{}, strings.Repeat("x", 1000), 5, 30 * time.Second, noop, errTimeout, 2 * time.Minute},
		{"a listing that stalls", Options{}, lines[:2000], 100, time.Second, listing, errTimeout, 79 * time.Second},
		{"a listing at 5 octets a second", Options{}, lines, 5, time.Second, listing, errTooSlow, time.Minute},
		{"a body that stalls", Options{}, body[:2000], 100, time.Second, retr, errTimeout, 79 * time.Second},
		{"a body at 10 octets a second", Options{}, body, 10, time.Second, retr, errTooSlow, time.Minute},
		{"a body at 90 octets a second, floor 80", Options{MinRate: 80, SessionTimeout: time.Hour}, body, 90, time.Second, retr, errTimeout, time.Hour},
		{"a body at 10 octets a second, no floor", Options{MinRate: -1, SessionTimeout: time.Hour}, body, 10, time.Second, retr, errTimeout, time.Hour},
		{"an endless session", Options{}, body + body + body, 150, time.Second, retr, errTimeout, 6 * time.Hour},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := drip(t, tt.o, tt.octets, tt.piece, tt.pause)
				start := time.Now()
				err := tt.call(c)
				took := time.Since(start)
				broken(t, c, err, tt.err)
				if took < tt.after-tt.pause-2*time.Second || took > tt.after+tt.pause+2*time.Second {
					t.Errorf("took %v, want %v: %v", took, tt.after, err)
				}
			})
		})
	}
}

// TestReplyCameWhileTheMachineSlept: it lies in the socket when the machine wakes,
// long after the time for it.
func TestReplyCameWhileTheMachineSlept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := drip(t, Options{}, "+OK\r\n", 5, 0)
		machine := &sleeper{Conn: c.wire.conn, asleep: true}
		c.wire.conn = machine
		if err := c.Noop(t.Context()); err != nil {
			t.Errorf("a reply that has come: %v", err)
		}
		machine.asleep = true
		broken(t, c, c.Noop(t.Context()), errTimeout)
	})
}

// sleeper is a connection of a machine that sleeps at the next read.
type sleeper struct {
	net.Conn
	asleep bool
}

func (s *sleeper) Read(p []byte) (int, error) {
	if s.asleep {
		s.asleep = false
		time.Sleep(15 * time.Minute)
	}
	return s.Conn.Read(p)
}

// A reader of the body that is slow, say because the disk is, does not make
// the server a slow one.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := drip(t, Options{}, "+OK\r\n"+strings.Repeat("a line\r\n", 100)+".\r\n", 6, 0)
		b, err := c.Retr(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 100)
		for {
			time.Sleep(30 * time.Second)
			if _, err = b.Read(p); err != nil {
				break
			}
		}
		if err != io.EOF || b.Octets() != 800 {
			t.Errorf("%d octets, %v", b.Octets(), err)
		}
	})
}

// A server that reads nothing must not hold up the client.
func TestWriteLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := newClient(near, Options{})
		start := time.Now()
		broken(t, c, c.Noop(t.Context()), errTimeout)
		if took := time.Since(start); took != time.Minute {
			t.Errorf("took %v", took)
		}
	})
}

// A deadline of the context is as good as its cancellation.
func TestContextDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := ready(t, "C: RETR 1", "S: +OK", "R: half a mess")
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		b, err := c.Retr(ctx, 1)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(b)
		if string(got) != "half a mess" || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%q, %v; want %q, %v", got, err, "half a mess", context.DeadlineExceeded)
		}
		broken(t, c, err, context.DeadlineExceeded)
	})
}

// The read that brings the end of a body may show that it came too slowly. That
// no longer matters, least of all to the next command.
func TestSlowEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := drip(t, Options{}, "+OK\r\na line\r\n.\r\n", 6, 50*time.Second)
		b, err := c.Retr(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(b); string(got) != "a line\r\n" || err != nil {
			t.Errorf("%q, %v; want the whole message", got, err)
		}
		if c.Err() != nil || c.wire.slow != nil {
			t.Errorf("session %v, too slow: %v; want neither", c.Err(), c.wire.slow)
		}
	})
}
