package fetcher_test

import (
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// fate is what has happened to a message beyond what its server did to it.
type fate struct {
	skipped   bool      // it counts as seen, and must not be sent
	base      int       // how often it had arrived before that
	forgotten bool      // a row that would tell so could not be recognized by anybody
	again     int       // the ledger was set back to a time before it was forwarded
	lost      bool      // the server threw it away when nobody could know
	since     time.Time // when it was first seen to have arrived
}

// mostTraces is under how many traces a message may arrive.
func (c *chaos) mostTraces(e *expected) int {
	if e.skipped && !e.forgotten {
		return e.base + e.again
	}
	return e.copies + e.renumbered + e.again
}

// noteFates notes after a poll what has arrived, and what counts as seen.
func (c *chaos) noteFates(fetcher.Result) {
	rows, there, now := byUID(c.rows()), c.pop.Messages("leo"), c.now.Now() // a session that was left behind may have the server's lock, and want that of the messages
	c.mail.mu.Lock()
	defer c.mail.mu.Unlock()
	for _, e := range c.mail.order {
		n := 0
		for _, traces := range c.traces(e) {
			n = max(n, len(traces))
		}
		if n > 0 && e.since.IsZero() {
			e.since = now
		}
	}
	c.noteParts()
	for _, m := range there {
		e := c.mail.byOctets[string(m.Octets)]
		list := rows[c.uidOf(m)]
		if e.skipped || len(list) != 1 || list[0].State != ledger.Skipped || list[0].Cause.Code == ledger.CauseTooLarge {
			continue
		}
		e.skipped = true
		for _, traces := range c.traces(e) {
			e.base = max(e.base, len(traces))
		}
	}
}

// noteParts notes copies that were sent though they may not be whole: should the
// message come after all it is sent, too. The lock of the messages is held.
func (c *chaos) noteParts() {
	if c.parts == nil {
		c.parts = make(map[string]bool)
	}
	for _, r := range c.rows() {
		sent := slices.ContainsFunc(r.Recipients, func(rc ledger.Recipient) bool { return rc.State == ledger.Forwarded })
		if !sent && r.State != ledger.Forwarded || r.Fingerprint != "" || c.parts[r.Trace] {
			continue
		}
		c.parts[r.Trace] = true
		for _, e := range c.mail.order {
			if _, known := c.traces(e)[c.account.Destination.Recipients[0]][r.Trace]; known {
				e.again++
			}
		}
	}
}

// deletedEarly notes if a message is deleted before its time, where no clock was
// set. The lock of the messages is held.
func (c *chaos) deletedEarly(e *expected) {
	if d := c.account.Policy.KeepFor; c.odd && c.clock == nil && !c.keepingEdited && d > 0 && (e.since.IsZero() || c.now.Now().Sub(e.since) < d) {
		e.wrong = append(e.wrong, "it is deleted "+c.now.Now().Sub(e.since).String()+" after it arrived, want no less than "+d.String())
	}
}

// newUIDs is called before messages get new UIDs: of those that count as seen and
// that only their UIDs identify, nobody can tell that.
func (c *chaos) newUIDs(list ...pop3test.Message) {
	if len(list) == 0 {
		return
	}
	prints := make(map[string]bool) // the value: there is a size beside it
	for _, r := range c.rows() {
		prints[r.Fingerprint] = prints[r.Fingerprint] || r.Size >= 0
	}
	for _, m := range list {
		// Without a Received line a header identifies a message only together with its
		// size, which is not known if it was skipped in a listing without sizes.
		weak := !strings.Contains(string(m.Octets), "\nReceived:") && !strings.HasPrefix(string(m.Octets), "Received:")
		sized, known := prints[fingerprint(m.Octets)]
		c.mail.change(m.Octets, func(e *expected) { e.forgotten = e.forgotten || !known || weak && (c.resized || !sized) })
	}
}

// fingerprint is that of a message's header.
func fingerprint(octets []byte) string {
	n := message.NewNormalizer(discard{})
	_, _ = n.Write(octets)
	_ = n.Close()
	return n.Header().Fingerprint()
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func byUID(list []*ledger.Record) map[string][]*ledger.Record {
	out := make(map[string][]*ledger.Record)
	for _, r := range list {
		out[r.UID] = append(out[r.UID], r)
	}
	return out
}
