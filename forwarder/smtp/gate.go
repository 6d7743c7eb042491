package smtp

import (
	"context"
	"slices"
	"sync"
	"time"
)

// gate lets so many in at once. It begins with one, widens while messages are
// accepted or somebody has to wait for long, and narrows when the server has
// had enough: a small backlog needs one connection, and many servers allow two
// or three only.
type gate struct {
	mu     sync.Mutex
	change *sync.Cond
	most   int // never wider
	width  int
	inside int
	good   int // accepted since the width last changed
	closed bool
	// queue are those who wait, by number, in the order in which they came:
	// messages should arrive about as they were sent.
	queue  []int
	number int
	// fails counts the sessions that could not be had; last is why.
	fails int
	last  *Error
}

const (
	// widenAfter is how many messages have to be accepted for one connection
	// more.
	widenAfter = 4
	// widenWait is how long somebody has to wait for one connection more: a
	// server may take its time for each message.
	widenWait = time.Second
)

func newGate(most int) *gate {
	g := &gate{most: most, width: 1}
	g.change = sync.NewCond(&g.mu)
	return g
}

// enter waits until there is room. Its error is ErrClosed or ctx's cause. If
// meanwhile no session could be had, and nobody has one, that is the answer for
// all who wait: they need not find out one after the other.
func (g *gate) enter(ctx context.Context) (*Error, error) {
	stop := context.AfterFunc(ctx, func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.change.Broadcast()
	})
	defer stop()
	wait := time.AfterFunc(widenWait, g.waitedFor)
	defer wait.Stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	fails := g.fails
	me := g.number
	g.number++
	g.queue = append(g.queue, me)
	defer func() {
		g.queue = slices.DeleteFunc(g.queue, func(n int) bool { return n == me })
		g.change.Broadcast() // there may be room for the next one too
	}()
	for {
		switch {
		case g.closed:
			return nil, ErrClosed
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case g.fails != fails:
			return g.last, nil
		case g.inside < g.width && g.queue[0] == me:
			g.inside++
			return nil, nil
		}
		g.change.Wait()
	}
}

// leave gives the room back.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.change.Broadcast()
}

// failed leaves, and tells those who wait that no session could be had.
func (g *gate) failed(why *Error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	g.fails, g.last = g.fails+1, why
	g.change.Broadcast()
}

// accepted widens the gate now and then.
func (g *gate) accepted() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.good++; g.good >= widenAfter {
		g.widen()
	}
}

// waitedFor widens the gate for somebody who has waited for long, unless the
// server has shown that it wants no more.
func (g *gate) waitedFor() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.good >= 0 {
		g.widen()
	}
}

func (g *gate) widen() {
	if g.width < g.most {
		g.width, g.good = g.width+1, 0
		g.change.Broadcast()
	}
}

// refused narrows the gate to half: the server said 421, or something like it.
func (g *gate) refused() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.good, g.width = -widenAfter, max(1, g.width/2)
}

// retreat is for one inside who could get no session: it leaves, and the gate
// stays as narrow as it is for those who have one. If there are none, it says
// false and changes nothing.
func (g *gate) retreat() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inside == 1 {
		return false
	}
	g.inside--
	g.good, g.width = -widenAfter*g.most, g.inside // not tried again soon
	return true
}

// close refuses all who come, and waits for those inside.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	g.change.Broadcast()
	for g.inside > 0 {
		g.change.Wait()
	}
}
