package fetcher_test

import (
	"bytes"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// uidScheme is what a server gives for UIDs.
type uidScheme uint8

const (
	ownUIDs     uidScheme = iota // each message has its own
	sessionUIDs                  // others in each session
	numberUIDs                   // the numbers of the messages
)

func (u uidScheme) of(s *pop3test.Session, n int, m *pop3test.Message) string {
	switch u {
	case sessionUIDs:
		return fmt.Sprintf("s%d.%d", s.Number, n)
	case numberUIDs:
		return strconv.Itoa(n)
	default:
		return m.UID
	}
}

// joinUIDs has a server whose UIDs do not stay with their messages.
func joinUIDs(c *chaos, r *rng) {
	c.uids = oneOf(r, sessionUIDs, numberUIDs)
	c.names = append(c.names, [...]string{sessionUIDs: "other UIDs in each session", numberUIDs: "numbers as UIDs"}[c.uids])
	c.before = append(c.before, func() { c.newUIDs(c.pop.Messages("leo")...) })
}

// sizeScheme is how a server counts the sizes of messages. It may change.
type sizeScheme struct{ how atomic.Int32 }

func (z *sizeScheme) of(octets []byte) int {
	exact := listed(octets)
	switch z.how.Load() {
	case 1: // as they lie on its disk, with bare line feeds
		return max(1, exact-bytes.Count(octets, []byte("\r\n")))
	case 2: // in blocks
		return (exact + 511) / 512 * 512
	case 3: // with a header of its own
		return exact + 40
	default:
		return exact
	}
}

// joinSizes has a server that changes how it counts sizes.
func joinSizes(c *chaos, r *rng) {
	c.names, c.resized = append(c.names, "other sizes"), true
	c.account.Policy.MaxSize = 0
	c.sizes.how.Store(int32(r.n(4)))
	c.events = append(c.events, func() {
		if r.one(4) {
			c.changeSizes(r)
		}
	})
	c.before = append(c.before, func() { // while they are not in each listing, only their sizes identify some: see newUIDs
		sizes := make(map[string]int)
		for _, m := range c.pop.Messages("leo") {
			sizes[c.uidOf(m)] = c.sizes.of(m.Octets)
		}
		var list []pop3test.Message
		rows := byUID(c.rows())
		for _, m := range c.pop.Messages("leo") {
			for _, k := range rows[c.uidOf(m)] {
				if k.State == ledger.Skipped && int(k.Size) != sizes[k.UID] && (!k.MissingSince.IsZero() || c.partial()) {
					list = append(list, m)
				}
			}
		}
		c.newUIDs(list...)
	})
}

// partial reports whether listings may be partial now.
func (c *chaos) partial() bool { return c.on.Load() || c.short.most.Load() > 0 }

func (c *chaos) changeSizes(r *rng) { c.sizes.how.Store(int32(r.n(4))) }

// joinFirstRun has an account that leaves alone what is there at first.
func joinFirstRun(c *chaos, _ *rng) {
	c.names = append(c.names, "first_run new")
	c.account.Policy.OnlyNew = true
}

// joinImported has an account for which another program had fetched some messages.
func joinImported(c *chaos, r *rng) {
	if c.uids != ownUIDs {
		return // it could have known none
	}
	c.names = append(c.names, "imported")
	c.begins = append(c.begins, func() {
		for _, m := range c.pop.Messages("leo") {
			if r.one(2) {
				c.importRows(m.UID)
				c.mail.change(m.Octets, func(e *expected) { e.skipped = true })
			}
		}
		c.importRows("uid-of-old")
		c.cache = nil
	})
}

// joinHost has a user who writes another name of the server into the configuration.
func joinHost(c *chaos, r *rng) {
	c.names = append(c.names, "host edited")
	c.events = append(c.events, func() {
		if !r.one(5) {
			return
		}
		c.account.Source.Host = oneOf(r, "pop.example.net", "mail.example.net", "127.0.0.1")
		l, err := c.store.Lease(c.t.Context(), c.account.ID)
		must(c.t, err)
		must(c.t, l.Rename(c.t.Context(), ledger.Identity{Name: c.account.Name, Username: "leo", Host: c.account.Source.Host}))
		must(c.t, l.Release())
		c.led.interrupted()
		for _, do := range c.renames {
			do()
		}
	})
}
