package smtp

import "time"

const (
	// growth is how many more transactions may be under way for each message
	// that is accepted. It begins with one: a server that refuses everything
	// shall see one message at a time.
	growth = 4
	// backlogPerSession is how many calls make one more session worth opening.
	backlogPerSession = 8
	// longWait is how long a call has to wait for one session more: a server
	// may take its time for each message.
	longWait = time.Second
	// answerTime is what a server is taken to need for one message. As many
	// transactions are kept on the wire as it answers in a round trip; more
	// would be no faster, and each of them is in doubt if the line is cut.
	answerTime = 1500 * time.Microsecond
	// calm is how many messages have to be accepted after a refusal of the
	// server's before it is asked for more at once.
	calm = 8
)

// window says how much is to be had of a server at once. It grows while
// messages are accepted and somebody waits, and shrinks when the server has
// had enough: a small backlog needs one session, and many servers allow two or
// three only.
type window struct {
	connections, inFlight int // never more

	width    int           // transactions that may have begun
	best     time.Duration // the quickest answer to a whole message; 0: none yet
	sessions int           // not more than these for now
	slow     int           // sessions that were opened since somebody waited for long
	pause    int           // accepted messages until it may grow again
}

func newWindow(connections, inFlight int) window {
	connections = min(connections, inFlight)
	return window{connections: connections, inFlight: inFlight, width: 1, sessions: connections}
}

// begun is how many transactions may have begun.
func (w *window) begun() int { return w.width }

// onWire is how many of them may be on the wire or waiting for an answer.
func (w *window) onWire() int {
	if w.best == 0 {
		return w.width
	}
	return min(w.width, max(1, int(w.best/answerTime)))
}

// accepted widens the window. took is how long the answer took after the last
// octet of the message.
func (w *window) accepted(took time.Duration) {
	if took > 0 && (w.best == 0 || took < w.best) {
		w.best = took
	}
	if w.pause > 0 {
		w.pause--
		return
	}
	w.sessions = w.connections
	w.width = min(w.inFlight, w.width+growth)
}

// refused narrows the window to half: the server said 4xx, or ended the session.
func (w *window) refused() {
	w.width, w.pause = max(1, w.width/2), calm
}

// fewer notes that the server gives so many sessions and no more.
func (w *window) fewer(open int) {
	w.sessions, w.pause = max(1, open), calm*w.connections
}

// waitedLong widens the window by one for somebody who has waited for long.
func (w *window) waitedLong() {
	if w.pause == 0 {
		w.width, w.slow = min(w.inFlight, w.width+1), min(w.connections, w.slow+1)
	}
}

// renewed forgets what was measured: all sessions have ended, and the next may
// lead somewhere else.
func (w *window) renewed() { w.best, w.slow = 0, 0 }

// wanted is how many sessions should be opened: there are so many calls, open
// sessions, sessions of whatever kind, and so many that are being opened.
func (w *window) wanted(calls, open, all, opening int) int {
	if open == 0 { // one has to succeed before there are more
		return min(1-min(1, opening), w.connections-all-opening)
	}
	return min(w.sessions, 1+(calls-1)/backlogPerSession+w.slow) - all - opening
}
