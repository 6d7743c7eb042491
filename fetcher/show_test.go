package fetcher_test

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/mailbox"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// show shows the message of a row, the first under its UID.
func (f *fixture) show(uid string, change func(*mailbox.Wanted)) (string, error) {
	f.t.Helper()
	var m mailbox.Wanted
	for _, r := range f.records() {
		if r.UID == uid {
			m.Rows = append(m.Rows, r.Known)
		}
	}
	m.Known = m.Rows[0]
	if change != nil {
		change(&m)
	}
	var out bytes.Buffer
	err := mailbox.Show(f.t.Context(), f.account.Source, f.account.Policy, m, &out)
	return out.String(), err
}

// TestShow: the octets are the server's, and nothing is changed by looking.
func TestShow(t *testing.T) {
	t.Parallel()
	f := newFixture(t, faults{})
	f.add("1", "2")
	f.poll()
	before := f.records()
	got, err := f.show("uid-2", nil)
	if want := string(octetsOf("2")); err != nil || got != want {
		t.Errorf("%v, %q, want %q", err, got, want)
	}
	if len(f.left()) != 2 || len(before) != len(f.records()) {
		t.Errorf("%v are left, %d rows", f.left(), len(f.records()))
	}
	commands := f.pop.Commands("leo")
	if commands[len(commands)-1] != "QUIT" || slices.ContainsFunc(commands, func(c string) bool { return strings.HasPrefix(c, "DELE") }) {
		t.Errorf("%q", commands)
	}
}

// TestShowInDoubt: a UID alone does not tell which message is meant.
func TestShowInDoubt(t *testing.T) {
	t.Parallel()
	one, two := octetsOf("1"), octetsOf("2")
	longer := append(octetsOf("1"), "one more line\r\n"...)
	for name, test := range map[string]struct {
		now    [][]byte // the messages under the UID now
		noTop  bool
		change func(*mailbox.Wanted)
		want   string
		err    error
	}{
		"gone":                             {err: mailbox.ErrNotListed},
		"another size, the same header":    {now: [][]byte{longer}, want: string(longer)},
		"another message":                  {now: [][]byte{append(two, "longer\r\n"...)}, err: mailbox.ErrAnother},
		"another message of its size":      {now: [][]byte{two}, change: deleted, err: mailbox.ErrAnother},
		"deleted, and back":                {now: [][]byte{one}, change: deleted, want: string(one)},
		"two with one UID":                 {now: [][]byte{two, one}, want: string(one)},
		"two with one UID, without TOP":    {now: [][]byte{two, one}, noTop: true, want: string(one)},
		"two rows under one UID":           {now: [][]byte{one}, change: secondRow, want: string(one)},
		"two rows, and another is there":   {now: [][]byte{two}, change: secondRow, err: mailbox.ErrAnother},
		"it would be gone for the looking": {now: [][]byte{one}, change: expires, err: mailbox.ErrLookHides},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
				if test.noTop && verb == "TOP" {
					s.Err("no")
				}
				return test.noTop && verb == "TOP"
			}})
			f.add("1")
			f.poll()
			f.pop.Change("leo", func([]pop3test.Message) (now []pop3test.Message) {
				for _, m := range test.now {
					now = append(now, pop3test.Message{UID: "uid-1", Octets: m})
				}
				return now
			})
			got, err := f.show("uid-1", test.change)
			if !errors.Is(err, test.err) || got != test.want {
				t.Errorf("%v, %q, want %v, %q", err, got, test.err, test.want)
			}
		})
	}
}

func deleted(m *mailbox.Wanted) { m.DeletedAt = time.Unix(1, 0) }

func secondRow(m *mailbox.Wanted) { m.Rows = append(m.Rows, ledger.Known{UID: m.UID, Generation: 1}) }

// expires keeps CAPA from being asked, so that what was learnt before counts.
func expires(m *mailbox.Wanted) { m.Server.NoCAPA, m.Server.Expires = true, true }

// TestShowFails: each failure is told for what it is.
func TestShowFails(t *testing.T) {
	t.Parallel()
	cut := false
	f := newFixture(t, faults{pop: func(s *pop3test.Session, verb, _ string) bool {
		if verb != "RETR" || !cut {
			return false
		}
		s.Write("+OK\r\nhalf a mess")
		s.Close()
		return true
	}})
	f.add("1")
	f.poll()
	cut = true
	var source *mailbox.Error
	if got, err := f.show("uid-1", nil); !errors.As(err, &source) || source.Step != mailbox.StepRetr || !errors.Is(err, mailbox.ErrPart) || got != "half a mess" {
		t.Errorf("cut: %v, %q", err, got)
	}
	cut = false
	known := f.record("uid-1").Known
	err := mailbox.Show(t.Context(), f.account.Source, f.account.Policy, mailbox.Wanted{Known: known, Rows: []ledger.Known{known}}, full{})
	if !errors.Is(err, io.ErrShortWrite) || errors.As(err, &source) {
		t.Errorf("nowhere to write to: %v", err)
	}
}

// full is a writer that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
