package fetcher_test

import (
	"fmt"
	"strings"
	"sync"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// messages are all messages that were ever in the mailbox, told by their octets.
type messages struct {
	rng   *rng
	plain bool // each has a UID of its own and a header to tell it by
	alike bool // most have one size, and many a UID that others had before
	once  bool // none comes a second time
	whole bool // none is sent in part as if that were all
	dots  bool // some are sent so that they look as if they ended at once

	delivered bool // the header says to whom, in some of them

	mu       sync.Mutex
	byUID    map[string][]*expected
	byOctets map[string]*expected
	order    []*expected
	uids     []string
	sizes    map[int]bool // as they are listed
}

// expected is what is known of messages with the same octets.
type expected struct {
	name string
	want string // what has to arrive behind the trace lines
	last string // UID of the last copy

	copies     int  // that were ever there
	shared     bool // some of them had the same UID: they count as one
	reused     bool // its UID was that of others too
	unique     bool // its header identifies it
	undoubled  bool // it is sent with a first line "." that is not doubled
	removed    int  // by other clients
	deleted    int  // by DELE
	renumbered int  // got another UID
	stumps     map[int]bool
	wrong      []string
	fate
}

func (e *expected) String() string {
	return fmt.Sprintf("%d copies (of one UID: %v), %d removed by others, %d deleted, %d renumbered", e.copies, e.shared, e.removed, e.deleted, e.renumbered)
}

// add puts new messages into the mailbox.
func (c *chaos) add(n int) {
	for range n {
		c.pop.Add("leo", c.mail.next())
	}
}

// next is a new message; sometimes a second copy, or under a UID of another.
func (m *messages) next() pop3test.Message {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rng
	uid := fmt.Sprintf("uid-%d", len(m.uids)+1)
	m.uids = append(m.uids, uid)
	if len(m.order) > 0 && !m.once && r.one(8) {
		e := m.order[r.n(len(m.order))]
		if e.shared = e.shared || !m.plain && r.one(2); e.shared {
			uid = e.last
		}
		e.copies++
		m.has(uid, e)
		return pop3test.Message{UID: uid, Octets: []byte(m.octets(e))}
	}
	plain := m.plain || !r.one(8)
	if plain && !m.plain && (r.one(8) || m.alike && r.one(2)) {
		uid = m.uids[r.n(len(m.uids))]
	}
	octets, want := m.write(len(m.order)+1, plain)
	e := &expected{name: fmt.Sprint("m", len(m.order)+1), want: want, copies: 1, stumps: make(map[int]bool), unique: plain, undoubled: m.dots && r.one(5)}
	m.has(uid, e)
	m.byOctets[octets] = e
	m.order = append(m.order, e)
	return pop3test.Message{UID: uid, Octets: []byte(octets)}
}

// freshUID is one that no message had.
func (m *messages) freshUID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.uids = append(m.uids, fmt.Sprintf("uid-%d", len(m.uids)+1))
	return m.uids[len(m.uids)-1]
}

// name is that of a message with these octets.
func (m *messages) name(octets string) (name string) {
	m.change([]byte(octets), func(e *expected) { name = e.name })
	return name
}

// has notes that a message has a UID.
func (m *messages) has(uid string, e *expected) {
	e.last = uid
	m.byUID[uid] = append(m.byUID[uid], e)
	for _, other := range m.byUID[uid] {
		e.reused = e.reused || e != other
		other.reused = other.reused || e != other
	}
}

func (m *messages) octets(e *expected) string {
	for octets, other := range m.byOctets {
		if e == other {
			return octets
		}
	}
	return ""
}

// write makes up a message, and what of it has to arrive. Its size is its own
// unless all are alike.
func (m *messages) write(n int, plain bool) (octets, want string) {
	r := m.rng
	lines := []string{fmt.Sprintf("Subject: letter %d", n)}
	if plain {
		lines = append(lines, fmt.Sprintf("Message-ID: <%d@example.org>", n), "Date: Sun, 22 Nov 2026 10:00:00 +0000", "From: =?utf-8?q?J=C3=BCrgen?= <j@example.org>")
		for range r.n(3) {
			lines = append([]string{"Received: from a.example\r\n\tby mx.example; Sun, 22 Nov 2026 10:00:00 +0000"}, lines...)
		}
	}
	if r.one(4) {
		lines = append(lines, oneOf(r, "X-Junk", "Return-Path: <further@down.example>", "message-id :", "X-Eight: \xfc\xff", "X-Long: "+strings.Repeat("x", 1200)))
	}
	if m.delivered && !r.one(4) {
		lines = append([]string{fmt.Sprintf("%s: box-%d@example.%s", oneOf(r, "Delivered-To", "X-Original-To", "X-Box"), r.n(3), oneOf(r, "org", "net"))}, lines...)
	}
	lines = append(lines, "")
	for range r.n(oneOf(r, 2, 10, 300)) {
		lines = append(lines, oneOf(r, "", ".", "..", ".dot", "a line of text", "8-bit \xe4\xf6", "bare\rCR", "From here", strings.Repeat("long ", 200)))
	}
	lines = append(lines, "end")
	if k := 700 - size(lines); m.alike && k >= 0 {
		lines[len(lines)-1] += strings.Repeat("x", k)
		octets = strings.Join(lines, "\r\n") + "\r\n"
		return octets, octets
	}
	end := "\r\n"
	if r.one(6) {
		end = "\n"
	}
	returnPath, last := r.one(3), !r.one(4)
	for {
		octets, want = compose(lines, end, returnPath, last)
		if !m.sizes[listed([]byte(octets))] {
			break
		}
		lines[len(lines)-1] += "........"
	}
	m.sizes[listed([]byte(octets))] = true
	return octets, want
}

// compose makes a message of its lines, and what of it has to arrive. last reports
// whether the last line has an end.
func compose(lines []string, end string, returnPath, last bool) (octets, want string) {
	octets, want = strings.Join(lines, end), strings.Join(lines, "\r\n")+"\r\n"
	if end == "\n" {
		want = strings.ReplaceAll(strings.ReplaceAll(octets, "\r\n", "\n"), "\n", "\r\n") + "\r\n"
	}
	if returnPath {
		octets = "Return-Path: <bounce@example.org>\r\n" + octets
	}
	if last {
		octets += "\r\n"
	}
	return octets, want
}

func size(lines []string) int { return len(strings.Join(lines, "\r\n")) }

func (m *messages) removed(octets []byte) { m.change(octets, func(e *expected) { e.removed++ }) }

func (m *messages) renumbered(octets []byte) { m.change(octets, func(e *expected) { e.renumbered++ }) }

func (m *messages) change(octets []byte, do func(*expected)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	do(m.byOctets[string(octets)])
}

// undoubled reports whether a message is never sent whole.
func (m *messages) undoubled(octets []byte) (is bool) {
	m.change(octets, func(e *expected) { is = e.undoubled })
	return is
}

// stump reports whether a message may come with only so many octets, and an end
// behind them: once each, for twice the same counts as whole, and fewer than are
// listed, for else nobody can tell.
func (m *messages) stump(octets []byte, n, size int) (ok bool) {
	m.change(octets, func(e *expected) {
		ok = !m.whole && n > 0 && n < min(size, listed(octets)) && !e.stumps[n]
		e.stumps[n] = true
	})
	return ok
}
