package pop3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
)

// Entry is one message of a mailbox's listing.
type Entry struct {
	Number int    // from 1, valid in this session only
	UID    string // raw octets, as the server sent them; "" if it gave none
	Size   int64  // octets as the server counts them, often wrong; -1: not listed
}

// Listing is the result of Client.Listing.
type Listing struct {
	Entries    []Entry // in ascending order of their numbers, each number once
	Malformed  int     // lines that could not be parsed
	Single     bool    // some UIDs are from UIDL n, because UIDL left them out
	WithoutUID int     // messages that only LIST has: which ones they are is not known
}

// List returns numbers and sizes (RFC 1939 section 5), in ascending order.
// Malformed lines are left out.
func (c *Client) List(ctx context.Context) ([]Entry, error) {
	var t table
	err := c.list(ctx, "LIST", func(line []byte) {
		n, rest, ok := parseEntry(line)
		if !ok {
			t.malformed++
			return
		}
		t.add(n, nil, listedSize(rest))
	})
	if err != nil {
		return nil, err
	}
	t.order()
	return t.entries, nil
}

// Listing returns the messages by UIDL, with their sizes by LIST. UIDL decides
// which messages there are; where LIST contradicts it, is refused or lacks a
// message, sizes are -1. A line of UIDL with only a number is a message without
// a UID if LIST has it too, else it is malformed. Messages that only LIST has are
// asked for one by one (UIDL n), some of them; if UIDL has none at all and LIST
// has, that is a *ProtocolError. A server without UIDL gives an ErrNoUIDL; use List
// then. Memory is what the entries take, up to Options.MaxListing.
func (c *Client) Listing(ctx context.Context) (Listing, error) {
	t, err := c.uidl(ctx)
	if err != nil {
		return Listing{}, err
	}
	var onlyList []Entry
	without, garbled := 0, t.malformed
	err = c.list(ctx, "LIST", func(line []byte) {
		n, rest, ok := parseEntry(line)
		if !ok {
			t.malformed++
			return
		}
		switch e := t.find(n); {
		case e == nil && len(onlyList) == maxSingleUIDL:
			without++
		case e == nil:
			onlyList = append(onlyList, Entry{Number: n, Size: listedSize(rest)})
		case e.Size < 0:
			e.Size = listedSize(rest)
		}
	})
	if refused := (*Error)(nil); err != nil && !errors.As(err, &refused) {
		return Listing{}, err
	}
	without += min(garbled, t.malformed-garbled) // the same message, perhaps: neither command names it
	all := len(t.entries)
	t.entries = slices.DeleteFunc(t.entries, func(e Entry) bool { return e.UID == "" && e.Size < 0 })
	l := Listing{Entries: t.entries, Malformed: t.malformed + all - len(t.entries), WithoutUID: without}
	if err := c.complete(ctx, &l, onlyList); err != nil {
		return Listing{}, err
	}
	return l, nil
}

// maxSingleUIDL is how many messages that UIDL left out are asked for one by one.
const maxSingleUIDL = 100

// complete adds to a listing the messages that only LIST has, as far as UIDL n
// tells their UIDs.
func (c *Client) complete(ctx context.Context, l *Listing, onlyList []Entry) error {
	for _, e := range onlyList {
		uid, err := c.UID(ctx, e.Number)
		if refused := (*Error)(nil); err != nil && !errors.As(err, &refused) {
			return err
		}
		if e.UID = uid; uid == "" {
			l.WithoutUID++
			continue
		}
		l.Entries, l.Single = append(l.Entries, e), true
	}
	if l.WithoutUID > 0 && len(l.Entries) == 0 {
		return &ProtocolError{Command: "UIDL", Text: fmt.Sprintf("it lists no message, and LIST lists %d", l.WithoutUID)}
	}
	slices.SortFunc(l.Entries, func(a, b Entry) int { return a.Number - b.Number })
	return nil
}

// UID asks for the UID of one message (UIDL n, RFC 1939 section 7). It is "" if the
// reply has none. A refusal is an *Error.
func (c *Client) UID(ctx context.Context, n int) (string, error) {
	cmd := verbNumber("UIDL", n)
	r, err := c.roundTrip(ctx, cmd, cmd)
	if err != nil {
		return "", err
	}
	number, uid, ok := parseEntry([]byte(r.text))
	if !ok || number != n {
		return "", nil
	}
	return string(uid), nil
}

// UIDs asks once more which message has which UID (RFC 1939 section 7). Entries
// are in ascending order and have no sizes.
func (c *Client) UIDs(ctx context.Context) ([]Entry, error) {
	t, err := c.uidl(ctx)
	if err != nil {
		return nil, err
	}
	return t.entries, nil
}

// uidl reads UIDL (RFC 1939 section 7) into a table in order, lines without a
// UID included.
func (c *Client) uidl(ctx context.Context) (*table, error) {
	t := &table{}
	err := c.list(ctx, "UIDL", func(line []byte) {
		n, uid, ok := parseEntry(line)
		if !ok {
			t.malformed++
			return
		}
		t.add(n, uid, -1)
	})
	if refused := (*Error)(nil); errors.As(err, &refused) {
		return nil, noUIDL(refused)
	}
	if err != nil {
		return nil, err
	}
	t.order()
	return t, nil
}

// noUIDL is the error for a refused UIDL. A server that is locked or overloaded
// may well have UIDL, so a refusal for such a temporary reason does not count as
// having none.
func noUIDL(refused *Error) error {
	switch refused.Kind() {
	case KindLocked, KindTooOften, KindTemporary, KindCredentials:
		return refused
	}
	return fmt.Errorf("%w: %w", ErrNoUIDL, refused)
}

// list sends LIST or UIDL and calls f with each line of the reply.
func (c *Client) list(ctx context.Context, verb string, f func(line []byte)) error {
	release, err := c.acquire(ctx, verb)
	if err != nil {
		return err
	}
	defer release()
	if _, err := c.exchange(pending{name: verb}, verb); err != nil {
		return err
	}
	c.wire.enforceRate()
	defer c.wire.ignoreRate()
	return c.lines(verb, c.o.budget(verb), f)
}

// lines reads the lines of a multi-line reply up to its final dot (RFC 1939
// section 3), within its budget, and calls f with each of them.
func (c *Client) lines(name string, b budget, f func(line []byte)) error {
	defer c.wire.within(b.time)()
	for n := 0; ; n++ {
		line, err := c.readLine(name)
		c.traceLine(n, line)
		switch {
		case err != nil:
			return err
		case len(line) == 1 && line[0] == '.':
			return nil
		}
		if broken := b.spend(len(line) + len("\r\n")); broken != "" {
			return c.fail(&ProtocolError{Command: name, Text: broken, Budget: b.name})
		}
		f(bytes.TrimPrefix(line, []byte(".")))
	}
}

// parseEntry splits a line of LIST or UIDL into the message's number and the
// rest, which may be empty, contain spaces and consist of any octets. ok reports
// whether the line begins with a number above 0. RFC 1939 requires one space
// between the two; several, tabs, and trailing ones have been seen.
func parseEntry(line []byte) (n int, rest []byte, ok bool) {
	if len(line) > maxText {
		return 0, nil, false
	}
	first, rest := word(trim(line))
	n, ok = number(first)
	return n, trim(rest), ok && n > 0 // a stray CR may be between them, too
}

// trim removes spaces, tabs and stray CRs from both ends of a line.
func trim(b []byte) []byte {
	for len(b) > 0 && (blank(b[0]) || b[0] == '\r') {
		b = b[1:]
	}
	for len(b) > 0 && (blank(b[len(b)-1]) || b[len(b)-1] == '\r') {
		b = b[:len(b)-1]
	}
	return b
}

// word splits after the first word and the blanks behind it. Words are so short
// that this is faster than the functions of package bytes.
func word(b []byte) (first, rest []byte) {
	end := 0
	for end < len(b) && !blank(b[end]) {
		end++
	}
	next := end
	for next < len(b) && blank(b[next]) {
		next++
	}
	return b[:end], b[next:]
}

// blank reports whether c separates words.
func blank(c byte) bool { return c == ' ' || c == '\t' }

// listedSize is the size that the rest of a line of LIST begins with, or -1.
func listedSize(rest []byte) int64 {
	first, _ := word(rest)
	n, ok := size(first)
	if !ok {
		return -1
	}
	return n
}

// number parses a message number, 0 to 2^31-1.
func number(b []byte) (int, bool) {
	n, ok := size(b)
	if !ok || n > math.MaxInt32 {
		return 0, false
	}
	return int(n), true
}

// size parses a number of octets: digits only, at most 2^63-1.
func size(b []byte) (int64, bool) {
	var n int64
	for _, d := range b {
		if d < '0' || d > '9' || n > (math.MaxInt64-9)/10 {
			return 0, false
		}
		n = n*10 + int64(d-'0')
	}
	return n, len(b) > 0
}
