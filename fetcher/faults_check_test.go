package fetcher_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// traces counts by recipient and trace how often a message arrived.
func (c *chaos) traces(e *expected) map[string]map[string]int {
	out := make(map[string]map[string]int)
	for _, a := range c.account.Destination.Recipients {
		out[a] = make(map[string]int)
	}
	for _, m := range c.smtp.Messages() {
		trace, body := withoutTrace(m)
		for _, a := range m.Recipients {
			if body == e.want {
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
		c.mail.change(m.Octets, func(e *expected) {
			e.deleted++
			if p := c.account.Policy; p.Keep && p.KeepFor == 0 && !c.keepingEdited {
				e.wrong = append(e.wrong, "it is deleted, want all left on the server")
			}
			c.deletedEarly(e)
			for a, traces := range c.traces(e) {
				if len(traces) == 0 || !e.shared && !e.unique && len(traces) < e.deleted {
					e.wrong = append(e.wrong, fmt.Sprintf("copy %d (%s) is deleted when %d arrived at %s, want it to have arrived before", e.deleted, m.UID, len(traces), a))
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

// check holds what has to be true in the end.
func (c *chaos) check() {
	c.t.Helper()
	c.mail.mu.Lock() // a session that was left behind may still end
	defer c.mail.mu.Unlock()
	bodies := make(map[string]bool)
	for _, e := range c.mail.order {
		bodies[e.want] = true
		for _, w := range e.wrong {
			c.t.Errorf("%s: %s", e.name, w)
		}
		undecided := c.undecided(e)
		for a, traces := range c.traces(e) {
			need := e.copies - e.removed - undecided
			switch {
			case c.mail.alike && e.reused:
				need = 0 // another message under its UID and of its size may hide it; it stays
			case e.lost, e.skipped: // nobody could know, or it is to be left alone
				need = 0
			case e.shared || e.unique: // a copy with the same Message-ID that comes later is no new message
				need = min(need, 1)
			}
			if len(traces) < need {
				c.t.Errorf("%s: %d arrived at %s, want at least %d: %v", e.name, len(traces), a, need, e)
			}
			if most := c.mostTraces(e); len(traces) > most {
				c.t.Errorf("%s: arrived at %s under %d traces (%s), want at most %d: %v", e.name, a, len(traces), strings.Join(slices.Sorted(maps.Keys(traces)), ", "), most, e)
			}
			for trace, n := range traces {
				if most := c.mostTimes(trace, a); n > most {
					c.t.Errorf("%s: arrived %d times at %s, want at most %d: once, and once for each time that it was in doubt", e.name, n, a, most)
				}
			}
		}
	}
	for _, m := range c.smtp.Messages() {
		if trace, body := withoutTrace(m); !bodies[body] && !c.sentInPart(trace, body) {
			c.t.Errorf("arrived: %.200q, want the octets of a message that was in the mailbox", m.Data)
		}
	}
	if c.t.Failed() {
		c.explain()
	}
}

// mostTimes is how often a message may arrive under a trace. An inbox that can be asked
// gets none twice.
func (c *chaos) mostTimes(trace, recipient string) int {
	if c.askable() {
		return 1
	}
	return 1 + c.led.doubts[delivery{trace, recipient}]
}

// sentInPart reports whether the beginning of a message was sent, and popferry knew
// that it may not be whole: nobody had the rest. Its row may be gone by now, for the
// ledger may have been set back.
func (c *chaos) sentInPart(trace, body string) bool {
	part := strings.TrimSuffix(body, "\r\n")
	return c.parts[trace] && slices.ContainsFunc(c.mail.order, func(e *expected) bool {
		return len(e.stumps) > 0 && strings.HasPrefix(e.want, part)
	})
}

// undecided counts the copies on the server that the user has to decide about.
func (c *chaos) undecided(e *expected) int {
	n := c.heldCopies(e)
	for _, m := range c.pop.Messages("leo") {
		if c.mail.byOctets[string(m.Octets)] != e {
			continue
		}
		if p := c.account.Policy.MaxSize; p > 0 && int64(listed(m.Octets)) > p {
			n++
			continue
		}
		for _, r := range c.rows() {
			if r.UID == c.uidOf(m) && (r.State == ledger.Held || r.State == ledger.Skipped) {
				n++
				break
			}
		}
	}
	return n
}

// explain logs what may explain a failure.
func (c *chaos) explain() {
	for _, r := range c.rows() {
		c.t.Logf("row %+v", *r)
	}
	for _, m := range c.pop.Messages("leo") {
		c.t.Logf("left: %s %s, %d octets", m.UID, c.mail.byOctets[string(m.Octets)].name, listed(m.Octets))
	}
	c.t.Logf("odd: %s; now %v", strings.Join(c.names, ", "), c.now.Now())
	for _, cmd := range c.pop.Log() {
		c.t.Logf("session %d: %s", cmd.Session, cmd.Line)
	}
}
