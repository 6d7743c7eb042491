package mailbox

import "sync"

// custody keeps track of the messages that the server has given out, to decide
// whether the session may be ended by QUIT and whether it may delete.
//
// QUIT is what makes a server carry out its deletions (RFC 1939 6), and where
// RETR hides or deletes, it makes retrieved messages vanish. No server is known
// to do that before it was seen to. So there is no QUIT while
//
//   - a server that hides has given out a message that is not on disk yet, or
//   - any server has given out a message that was not sent and is not asked for
//     again: it waited for the destination, or was pipelined and discarded.
//
// After the first DELE only the end of the deletions may send QUIT.
type custody struct {
	retrieved bool // RETR was sent
	deleting  bool // DELE was sent

	mu          sync.Mutex   // guards what follows: deliveries report while the session goes on
	notDurable  map[int]bool // message numbers: given out by a hiding server, not on disk
	undelivered map[int]bool // message numbers: given out, neither sent nor asked for again
}

func newCustody() *custody {
	return &custody{notDurable: make(map[int]bool), undelivered: make(map[int]bool)}
}

// wanted notes that a message is asked for in order to be sent.
func (c *custody) wanted(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.undelivered, n)
}

// givenOut notes that a server that hides has begun to give out a message.
func (c *custody) givenOut(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notDurable[n] = true
}

// durable notes that a message is on disk, or known already.
func (c *custody) durable(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.notDurable, n)
}

// abandoned notes that a message was given out and is not going to be sent.
func (c *custody) abandoned(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.undelivered[n] = true
}

// quitSafe reports whether QUIT loses nothing.
func (c *custody) quitSafe() bool { return c.ending() == Normally }

// ending says how the session may end.
func (c *custody) ending() Ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case len(c.notDurable) > 0:
		return WithoutQuit
	case len(c.undelivered) > 0:
		return DeleteLater
	default:
		return Normally
	}
}

// Ending is how a session may end.
type Ending uint8

const (
	// Normally: it may delete, and it is ended by QUIT.
	Normally Ending = iota
	// WithoutQuit: the server hides what it gave out, and some of that is not on
	// disk. Nothing is deleted and QUIT is not sent.
	WithoutQuit
	// DeleteLater: some of what was given out was not sent. QUIT is not sent;
	// another session makes the deletions.
	DeleteLater
)

// Ending says how the session may end.
func (s *Session) Ending() Ending { return s.custody.ending() }

// NotDurable is the number of messages that the server has given out, hides and
// that are not on disk.
func (s *Session) NotDurable() int {
	s.custody.mu.Lock()
	defer s.custody.mu.Unlock()
	return len(s.custody.notDurable)
}

// Durable notes that a retrieved message is safe without its server: its copy is
// on disk, or it was forwarded in an earlier session.
func (s *Session) Durable(number int) { s.custody.durable(number) }

// Abandon notes that a retrieved message is not going to be sent in this
// session. It may be called from several goroutines.
func (s *Session) Abandon(number int) { s.custody.abandoned(number) }
