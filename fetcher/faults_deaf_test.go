package fetcher_test

import (
	"bytes"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// joinDeaf has a server that answers DELE and does not delete, for ever or for a
// time.
func joinDeaf(c *chaos, r *rng) {
	c.names = append(c.names, "ignores DELE")
	var deaf atomic.Bool
	deaf.Store(true)
	c.answers = append(c.answers, func(s *pop3test.Session, verb, _ string) bool {
		if verb != "DELE" || !deaf.Load() {
			return false
		}
		s.OK("as you like")
		return true
	})
	if r.one(2) {
		return
	}
	c.events = append(c.events, func() {
		if r.one(3) {
			deaf.Store(!deaf.Load())
		}
	})
	c.ends = append(c.ends, func() { deaf.Store(false) })
}

// shifting is a server that counts its messages again at each command (against RFC
// 1939 section 4), so that a number means another message once an owner has removed
// one. It keeps them still from the second UIDL of a session on: what an owner removes
// between that and DELE nobody can know.
type shifting struct {
	*chaos
	mu       sync.Mutex
	sessions map[int]*shiftingSession
}

type shiftingSession struct {
	listings int // UIDL was asked
	still    []*pop3test.Message
	doomed   []string // UIDs
}

func joinShifting(c *chaos, r *rng) {
	if c.uids != ownUIDs || len(c.quits) > 0 {
		return // nobody could tell, or it gives each message once
	}
	c.names = append(c.names, "numbers shift")
	x := &shifting{chaos: c, sessions: make(map[int]*shiftingSession)}
	c.shifting = x
	c.answers = append(c.answers, func(s *pop3test.Session, verb, arg string) bool {
		if c.on.Load() && (verb == "RETR" || verb == "TOP") && r.one(10) {
			c.remove(r)
		}
		return x.handle(s, verb, arg)
	})
	c.quits = append(c.quits, x.quit)
}

// mixedUp is called when a message is removed while a session may be under way. The
// others may come once more: one may have been fetched under another's number.
func (x *shifting) mixedUp(list []pop3test.Message) {
	for _, m := range list {
		x.mail.change(m.Octets, func(e *expected) { e.again, e.forgotten = e.again+1, true })
	}
}

// of is what is remembered of a session.
func (x *shifting) of(s *pop3test.Session) *shiftingSession {
	p := x.sessions[s.Number]
	if p == nil {
		p = &shiftingSession{}
		x.sessions[s.Number] = p
	}
	return p
}

// list is what the numbers mean now.
func (x *shifting) list(p *shiftingSession) []*pop3test.Message {
	if p.still != nil {
		return p.still
	}
	var out []*pop3test.Message
	for _, m := range x.pop.Messages("leo") {
		if !slices.Contains(p.doomed, m.UID) {
			out = append(out, &m)
		}
	}
	return out
}

func (x *shifting) message(s *pop3test.Session, number string) *pop3test.Message {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := x.list(x.of(s))
	if n, err := strconv.Atoi(number); err == nil && n > 0 && n <= len(list) {
		return list[n-1]
	}
	return nil
}

// handle answers the commands that name a message.
func (x *shifting) handle(s *pop3test.Session, verb, arg string) bool {
	if s.User() == "" {
		return false
	}
	if verb == "UIDL" {
		x.keepStill(s)
	}
	if m := x.message(s, arg); verb == "UIDL" && arg != "" && m == nil {
		s.Err("no such message")
		return true
	}
	number := arg
	if verb == "TOP" && len(arg) > 2 {
		number = arg[:len(arg)-2] // TOP n 0
	}
	m := x.message(s, number)
	switch {
	case verb == "RETR" && m != nil && x.mail.undoubled(m.Octets):
		return false
	case !slices.Contains([]string{"RETR", "TOP", "DELE"}, verb):
		return false
	case m == nil:
		s.Err("no such message")
	case verb == "RETR":
		s.OK("")
		s.SendBody(bytes.NewReader(m.Octets), -1)
	case verb == "TOP":
		s.OK("")
		s.SendBody(bytes.NewReader(m.Octets), 0)
	default:
		x.doom(s, m)
		s.OK("")
	}
	return true
}

func (x *shifting) keepStill(s *pop3test.Session) {
	x.mu.Lock()
	defer x.mu.Unlock()
	p := x.of(s)
	if p.listings++; p.listings == 2 {
		p.still = x.list(p)
	}
}

func (x *shifting) doom(s *pop3test.Session, m *pop3test.Message) {
	p := x.pops.of(s)
	p.doomed = append(p.doomed, m)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.of(s).doomed = append(x.of(s).doomed, m.UID)
}

// quit makes the deletions.
func (x *shifting) quit(s *pop3test.Session) {
	x.mu.Lock()
	doomed := x.of(s).doomed
	x.mu.Unlock()
	x.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		return slices.DeleteFunc(ms, func(m pop3test.Message) bool { return slices.Contains(doomed, m.UID) })
	})
}
