package smtp

import (
	"time"

	"github.com/popferry/popferry/forwarder/queue"
	"github.com/popferry/popferry/forwarder/smtp/pace"
)

const (
	// increase is how much the window grows with each message that is accepted.
	// It begins with one: a server that refuses everything should see one message
	// at a time. With one that is known to take several it begins with as many as
	// there are connections.
	increase = 4
	// backlogPerSession is how many messages make one more session worth opening.
	backlogPerSession = 8
	// longWait is how long a message has to wait before one more session is
	// opened for it: a server may take its time for each message.
	longWait = time.Second
	// answerTime is what a server is assumed to need for one message. As many
	// transactions are kept on the wire as it answers while one waits; more would be
	// little faster, and each of them is in doubt if the connection is cut.
	answerTime = 1500 * time.Microsecond
	// leastOnWire is how many are kept there however quick the answers are: while the server
	// takes one, another is sent.
	leastOnWire = 2
	// cooldown is how many messages have to be accepted after a refusal before
	// the window grows again.
	cooldown = 8
)

// window is how much to ask of a server at once. It grows while messages are
// accepted, and shrinks when the server refuses more: a small backlog needs one
// session, and many servers allow only two or three.
type window struct {
	connections, inFlight int     // upper limits
	quirks                *quirks // what is known of the server

	width    int       // transactions that may have begun
	pace     pace.Pace // how long the server takes
	sessions int       // limit for now
	extra    int       // sessions that long waits have asked for
	pause    int       // messages to be accepted until it may grow again
}

func newWindow(connections, inFlight int, q *quirks) *window {
	w := &window{connections: connections, inFlight: inFlight, quirks: q, width: 1, sessions: connections}
	if q.Has(takesSeveral) {
		w.width = connections
	}
	return w
}

// Width is how many transactions may have begun.
func (w *window) Width() int { return w.width }

// OnWire is how many of them may be sent or waiting for an answer.
func (w *window) OnWire() int {
	best := w.pace.Best()
	if best == 0 {
		return w.width
	}
	return min(w.width, max(leastOnWire, int(best/answerTime)))
}

// onAccepted widens the window after an answer that came now, while others were waiting
// for theirs.
func (w *window) onAccepted(a pace.Answer, others int, now time.Time) {
	if others > 0 {
		w.quirks.Suspect(takesSeveral)
	}
	w.pace.Note(a, now)
	w.quirks.slowBDAT.Store(w.pace.SlowBDAT())
	if w.pause > 0 {
		w.pause--
		return
	}
	w.sessions = w.connections
	w.width = min(w.inFlight, w.width+increase)
}

// Narrow halves the window: the server said 4xx, or ended the session.
func (w *window) Narrow() {
	w.width, w.pause = max(1, w.width/2), cooldown
	w.quirks.Disprove(takesSeveral)
}

// Full notes that the server allows so many sessions and no more.
func (w *window) Full(sessions int) {
	w.sessions, w.pause = max(1, sessions), cooldown*w.connections
}

// onLongWait widens the window by one for a message that has waited for long.
func (w *window) onLongWait() {
	if w.pause == 0 {
		w.width, w.extra = min(w.inFlight, w.width+1), min(w.connections, w.extra+1)
	}
}

// Reset forgets what was measured: all sessions have ended, and the next one may
// lead to another server.
func (w *window) Reset() {
	w.pace, w.extra = pace.Pace{}, 0
	w.quirks.slowBDAT.Store(false)
}

// Sessions is how many sessions the backlog is worth.
func (w *window) Sessions(l queue.Load[*session]) int { return w.worth(l.OnWire + l.Ready + l.Waiting) }

// worth is how many sessions so many messages are worth.
func (w *window) worth(messages int) int {
	return min(w.sessions, 1+(messages-1)/backlogPerSession+w.extra)
}

// Ahead is how many sessions are opened for so many messages before the first of them is
// answered: one, unless the server is known to take several at once.
func (w *window) Ahead(messages int) int {
	if w.quirks.Has(takesSeveral) {
		return max(1, w.worth(messages))
	}
	return 1
}
