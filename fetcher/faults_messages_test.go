package fetcher_test

import (
	"fmt"
	"strings"
	"sync"

	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// messages are all messages that were ever in the mailbox.
type messages struct {
	rng   *rng
	plain bool // each has a UID of its own and a header to tell it by
	alike bool // most have one size, and many a UID that others had before

	mu       sync.Mutex
	byUID    map[string][]*expected
	byOctets map[string]*expected
	order    []*expected
	uids     []string
	sizes    map[int]bool
}

// expected is what is known of messages with the same octets.
type expected struct {
	name string
	want string // what has to arrive behind the trace lines
	last string // UID of the last copy

	copies     int  // that were ever there
	shared     bool // some of them had the same UID: they count as one
	anew       bool // its UID was that of others too
	removed    int  // by other clients
	deleted    int  // by DELE
	renumbered int  // got another UID
	stumps     map[int]bool
	wrong      []string
}

func (f *expected) String() string {
	return fmt.Sprintf("%d copies (of one UID: %v), %d removed by others, %d deleted, %d renumbered", f.copies, f.shared, f.removed, f.deleted, f.renumbered)
}

// add puts new messages into the mailbox.
func (c *chaos) add(n int) {
	for range n {
		c.pop.Add("leo", c.mail.next())
	}
}

// next is a new message; sometimes a second copy, or under a UID of another.
func (l *messages) next() pop3test.Message {
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rng
	uid := fmt.Sprintf("uid-%d", len(l.uids)+1)
	l.uids = append(l.uids, uid)
	if len(l.order) > 0 && r.one(8) {
		f := l.order[r.n(len(l.order))]
		if f.shared = f.shared || !l.plain && r.one(2); f.shared {
			uid = f.last
		}
		f.copies++
		l.has(uid, f)
		return pop3test.Message{UID: uid, Octets: []byte(l.octets(f))}
	}
	plain := l.plain || !r.one(8)
	if plain && !l.plain && (r.one(8) || l.alike && r.one(2)) {
		uid = l.uids[r.n(len(l.uids))]
	}
	octets, want := l.write(len(l.order)+1, plain)
	f := &expected{name: fmt.Sprint("m", len(l.order)+1), want: want, copies: 1, stumps: make(map[int]bool)}
	l.has(uid, f)
	l.byOctets[octets] = f
	l.order = append(l.order, f)
	return pop3test.Message{UID: uid, Octets: []byte(octets)}
}

// has notes that a message has a UID.
func (l *messages) has(uid string, f *expected) {
	f.last = uid
	l.byUID[uid] = append(l.byUID[uid], f)
	for _, g := range l.byUID[uid] {
		f.anew = f.anew || f != g
		g.anew = g.anew || f != g
	}
}

func (l *messages) octets(f *expected) string {
	for o, g := range l.byOctets {
		if f == g {
			return o
		}
	}
	return ""
}

// write makes up a message, and what of it has to arrive. Its size is its own
// unless all are alike.
func (l *messages) write(n int, plain bool) (octets, want string) {
	r := l.rng
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
	lines = append(lines, "")
	for range r.n(oneOf(r, 2, 10, 300)) {
		lines = append(lines, oneOf(r, "", ".", "..", ".dot", "a line of text", "8-bit \xe4\xf6", "bare\rCR", "From here", strings.Repeat("long ", 200)))
	}
	lines = append(lines, "end")
	if k := 700 - size(lines); l.alike && k >= 0 {
		lines[len(lines)-1] += strings.Repeat("x", k)
		octets = strings.Join(lines, "\r\n") + "\r\n"
		return octets, octets
	}
	for l.sizes[size(lines)/8] { // also with line ends and a Return-Path of other lengths
		lines[len(lines)-1] += "........"
	}
	l.sizes[size(lines)/8] = true
	end := "\r\n"
	if r.one(6) {
		end = "\n"
	}
	octets, want = strings.Join(lines, end), strings.Join(lines, "\r\n")+"\r\n"
	if end == "\n" {
		want = strings.ReplaceAll(strings.ReplaceAll(octets, "\r\n", "\n"), "\n", "\r\n") + "\r\n"
	}
	if r.one(3) {
		octets = "Return-Path: <bounce@example.org>\r\n" + octets
	}
	if !r.one(4) {
		octets += "\r\n"
	}
	return octets, want
}

func size(lines []string) int { return len(strings.Join(lines, "\r\n")) }

func (l *messages) removed(octets []byte) { l.change(octets, func(f *expected) { f.removed++ }) }

func (l *messages) renumbered(octets []byte) { l.change(octets, func(f *expected) { f.renumbered++ }) }

func (l *messages) change(octets []byte, do func(*expected)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	do(l.byOctets[string(octets)])
}

// stump tells whether a message may come with only so many octets, and an end
// behind them: once each. Twice the same counts as whole.
func (l *messages) stump(octets []byte, n int) (ok bool) {
	l.change(octets, func(f *expected) {
		ok = n > 0 && n < listed(octets) && !f.stumps[n]
		f.stumps[n] = true
	})
	return ok
}
