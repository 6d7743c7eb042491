package fetcher_test

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// hider is a server that gives each message once.
type hider struct {
	*chaos
	says   bool // EXPIRE 0
	atRETR bool // the message is deleted at RETR; else at QUIT
	capa   bool // it knows CAPA also before it hides anything
	hides  atomic.Bool

	mu     sync.Mutex         // a session that was left behind may still end
	facts  ledger.ServerFacts // the last that the ledger knew of hiding: nothing contradicts them
	given  map[int][]string   // UIDs, by session
	told   map[int]bool       // sessions that were told
	next   int                // the first session of this poll
	hidden []hidden           // in this poll
}

// hidden is a message that the server does not show any more.
type hidden struct {
	octets  []byte
	known   bool // popferry could know that it would be
	session int
}

func joinHiding(c *chaos, r *rng) {
	h := &hider{chaos: c, says: r.one(2), atRETR: r.one(3), given: make(map[int][]string), told: make(map[int]bool)}
	c.names = append(c.names, fmt.Sprintf("hides (says so: %v, deletes at RETR: %v)", h.says, h.atRETR))
	if h.hides.Store(!r.one(3)); !h.hides.Load() { // not yet
		h.says, h.capa = true, r.one(2) // else nobody could know
		c.asked = true
		c.events = append(c.events, func() { h.hides.Store(h.hides.Load() || r.one(4)) })
	}
	c.mail.dots, c.mail.whole = false, true // a part of what comes once is better than nothing, and is sent
	c.answers = append(c.answers, h.handle)
	c.quits = append(c.quits, h.quit)
	c.before = append(c.before, h.readFacts)
	c.after = append(c.after, h.settle)
	c.restore = append(c.restore, func([]*ledger.Record) { h.forget() })
	c.renames = append(c.renames, h.forget)
}

// forget drops what the ledger knew of the server.
func (h *hider) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.facts = ledger.ServerFacts{}
}

// readFacts notes what the ledger knows of the server.
func (h *hider) readFacts() {
	next := h.pop.Sessions() + 1
	rows, err := h.store.Accounts(h.t.Context())
	must(h.t, err)
	is := rows[0].Server
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next = next
	if is.RetrHides.Value {
		h.facts.RetrHides = is.RetrHides
	}
	if is.Expires.Value {
		h.facts.Expires = is.Expires
	}
}

// known reports whether popferry could know in a session what the server does, because it
// was told or had to ask. The hider is locked.
func (h *hider) known(s *pop3test.Session) bool {
	return h.told[s.Number] || h.asked || h.facts.Expires.Get(h.now.Now()) || h.facts.RetrHides.Get(h.now.Now())
}

func (h *hider) handle(s *pop3test.Session, verb, arg string) bool {
	m := s.Message(arg)
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case verb == "CAPA" && !h.hides.Load() && !h.capa:
		s.Err("unknown command")
		return true
	case !h.hides.Load():
		return false
	case verb == "CAPA" && h.says:
		h.told[s.Number] = true
		s.Lines("capabilities", "USER", "UIDL", "TOP", "PIPELINING", "EXPIRE 0")
		return true
	case m == nil || verb != "RETR":
		return false
	case h.atRETR && slices.Contains(h.given[s.Number], m.UID):
		s.Err("no such message")
		return true
	}
	h.given[s.Number] = append(h.given[s.Number], m.UID)
	if !h.atRETR {
		return false
	}
	s.OK("")
	s.SendBody(bytes.NewReader(m.Octets), -1)
	h.hide(s)
	return true
}

func (h *hider) quit(s *pop3test.Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !h.atRETR && h.hides.Load() {
		h.hide(s)
	}
}

// hide takes what a session was given out of the mailbox.
func (h *hider) hide(s *pop3test.Session) {
	known := h.known(s)
	h.pop.Change("leo", func(ms []pop3test.Message) []pop3test.Message {
		return slices.DeleteFunc(ms, func(m pop3test.Message) bool {
			if !slices.Contains(h.given[s.Number], m.UID) {
				return false
			}
			h.hidden = append(h.hidden, hidden{m.Octets, known, s.Number})
			return true
		})
	})
}

// settle judges what was hidden in a poll: it has arrived, or there is a copy, or
// nobody could know. What a server deletes at RETR may be lost on its way, too.
func (h *hider) settle(r fetcher.Result) {
	h.mu.Lock()
	list, first := h.hidden, h.next
	h.hidden = nil
	h.mu.Unlock()
	copies := h.copiedOctets()
	for _, m := range list {
		h.mail.change(m.octets, func(e *expected) {
			if h.arrived(e) || e.copied(copies) {
				return
			}
			e.lost = true
			if m.known && (!h.atRETR || r.Err == nil && m.session >= first) { // else the client of that session is gone
				e.wrong = append(e.wrong, "the server gave it for the last time, which was known, and there is no copy")
			}
		})
	}
}

// arrived reports whether a message has arrived at each recipient.
func (c *chaos) arrived(e *expected) bool {
	for _, traces := range c.traces(e) {
		if len(traces) == 0 {
			return false
		}
	}
	return true
}

// copiedOctets are the contents of the retained copies, by file.
func (c *chaos) copiedOctets() map[string][]byte {
	out := make(map[string][]byte)
	for _, path := range c.copies() {
		octets, err := os.ReadFile(path)
		must(c.t, err)
		out[path] = octets
	}
	return out
}

// copied reports whether a message is among the copies.
func (e *expected) copied(copies map[string][]byte) bool {
	for _, octets := range copies {
		if bytes.HasSuffix(octets, []byte(e.want)) {
			return true
		}
	}
	return false
}

// heldCopies counts the retained copies of a message that the user has to decide
// about: those of held messages, and those of which the ledger knows nothing, because
// it was set back or failed when their rows were to be written. popferry names them.
func (c *chaos) heldCopies(e *expected) int {
	n := 0
	rows := make(map[string]*ledger.Record)
	for _, r := range c.rows() {
		if r.CopyFile != "" {
			rows[c.copyDir+"/"+r.CopyFile] = r
		}
	}
	for path, octets := range c.copiedOctets() {
		r := rows[path]
		if !bytes.HasSuffix(octets, []byte(e.want)) {
			continue
		}
		if r == nil || r.State == ledger.Held || r.State == ledger.Skipped {
			n++
		}
	}
	return n
}
