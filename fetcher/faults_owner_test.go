package fetcher_test

import (
	"slices"
	"sync"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// owner is one who also moves mail out of the inbox and back in, by IMAP: the same
// octets under another UID.
type owner struct {
	rng *rng
	mu  sync.Mutex
	out []pop3test.Message
}

func joinOwner(c *chaos, r *rng) {
	c.names = append(c.names, "owner")
	o := &owner{rng: r}
	c.owner = o
	c.events = append(c.events, func() {
		for range r.n(3) {
			c.remove(r)
		}
		o.bringBack(c)
	})
	c.ends = append(c.ends, func() { o.bringBack(c) })
}

// movedOut is called for each message that its owner removes: some are only in
// another folder.
func (c *chaos) movedOut(m pop3test.Message) {
	if o := c.owner; o != nil && !o.rng.one(3) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.out = append(o.out, m)
	}
}

// bringBack moves some messages back in.
func (o *owner) bringBack(c *chaos) {
	o.mu.Lock()
	var back []pop3test.Message
	o.out = slices.DeleteFunc(o.out, func(m pop3test.Message) bool {
		if o.rng.one(3) {
			back = append(back, m)
			return true
		}
		return false
	})
	o.mu.Unlock()
	c.newUIDs(back...)
	for _, m := range back {
		c.mail.change(m.Octets, func(e *expected) { e.removed-- })
		m.UID = c.mail.freshUID()
		c.pop.Add("leo", m)
	}
}
