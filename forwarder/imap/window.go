package imap

import (
	"time"

	"github.com/popferry/popferry/forwarder/queue"
)

const (
	// backlogPerSession is how many messages make one more session worth opening.
	backlogPerSession = 8
	// increase is how many more messages may be under way with each that is taken. It
	// begins with one: a server that refuses everything should see one at a time.
	increase = 4
	// cooldown is how many messages have to be taken after a session could not be
	// opened until another one is tried.
	cooldown = 32
	// quickAnswer is how soon a message is answered by a server that has no use for
	// more sessions. Where messages are sent unasked, one session keeps such a server
	// busy, and several only wait for each other: Dovecot locks the folder.
	quickAnswer = 250 * time.Millisecond
)

// window is how much to ask of a server at once. It grows while messages are taken,
// and shrinks when the server refuses more. All of it is guarded by the queue's lock.
type window struct {
	most   int  // messages that may be under way, at most
	width  int  // for now
	slow   bool // a message was not answered quickly
	enough int  // sessions, while pause lasts: one more could not be had
	pause  int  // messages to be taken until more sessions are tried
}

// Width is how many messages may be under way.
func (w *window) Width() int { return w.width }

// OnWire is how many of them may be sent or waiting for an answer.
func (w *window) OnWire() int { return w.most }

// Sessions is how many sessions the backlog is worth.
func (w *window) Sessions(l queue.Load[*session]) int {
	useful := 1 + (l.InFlight+l.Waiting-1)/backlogPerSession
	if !w.slow && l.First.streams() {
		useful = 1
	}
	if w.pause > 0 {
		useful = min(useful, w.enough)
	}
	return useful
}

// Ahead is how many sessions are opened before the first message is answered: one, because
// only its answer shows whether a second one is worth it.
func (w *window) Ahead(int) int { return 1 }

// onAccepted widens the window after an answer that took so long.
func (w *window) onAccepted(took time.Duration) {
	w.slow = w.slow || took > quickAnswer
	w.width = min(w.most, w.width+increase)
	w.pause = max(0, w.pause-1)
}

// Narrow halves the window.
func (w *window) Narrow() { w.width = max(1, w.width/2) }

// Full notes that the server lets no more than so many sessions be opened.
func (w *window) Full(sessions int) { w.enough, w.pause = sessions, cooldown }

// Reset forgets nothing: what was learnt is about the folder and its lock, and the
// next session leads to the same one.
func (w *window) Reset() {}
