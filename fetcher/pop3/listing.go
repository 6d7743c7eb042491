package pop3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
)

// Entry is one message of a mailbox's listing.
type Entry struct {
	Number int    // from 1, good in this session only
	UID    string // raw octets, as the server sent them; "" if it gave none
	Size   int64  // octets as the server counts them, often wrong; -1: it did not tell
}

// Listing is what Client.Listing returns.
type Listing struct {
	Entries []Entry // in ascending order of their numbers, each number once
	Junk    int     // lines that could not be read
}

// List returns numbers and sizes (RFC 1939 section 5), in ascending order.
// Lines that cannot be read are left out.
func (c *Client) List(ctx context.Context) ([]Entry, error) {
	var t table
	err := c.list(ctx, "LIST", func(line []byte) error {
		n, rest, ok := parseEntry(line)
		if !ok {
			t.junk++
			return nil
		}
		return t.add(n, nil, listedSize(rest), c.o.MaxEntries)
	})
	if err != nil {
		return nil, err
	}
	t.order()
	return t.entries, nil
}

// Uidl returns numbers and unique ids (RFC 1939 section 7), in ascending order
// and with Size -1. Lines that cannot be read are left out. A server without
// UIDL gives an ErrNoUIDL.
func (c *Client) Uidl(ctx context.Context) ([]Entry, error) {
	t, err := c.uidl(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(t.entries, func(e Entry) bool { return e.UID == "" }), nil
}

// Listing returns the messages by UIDL, with their sizes by LIST. UIDL decides
// which messages there are; where LIST contradicts, refuses or leaves out,
// sizes are -1. A line of UIDL with a number only is a message without a UID
// if LIST knows it too, else junk. A server without UIDL gives an ErrNoUIDL;
// use List then. Memory is what the entries take, up to Options.MaxEntries.
func (c *Client) Listing(ctx context.Context) (Listing, error) {
	t, err := c.uidl(ctx)
	if err != nil {
		return Listing{}, err
	}
	err = c.list(ctx, "LIST", func(line []byte) error {
		if n, rest, ok := parseEntry(line); !ok {
			t.junk++
		} else if e := t.find(n); e != nil && e.Size < 0 {
			e.Size = listedSize(rest)
		}
		return nil
	})
	if refused := (*Error)(nil); err != nil && !errors.As(err, &refused) {
		return Listing{}, err
	}
	with := len(t.entries)
	t.entries = slices.DeleteFunc(t.entries, func(e Entry) bool { return e.UID == "" && e.Size < 0 })
	return Listing{Entries: t.entries, Junk: t.junk + with - len(t.entries)}, nil
}

// uidl reads UIDL into a table in order, lines without a UID included.
func (c *Client) uidl(ctx context.Context) (*table, error) {
	t := &table{}
	err := c.list(ctx, "UIDL", func(line []byte) error {
		n, uid, ok := parseEntry(line)
		if !ok {
			t.junk++
			return nil
		}
		return t.add(n, uid, -1, c.o.MaxEntries)
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

// noUIDL is the error for a refused UIDL. A server that is locked or wants to
// be left alone may well have UIDL, so only what is no passing trouble counts
// as having none.
func noUIDL(refused *Error) error {
	switch refused.Kind() {
	case KindLocked, KindTooOften, KindTemporary, KindCredentials:
		return refused
	}
	return fmt.Errorf("%w: %w", ErrNoUIDL, refused)
}

// list sends LIST or UIDL and hands on each line of the answer.
func (c *Client) list(ctx context.Context, verb string, f func(line []byte) error) error {
	leave, err := c.enter(ctx, verb)
	if err != nil {
		return err
	}
	defer leave()
	if _, err := c.exchange(pending{name: verb}, verb); err != nil {
		return err
	}
	c.wire.pace()
	defer c.wire.unpace()
	return c.lines(verb, c.o.MaxEntries, f)
}

// lines reads the lines of a multi-line reply up to its final dot (RFC 1939
// section 3), at most limit of them. An error of f is the server's fault.
func (c *Client) lines(name string, limit int, f func(line []byte) error) error {
	for n := 0; ; n++ {
		line, err := c.readLine(name)
		c.traceLine(n, line)
		switch {
		case err != nil:
			return err
		case len(line) == 1 && line[0] == '.':
			return nil
		case n >= limit:
			return c.fail(&ProtocolError{Command: name, Text: fmt.Sprintf("more than %d lines", limit)})
		}
		if err := f(bytes.TrimPrefix(line, []byte("."))); err != nil {
			return c.fail(&ProtocolError{Command: name, Text: err.Error()})
		}
	}
}
