package fetcher_test

import (
	"fmt"
	"sync/atomic"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// shortListing is a server that for a time lists only the first messages.
type shortListing struct{ most atomic.Int64 } // 1 more than are listed; 0: all are

// shortened is the number of the last message that is listed.
func (c *chaos) shortened() int {
	if n := c.short.most.Load(); n > 0 {
		return int(n - 1)
	}
	return 1 << 30
}

// migration is a server that is moved in steps: a part of the messages gets new
// UIDs, the listing is short or empty for some polls, the rest follows, maybe in
// another order, and at last sizes are counted otherwise.
type migration struct {
	*chaos
	rng   *rng
	step  int             // 0: it is not being moved
	moved map[string]bool // new UIDs
	count int
}

func joinMigration(c *chaos, r *rng) {
	c.names, c.resized = append(c.names, "migration"), true
	m := &migration{chaos: c, rng: r}
	c.account.Policy.MaxSize = 0 // sizes will change
	c.events = append(c.events, m.happens)
	c.ends = append(c.ends, func() { c.short.most.Store(0) })
}

func (m *migration) happens() {
	switch {
	case m.step == 0 && m.rng.one(4):
		m.step, m.moved = 1, make(map[string]bool)
		m.renumber(1 + m.rng.n(3))
	case m.step == 1 && m.rng.one(2):
		m.step = 2
		if !m.rng.one(3) {
			m.short.most.Store(int64(1 + m.rng.n(5)))
		}
	case m.step == 2 && m.rng.one(2):
		m.step = 3
		m.short.most.Store(0)
		m.renumber(1)
	case m.step == 3 && m.rng.one(2):
		m.step = 0
		if m.rng.one(2) {
			m.changeSizes(m.rng)
		}
	}
}

// renumber gives new UIDs to one in so many messages that have none yet.
func (m *migration) renumber(in int) {
	var list []pop3test.Message
	for _, msg := range m.pop.Messages("leo") {
		if !m.moved[msg.UID] && m.rng.one(in) {
			list = append(list, msg)
		}
	}
	m.newUIDs(list...)
	m.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		for i := range ms {
			if j := indexOf(list, &ms[i]); j < 0 {
				continue
			}
			m.count++
			ms[i].UID = fmt.Sprintf("moved-%d", m.count)
			m.moved[ms[i].UID] = true
		}
		if m.rng.one(3) {
			for i := range ms {
				j := i + m.rng.n(len(ms)-i)
				ms[i], ms[j] = ms[j], ms[i]
			}
		}
		return ms
	})
}
