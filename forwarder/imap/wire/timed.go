package wire

import (
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// writeSize is what is gathered before it is written: two TLS records.
	writeSize = 32 << 10
	// chunkSize bounds what one deadline has to cover: with 5 min it leaves time
	// even on a line of 10 kbit/s.
	chunkSize = 256 << 10
)

// lastLook is the part of a read's time that is left for one more look, and how
// long that lasts at least if the time is over: after a machine has slept or
// stood still, an answer that came in time may lie there unread, and a message
// whose answer is not read is in doubt.
const lastLook = time.Second

// timedReader reads from a connection until a time that can be moved while it
// waits. It never gives up without having looked: a read whose deadline has passed
// fails whatever has come.
type timedReader struct {
	conn net.Conn

	mu     sync.Mutex
	end    time.Time     // of the time for all reads; zero: none
	look   time.Duration // see lastLook
	looked bool
}

// limit sets the time for all reads until the next call. 0: no limit.
func (t *timedReader) limit(wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end, t.look, t.looked = time.Time{}, min(lastLook, wait/2), false
	var deadline time.Time
	if wait > 0 {
		t.end = time.Now().Add(wait)
		deadline = t.end.Add(-t.look)
	}
	_ = t.conn.SetReadDeadline(deadline) // fails only on a closed connection, as the read does
}

// Read reads from the connection.
func (t *timedReader) Read(p []byte) (int, error) {
	for {
		n, err := t.conn.Read(p)
		if n > 0 || !errors.Is(err, os.ErrDeadlineExceeded) || !t.again() {
			return n, err
		}
	}
}

// again reports whether to read once more after a deadline has passed: it was
// moved meanwhile, or there was no last look yet.
func (t *timedReader) again() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	switch {
	case t.end.IsZero(), !t.looked && now.Before(t.end.Add(-t.look)):
		return true
	case t.looked:
		return false
	}
	t.looked = true
	deadline := now.Add(t.look)
	if deadline.Before(t.end) {
		deadline = t.end
	}
	return t.conn.SetReadDeadline(deadline) == nil
}

// timedWriter gives each chunk that it writes a deadline of its own, and counts.
type timedWriter struct {
	conn    net.Conn
	timeout time.Duration
	handed  int64 // octets handed to the connection; the rest was not
}

// Write writes p to the connection.
func (t *timedWriter) Write(p []byte) (int, error) {
	done := 0
	for done < len(p) {
		if err := t.conn.SetWriteDeadline(time.Now().Add(t.timeout)); err != nil {
			return done, err
		}
		n, err := t.conn.Write(p[done:min(len(p), done+chunkSize)])
		done += n
		t.handed += int64(n)
		if err != nil {
			return done, err
		}
	}
	return done, nil
}
