package smtp

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/forwarder"
)

// Pool delivers messages to one server over a few sessions that are opened when
// they are needed and used for many messages. Its methods may be called from
// several goroutines.
type Pool struct {
	o Options
	// gate is for the calls that may use a session: no more than there may be
	// connections, or transactions in flight.
	gate   *gate
	ending sync.WaitGroup // sessions that are being ended on their own

	mu   sync.Mutex
	idle []*session // the one that waited longest comes first
}

// New returns a pool without opening anything.
func New(o Options) *Pool {
	o = o.withDefaults()
	return &Pool{o: o, gate: newGate(min(o.Connections, o.InFlight))}
}

// Workers is how many calls of Deliver are useful at once.
func (p *Pool) Workers() int { return p.gate.most }

// Deliver hands over m and returns one outcome for each recipient, in the order
// of m.Recipients.
//
// begin is called once, when a session is ready and the message has a place in
// the window, before the first command of the transaction: it is for the
// caller to note that the message may be delivered from now on. It is not
// called if no session can be had (Unusable) or the server can't take the
// message for any recipient (Impossible).
//
// The error is for faults of our own: ctx was done before anything was sent,
// begin failed, m.Body could not be read, the pool is closed. Nothing was
// delivered then.
func (p *Pool) Deliver(ctx context.Context, m *forwarder.Message, begin func(context.Context) error) ([]forwarder.Outcome, error) {
	s, fail, err := p.session(ctx)
	switch {
	case err != nil:
		return nil, err
	case fail != nil:
		return unusable(ctx, m, fail)
	}
	defer p.gate.leave()
	defer func() { p.release(s) }()

	out, ok := s.offer.fit(m)
	if !ok {
		return out, nil
	}
	if err := begin(ctx); err != nil {
		return nil, err
	}
	err = s.deliver(ctx, m, out)
	if errors.Is(err, errStale) {
		// It ended while it was idle. Nothing of the message was sent, so this
		// is no second try. A fresh session is never stale.
		fresh, fail := dial(ctx, &p.o)
		if fail != nil {
			return unusable(ctx, m, fail)
		}
		s = fresh
		if out, ok = s.offer.fit(m); !ok {
			return out, nil
		}
		err = s.deliver(ctx, m, out)
	}
	if err != nil {
		return nil, err
	}
	p.learn(out)
	return out, nil
}

// session enters the gate with a session. Without one it has not entered. A
// server that gives fewer sessions than it is asked for is waited for.
func (p *Pool) session(ctx context.Context) (*session, *Error, error) {
	for {
		if fail, err := p.gate.enter(ctx); fail != nil || err != nil {
			return nil, fail, err
		}
		if s := p.reuse(); s != nil {
			return s, nil, nil
		}
		s, fail := dial(ctx, &p.o)
		switch {
		case fail == nil:
			return s, nil, nil
		case ctx.Err() == nil && p.gate.retreat():
			continue
		}
		if ctx.Err() != nil { // it says nothing about the server
			p.gate.leave()
		} else {
			p.gate.failed(fail)
		}
		return nil, fail, nil
	}
}

// learn makes the gate wider or narrower by what became of a message.
func (p *Pool) learn(out []forwarder.Outcome) {
	for _, o := range out {
		switch {
		case o.Kind == forwarder.Accepted:
			p.gate.accepted()
			return
		case o.Kind == forwarder.Broken, o.Code == 421:
			p.gate.refused()
			return
		}
	}
}

// Check opens a session, up to and with the login, and ends it again. The error
// is an *Error if it is about the server.
func (p *Pool) Check(ctx context.Context) error {
	switch fail, err := p.gate.enter(ctx); {
	case err != nil:
		return err
	case fail != nil:
		return fail
	}
	defer p.gate.leave()
	s, err := dial(ctx, &p.o)
	switch {
	case err == nil:
		s.quit()
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	}
	return err
}

// Idle ends the sessions that no message is using.
func (p *Pool) Idle() {
	for s := p.reuse(); s != nil; s = p.reuse() {
		s.quit()
	}
}

// Close waits for the calls of Deliver that are under way, ends all sessions
// and refuses more calls. It may be called again.
func (p *Pool) Close() error {
	p.gate.close()
	p.Idle()
	p.ending.Wait()
	return nil
}

// reuse takes the session that was used last out of the idle ones, nil if there
// is none. Those that have been idle for too long are given up.
func (p *Pool) reuse() *session {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) > 0 {
		s := p.idle[len(p.idle)-1]
		p.idle = p.idle[:len(p.idle)-1]
		s.expiry.Stop()
		// The timer stands still while a laptop sleeps, the server's does not.
		if p.o.Now().Sub(s.since) <= idleLimit {
			return s
		}
		s.abort()
	}
	return nil
}

// release makes a clean session idle. The others are closed already.
func (p *Pool) release(s *session) {
	if !s.clean {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	s.since = p.o.Now()
	s.expiry = time.AfterFunc(idleLimit, func() { p.expire(s) })
	p.idle = append(p.idle, s)
}

// expire ends a session that has been idle for too long, unless it was taken
// in the meantime.
func (p *Pool) expire(s *session) {
	p.mu.Lock()
	i := slices.Index(p.idle, s)
	if i >= 0 {
		p.idle = slices.Delete(p.idle, i, i+1)
		p.ending.Add(1)
		defer p.ending.Done()
	}
	p.mu.Unlock()
	if i >= 0 {
		s.quit()
	}
}

// unusable is the answer of Deliver when no session could be had; a ctx that is
// done is no fault of the server.
func unusable(ctx context.Context, m *forwarder.Message, e *Error) ([]forwarder.Outcome, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	out := make([]forwarder.Outcome, len(m.Recipients))
	for i, to := range m.Recipients {
		out[i] = e.outcome()
		out[i].Recipient = to
	}
	return out, nil
}
