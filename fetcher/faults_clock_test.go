package fetcher_test

import (
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// steps is a machine whose clock is set, at times while a poll is under way.
type steps struct {
	*chaos
	rng *rng

	mu  sync.Mutex
	off time.Duration // the clock is so much ahead
}

func joinClock(c *chaos, r *rng) {
	c.names = append(c.names, "clock")
	s := &steps{chaos: c, rng: r}
	c.clock = s
	c.events = append(c.events, func() {
		if r.one(2) {
			s.step()
		}
	})
	c.answers = append(c.answers, func(*pop3test.Session, string, string) bool {
		if c.on.Load() && r.one(200) {
			s.step()
		}
		return false
	})
	c.ends = append(c.ends, func() { s.set(0) })
}

// step sets the clock: right, or to 1970, 2100, some hours or days off.
func (s *steps) step() {
	r := s.rng
	s.mu.Lock()
	is := s.now.Now().Add(-s.off)
	s.mu.Unlock()
	hour := time.Duration(1+r.n(24)) * time.Hour
	s.set(oneOf(r,
		0, 0, 0, hour, -hour, hour*24, -hour*24,
		time.Unix(int64(r.n(1e6)), 0).Sub(is),
		time.Date(2100, 1, 1, 0, 0, r.n(1e6), 0, time.UTC).Sub(is)))
}

func (s *steps) set(off time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now.Add(off - s.off)
	s.off = off
}
