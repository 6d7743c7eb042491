package imap

import (
	"context"
	"sync"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap/wire"
	"github.com/popferry/popferry/forwarder/queue"
)

// Pool delivers messages to one server over a few sessions, which are opened
// when they are needed and used for many messages. Its methods may be called
// from several goroutines.
type Pool struct {
	o      Options
	quirks *quirks
	window *window // guarded by the queue's lock
	queue  *queue.Queue[*session, *slot]
	server *server
	back   *readback

	closing     chan struct{} // closed by Close
	closingOnce sync.Once
}

// New returns a pool without opening anything.
func New(o Options) *Pool {
	p := &Pool{o: o.withDefaults(), server: newServer()}
	p.quirks = newQuirks(&p.o)
	p.window = &window{most: p.o.InFlight, width: 1}
	p.queue = queue.New(queue.Options[*session, *slot]{
		Dial: func(ctx context.Context) (*session, queue.Failure) { return dial(ctx, &p.o, p.quirks) },
		Slot: p.o.Slot, Opened: p.serve, Window: p.window, Limit: p.quirks, Connections: min(p.o.Connections, p.o.InFlight), Now: p.o.Now,
	})
	p.back, p.closing = newReadback(p), make(chan struct{})
	return p
}

// Workers is how many deliveries are useful at once.
func (p *Pool) Workers() int { return p.o.InFlight }

// Facts returns what is known of the server, to be kept for the next pool.
func (p *Pool) Facts() Facts { return p.quirks.All() }

// Preconnect opens a session, if there is none, for so many messages that are about to
// come. If that fails, the first of them learns it.
func (p *Pool) Preconnect(messages int) { p.queue.Preconnect(messages) }

// Checked is what CheckFolder learns of a folder.
type Checked struct {
	// Limit is the largest message that it takes, in octets; 0: not known.
	Limit int64
	// Label: the server is Gmail, where it is a label of the mail in the destination's
	// folder. Gmail was not asked for it.
	Label bool
}

// Greet opens a session and ends it: with Username "" that needs no login. The error
// is an *Error if it is about the server.
func (p *Pool) Greet(ctx context.Context) error {
	return p.with(ctx, func(*session) error { return nil })
}

// Check is CheckFolder for the folder in the options.
func (p *Pool) Check(ctx context.Context) error {
	_, err := p.CheckFolder(ctx, p.o.Folder)
	return err
}

// CheckFolder opens a session, logs in, and asks whether a folder, as Message.Folder
// names it, exists and can be appended to: it announces a message, and when the
// server asks for it, closes the connection instead. With CreateFolder it makes the
// folder. The error is an *Error if it is about the server.
func (p *Pool) CheckFolder(ctx context.Context, name string) (Checked, error) {
	var found Checked
	err := p.with(ctx, func(s *session) error {
		if p.isLabel(name, s.caps()) {
			found.Label, name = true, p.o.Folder
		}
		f, refusal, err := p.server.ready(ctx, s, name)
		switch {
		case err != nil:
			return failed(forwarder.StageRcpt, err)
		case refusal != nil:
			return refused(*refusal)
		}
		found.Limit = p.limit(s.caps(), f)
		return s.announce(f.mark.Folder.Name)
	})
	return found, err
}

// announce makes sure that a folder takes messages. Nothing is stored, and the
// session is over.
func (s *session) announce(folder string) error {
	c := &wire.Command{Wait: s.o.Timeout, Message: true, Asking: true}
	line := "APPEND " + wire.Quote(folder) + " {1}"
	if err := s.Start(c, line, line); err == nil {
		_ = s.Flush() // a failure shows below
	}
	if _, asked := s.Requested(c); asked {
		return nil
	}
	r, err := s.Await(c)
	if err != nil {
		return failed(forwarder.StageRcpt, err)
	}
	return refused(s.outcome(r, forwarder.StageRcpt))
}

// limit is the largest message that a folder takes, in octets; 0: not known.
func (p *Pool) limit(caps wire.Capabilities, f folder) int64 {
	global, _ := caps.Limit()
	least := int64(0)
	for _, l := range []int64{f.limit, global, p.o.MaxSize} {
		if l > 0 && (least == 0 || l < least) {
			least = l
		}
	}
	return least
}

// with opens a session of its own for do and closes it.
func (p *Pool) with(ctx context.Context, do func(*session) error) error {
	if p.queue.Closed() {
		return ErrClosed
	}
	s, fail := dial(ctx, &p.o, p.quirks)
	var err error = fail
	if fail == nil {
		stop := context.AfterFunc(ctx, s.Abort)
		if err = do(s); err == nil && s.Idle() && stop() {
			s.Quit()
		}
		stop()
		s.Abort()
	}
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// Close waits until the deliveries that are in flight are done, ends all
// sessions and refuses the rest with ErrClosed. It may be called again.
func (p *Pool) Close() error {
	p.queue.Close()
	p.closingOnce.Do(func() { close(p.closing) })
	p.queue.Wait()
	return nil
}

// serve reads what the server says on a new session.
func (p *Pool) serve(s *session) {
	s.BeServed()
	p.queue.Go(func() { s.Serve(func() { p.queue.Ended(s) }) })
}
