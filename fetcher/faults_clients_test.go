package fetcher_test

import (
	"slices"
	"strconv"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// meddle is what other clients and new mail do to a mailbox.
func (c *chaos) meddle(r *rng) {
	if r.one(2) {
		c.add(1 + r.n(2))
		return
	}
	c.remove(r)
}

// remove takes a message out of the mailbox.
func (c *chaos) remove(r *rng) {
	c.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		if len(ms) == 0 {
			return ms
		}
		i := r.n(len(ms))
		c.mail.removed(ms[i].Octets)
		c.movedOut(ms[i])
		if c.shifting != nil && c.on.Load() {
			c.shifting.mixedUp(ms)
		}
		return slices.Delete(ms, i, i+1)
	})
}

// between is what happens to the mailbox between two polls.
func (c *chaos) between() {
	for range c.rng.n(4) {
		c.meddle(c.rng)
	}
	for _, happens := range c.events {
		happens()
	}
	if !c.odd && c.rng.one(20) {
		c.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
			for i := range ms {
				c.mail.renumbered(ms[i].Octets)
				ms[i].UID = "moved-" + strconv.Itoa(c.rng.n(1e9))
			}
			return ms
		})
	}
}
