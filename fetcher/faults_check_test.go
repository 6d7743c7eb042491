package fetcher_test

import (
	"bytes"
	"fmt"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// traces counts by recipient and trace how often a message arrived.
func (c *chaos) traces(f *expected) map[string]map[string]int {
	out := make(map[string]map[string]int)
	for _, a := range c.account.Destination.Recipients {
		out[a] = make(map[string]int)
	}
	for _, m := range c.smtp.Messages() {
		trace, body := split(m)
		for _, a := range m.Recipients {
			if body == f.want {
				out[a][trace]++
			}
		}
	}
	return out
}

// deleting is called when the server is about to delete messages: each of them
// has arrived.
func (c *chaos) deleting(doomed []*pop3test.Message) {
	there := c.pop.Messages("leo")
	for _, m := range doomed {
		i := indexOf(there, m)
		if i < 0 {
			continue // another client was faster
		}
		there[i].UID = "deleted now"
		c.mail.change(m.Octets, func(f *expected) {
			f.deleted++
			for a, traces := range c.traces(f) {
				if len(traces) == 0 || !f.shared && len(traces) < f.deleted {
					f.wrong = append(f.wrong, fmt.Sprintf("copy %d (%s) is deleted, but %d arrived at %s", f.deleted, m.UID, len(traces), a))
				}
			}
		})
	}
}

func indexOf(list []pop3test.Message, m *pop3test.Message) int {
	for i, o := range list {
		if o.UID == m.UID && bytes.Equal(o.Octets, m.Octets) {
			return i
		}
	}
	return -1
}

// check is what has to be true in the end.
func (c *chaos) check() {
	c.t.Helper()
	c.mail.mu.Lock() // a session that was left behind may still end
	defer c.mail.mu.Unlock()
	bodies := make(map[string]bool)
	for _, f := range c.mail.order {
		bodies[f.want] = true
		for _, w := range f.wrong {
			c.t.Errorf("%s: %s", f.name, w)
		}
		settled := c.settled(f)
		for a, traces := range c.traces(f) {
			need := f.copies - f.removed - settled
			switch {
			case c.mail.alike && f.anew:
				need = 0 // another message under its UID and of its size may hide it; it stays
			case f.shared:
				need = min(need, 1)
			}
			if len(traces) < need {
				c.t.Errorf("%s: %d arrived at %s, want %d: %v", f.name, len(traces), a, need, f)
			}
			if len(traces) > f.copies+f.renumbered {
				c.t.Errorf("%s: arrived at %s under %d traces: %v", f.name, a, len(traces), f)
			}
			for trace, n := range traces {
				if doubts := c.led.doubts[delivery{trace, a}]; n > 1+doubts {
					c.t.Errorf("%s: arrived %d times at %s, and was in doubt %d times", f.name, n, a, doubts)
				}
			}
		}
	}
	for _, m := range c.smtp.Messages() {
		if _, body := split(m); !bodies[body] {
			c.t.Errorf("arrived altered: %.200q", m.Data)
		}
	}
	if c.t.Failed() {
		c.tell()
	}
}

// settled counts the copies on the server that a person has to decide about.
func (c *chaos) settled(f *expected) int {
	n := 0
	for _, m := range c.pop.Messages("leo") {
		if c.mail.byOctets[string(m.Octets)] != f {
			continue
		}
		if p := c.account.Policy.MaxSize; p > 0 && int64(listed(m.Octets)) > p {
			n++
			continue
		}
		for _, r := range c.records() {
			if r.UID == m.UID && (r.State == ledger.Held || r.State == ledger.Skipped) {
				n++
				break
			}
		}
	}
	return n
}

// tell shows what may explain a failure.
func (c *chaos) tell() {
	for _, r := range c.records() {
		c.t.Logf("row %+v", *r)
	}
	for _, m := range c.pop.Messages("leo") {
		c.t.Logf("left: %s %s, %d octets", m.UID, c.mail.byOctets[string(m.Octets)].name, listed(m.Octets))
	}
	for _, cmd := range c.pop.Log() {
		c.t.Logf("session %d: %s", cmd.Session, cmd.Line)
	}
}
