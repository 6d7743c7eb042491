package mailbox

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// wanted is the message of a name, forwarded before, with the only row under its
// UID.
func wanted(name string) *Wanted {
	octets := octetsOf(name)
	row := ledger.Known{
		ID: 1, UID: "uid-" + name, State: ledger.Forwarded, Size: int64(len(octets)),
		Fingerprint: message.ParseHeader([]byte(octets)).Fingerprint(), ForwardedAt: noon,
	}
	return &Wanted{Known: row, Rows: []ledger.Known{row}}
}

func (f *fixture) show(m *Wanted) (string, error) {
	f.t.Helper()
	var out strings.Builder
	err := Show(f.t.Context(), f.conf.Source, identify.Policy{Keep: true}, *m, &out)
	return out.String(), err
}

func TestShowWritesTheServersOctetsAndChangesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.add("m1", "m2")
	got, err := f.show(wanted("m2"))
	if want := octetsOf("m2"); err != nil || got != want {
		t.Errorf("shown: %q, error %v; want %q, none", got, err, want)
	}
	if got := len(f.pop.Messages("leo")); got != 2 {
		t.Errorf("%d messages are left on the server, want 2", got)
	}
	f.wantSent(nil, "DELE")
	if commands := f.pop.Commands("leo"); commands[len(commands)-1] != "QUIT" {
		t.Errorf("commands: %q, want QUIT last", commands)
	}
}

// A UID alone does not show which message is meant.
func TestShowFindsTheMessageThatTheLedgerMeans(t *testing.T) {
	t.Parallel()
	one, two := octetsOf("m1"), octetsOf("m2")
	longer := one + "one more line\r\n"
	for name, test := range map[string]struct {
		now    []string // the messages under the UID now
		noTop  bool
		change func(*Wanted)
		want   string
		err    error
	}{
		"gone":                           {err: ErrNotListed},
		"another size, the same header":  {now: []string{longer}, want: longer},
		"another message":                {now: []string{two + "longer\r\n"}, err: ErrAnother},
		"another message of its size":    {now: []string{two}, change: deleted, err: ErrAnother},
		"deleted, and back":              {now: []string{one}, change: deleted, want: one},
		"two with one UID":               {now: []string{two, one}, want: one},
		"two with one UID, without TOP":  {now: []string{two, one}, noTop: true, want: one},
		"two rows under one UID":         {now: []string{one}, change: secondRow, want: one},
		"two rows, and another is there": {now: []string{two}, change: secondRow, err: ErrAnother},
		"looking would hide it":          {now: []string{one}, change: expires, err: ErrLookHides},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
				if test.noTop && verb == "TOP" {
					s.Err("no")
				}
				return test.noTop && verb == "TOP"
			})
			for _, octets := range test.now {
				f.pop.Add("leo", pop3test.Message{UID: "uid-m1", Octets: []byte(octets)})
			}
			m := wanted("m1")
			if test.change != nil {
				test.change(m)
			}
			if got, err := f.show(m); !errors.Is(err, test.err) || got != test.want {
				t.Errorf("shown: %q, error %v; want %q, %v", got, err, test.want, test.err)
			}
		})
	}
}

func deleted(m *Wanted) { m.DeletedAt = noon.Add(time.Hour) }

func secondRow(m *Wanted) { m.Rows = append(m.Rows, ledger.Known{UID: m.UID, Generation: 1}) }

// expires keeps CAPA from being asked, so that what was learnt before counts.
func expires(m *Wanted) { m.Server.NoCAPA.Prove(true, noon); m.Server.Expires.See(true, noon) }

func TestShowOfABrokenMessageIsErrPart(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb == "RETR" {
			s.Write("+OK\r\nhalf a mess")
			s.Close()
		}
		return verb == "RETR"
	})
	f.add("m1")
	got, err := f.show(wanted("m1"))
	atStep(t, err, StepRetr)
	if want := "half a mess"; !errors.Is(err, ErrPart) || got != want {
		t.Errorf("shown: %q, error %v; want %q, %v", got, err, want, ErrPart)
	}
}

// It is not an error of the source.
func TestShowReturnsTheErrorOfItsWriter(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.add("m1")
	err := Show(t.Context(), f.conf.Source, identify.Policy{Keep: true}, *wanted("m1"), full{})
	var source *Error
	if !errors.Is(err, io.ErrShortWrite) || errors.As(err, &source) {
		t.Errorf("error %v, want %v and not an *Error", err, io.ErrShortWrite)
	}
}

// full is a writer that takes nothing.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, io.ErrShortWrite }
