package imap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// readback asks Gmail for messages that it has accepted. One pass answers
// for all that were accepted while the pass before it was under way, over a session
// of its own, which stays open while there is something to ask.
type readback struct {
	p *Pool

	mu      sync.Mutex
	waiting []*asked
	running bool
	more    chan struct{} // something is waiting
}

// asked is a message whose fate somebody waits for.
type asked struct {
	placed Placed
	fate   Fate
	label  error // why its label could not be set
	err    error // nothing is known
	done   chan struct{}
}

const (
	// readbackRest is how long the session stays open with nothing to ask.
	readbackRest = 10 * time.Second
	// headerLimit is how many octets of a message are searched for its header.
	headerLimit = 64 << 10
)

func newReadback(p *Pool) *readback { return &readback{p: p, more: make(chan struct{}, 1)} }

// outcome is what a message's acceptance is worth: Gmail keeps one body for a
// Message-ID, the first one, and says OK to the others.
func (r *readback) outcome(ctx context.Context, m *forwarder.Message, at forwarder.Mark, accepted forwarder.Outcome) forwarder.Outcome {
	if r.p.server.notGmail() {
		return accepted
	}
	placed, err := placedAs(m, at)
	if err != nil {
		return inDoubt(accepted, err)
	}
	if m.Folder != "" && m.Folder != r.p.o.Folder && m.Folder != forwarder.JunkFolder {
		placed.Label = m.Folder
	}
	a := &asked{placed: placed, done: make(chan struct{})}
	r.ask(a)
	select {
	case <-a.done:
	case <-ctx.Done():
		return inDoubt(accepted, context.Cause(ctx))
	}
	switch {
	case a.err != nil:
		return inDoubt(accepted, a.err)
	case a.fate == Replaced:
		accepted.Kind, accepted.Text = forwarder.Replaced, "the server has another message with this Message-ID, and kept that one only"
	case a.fate == Merged:
		accepted.Text = "the server had this message already, and keeps it once"
	}
	accepted.Err = a.label
	return accepted
}

// inDoubt is the outcome of a message that was accepted, and of which it could not
// be found out whether it was kept.
func inDoubt(o forwarder.Outcome, err error) forwarder.Outcome {
	o.Kind, o.Code, o.Err = forwarder.InDoubt, 0, fmt.Errorf("reading back what was accepted: %w", err)
	return o
}

// ask has a message looked for in the next pass.
func (r *readback) ask(a *asked) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.waiting = append(r.waiting, a)
	select {
	case r.more <- struct{}{}:
	default: // that is known
	}
	if !r.running {
		r.running = true
		r.p.queue.Go(r.run)
	}
}

// run opens a session and answers until nothing was asked for a while. Those who
// still wait when the session ends learn why.
func (r *readback) run() {
	for {
		err := r.p.with(context.Background(), r.serve)
		if err == nil {
			err = errors.New("the session ended")
		}
		r.mu.Lock()
		left := r.waiting
		r.waiting = nil
		if len(left) == 0 {
			r.running = false
			r.mu.Unlock()
			return
		}
		r.mu.Unlock()
		answer(left, func(a *asked) { a.err = err })
	}
}

// serve answers on a session.
func (r *readback) serve(s *session) error {
	for batch := r.next(); len(batch) > 0; batch = r.next() {
		placed := make([]Placed, len(batch))
		for i, a := range batch {
			placed[i] = a.placed
		}
		fates, labels, err := s.confirm(placed)
		for i, a := range batch {
			if a.err = err; err == nil {
				a.fate, a.label = fates[i], labels[a.placed.Label]
			}
		}
		answer(batch, func(*asked) {})
		if err != nil {
			return err
		}
	}
	return nil
}

// next waits for messages to look for. It returns none if nothing comes for a while,
// or the pool is being closed.
func (r *readback) next() []*asked {
	rest := time.NewTimer(readbackRest)
	defer rest.Stop()
	for {
		over := false
		select {
		case <-r.more:
		case <-r.p.closing:
			over = true
		case <-rest.C:
			over = true
		}
		r.mu.Lock()
		batch := r.waiting
		r.waiting = nil
		r.mu.Unlock()
		if len(batch) > 0 || over { // else what was announced went with the batch before
			return batch
		}
	}
}

// answer tells those who wait.
func answer(batch []*asked, set func(*asked)) {
	for _, a := range batch {
		set(a)
		close(a.done)
	}
}

// placedAs is what a message is told by, as it was sent.
func placedAs(m *forwarder.Message, at forwarder.Mark) (Placed, error) {
	top, err := io.ReadAll(io.LimitReader(m.Body(), headerLimit))
	if err != nil {
		return Placed{}, err
	}
	if end := bytes.Index(top, []byte("\r\n\r\n")); end >= 0 {
		top = top[:end+2]
	}
	h := header(top)
	return Placed{
		Mark: at, Trace: m.Trace, MessageID: h.get("Message-ID"), Date: h.get("Date"), From: h.get("From"), Received: h.delivery(), Size: m.Size - h.traceSize(),
	}, nil
}
