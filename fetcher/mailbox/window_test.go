package mailbox

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// listsSizes has LIST answer a size for each message.
func listsSizes(pop **pop3test.Server, size func(octets int) int) handler {
	return func(s *pop3test.Session, verb, arg string) bool {
		if verb != "LIST" || arg != "" {
			return false
		}
		var lines []string
		for i, m := range (*pop).Messages("leo") {
			lines = append(lines, strconv.Itoa(i+1)+" "+strconv.Itoa(size(len(m.Octets))))
		}
		s.Lines("sizes", lines...)
		return true
	}
}

// Each message comes once and whole, the first time and when it is known of the
// server.
func TestWrongSizesWhilePipeliningGiveWholeMessages(t *testing.T) {
	t.Parallel()
	for _, off := range []int{-7, 7} {
		t.Run(fmt.Sprint(off), func(t *testing.T) {
			t.Parallel()
			var pop *pop3test.Server
			f := newFixture(t, listsSizes(&pop, func(octets int) int { return octets + off }))
			pop = f.pop
			for _, names := range [][]string{numbered(30), {"x1", "x2", "x3", "x4"}} {
				f.add(names...)
				s := f.open()
				f.wantRetrieved(s, names...)
				if !f.conf.Facts.WrongSizes.Get(noon) {
					t.Error("wrong sizes are not noted, want them to be")
				}
				f.deleteAll(s)
			}
		})
	}
}

// Where a server refuses the sentinels behind messages with wrong sizes, nothing can
// be pipelined; that is not tried again with each message.
func TestRefusedSentinelsAreNotAskedForAgain(t *testing.T) {
	t.Parallel()
	const messages = 60
	f := newFixture(t, func(s *pop3test.Session, verb, arg string) bool {
		if arg == "" || verb != "UIDL" && verb != "LIST" {
			return false
		}
		s.Err("no arguments, please")
		return true
	})
	for _, n := range numbered(messages) {
		octets := []byte(octetsOf(n))
		f.pop.Add("leo", pop3test.Message{UID: "uid-" + n, Size: int64(len(octets) - 10), Open: func() io.Reader { return bytes.NewReader(octets) }})
	}
	f.wantRetrieved(f.open(), numbered(messages)...)
	// The window once for the first wrong size, and once for the first sentinel.
	if got := len(f.sent("RETR")); got > 3*messages {
		t.Errorf("RETR was sent %d times for %d messages, want at most %d", got, messages, 3*messages)
	}
}

// Also with sentinels between the messages.
func TestRefusedRETRWhilePipeliningIsAboutOneMessage(t *testing.T) {
	t.Parallel()
	var pop *pop3test.Server
	sizes := listsSizes(&pop, func(int) int { return 1 })
	f := newFixture(t, func(s *pop3test.Session, verb, arg string) bool {
		if verb == "RETR" && strings.HasSuffix(arg, "3") {
			s.Err("[SYS/PERM] cannot read it")
			return true
		}
		return sizes(s, verb, arg)
	})
	pop = f.pop
	f.add(numbered(30)...)
	for range 2 {
		s := f.open()
		s.Expect(s.Listing.Entries)
		for _, e := range s.Listing.Entries {
			if e.Number%10 != 3 {
				if got, want := f.retrieve(s, e), octetsOf(fmt.Sprint("m", e.Number)); got != want {
					t.Errorf("message %d: %q, want %q", e.Number, got, want)
				}
				continue
			}
			var refused *pop3.Error
			if _, err := s.Retrieve(t.Context(), e, nil); !errors.As(err, &refused) || s.Err() != nil {
				t.Fatalf("message %d: error %v, the session's %v; want a *pop3.Error, none", e.Number, err, s.Err())
			}
		}
	}
	if got := f.pop.MostWaiting(); got == 0 {
		t.Error("no command waited at the server, want RETR to be pipelined")
	}
}

// What is asked for there is gone.
func TestNothingIsPipelinedWhereRETRHides(t *testing.T) {
	t.Parallel()
	for name, expires := range map[string]bool{"as configured": false, "because it says so": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
				if verb == "CAPA" && expires {
					s.Lines("capabilities", "USER", "UIDL", "TOP", "PIPELINING", "EXPIRE 0")
				}
				return verb == "CAPA" && expires
			})
			f.conf.Source.Hides = !expires
			f.add(numbered(10)...)
			s := f.open()
			if !s.Hides() {
				t.Error("the server does not count as one that hides, want it to")
			}
			f.wantRetrieved(s, numbered(10)...)
			if s.Pipelined() {
				t.Error("the session was pipelined, want it not to be")
			}
		})
	}
}

// A session that breaks while several commands are outstanding says nothing against
// the message.
func TestBrokenPipeliningIsAPipelineError(t *testing.T) {
	t.Parallel()
	for mode, proves := range map[pop3test.Pipelining]bool{pop3test.PipeliningCloses: false, pop3test.PipeliningDiscards: true} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			t.Parallel()
			f := newFixtureWith(t, pop3test.Options{Pipelining: mode})
			f.conf.Source.Timeout = shortTimeout
			f.add(numbered(3)...)
			err := f.retrieveAll()
			var broken *PipelineError
			if !errors.As(err, &broken) {
				t.Fatalf("error %v, want a *PipelineError", err)
			}
			if got := broken.Proves(); got != proves {
				t.Errorf("it proves that the server cannot do pipelining: %v, want %v (%v)", got, proves, err)
			}
			f.conf.NoPipelining = true
			if err := f.retrieveAll(); err != nil {
				t.Errorf("without pipelining: error %v, want none", err)
			}
		})
	}
}

// retrieveAll opens a session and retrieves all messages. The session may break at
// each step.
func (f *fixture) retrieveAll() error {
	s, err := Open(f.t.Context(), f.conf)
	if err != nil {
		return err
	}
	defer s.Close(f.t.Context())
	s.Expect(s.Listing.Entries)
	for _, e := range s.Listing.Entries {
		b, err := s.Retrieve(f.t.Context(), e, nil)
		if err != nil {
			return err
		}
		b.Release()
	}
	return s.Discard(f.t.Context())
}

// What was pipelined is discarded once, and then nothing more is.
func TestKeepAliveEndsPipelining(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.add(numbered(10)...)
	s := f.open()
	s.Expect(s.Listing.Entries)
	for _, e := range s.Listing.Entries {
		if got, want := f.retrieve(s, e), octetsOf(fmt.Sprint("m", e.Number)); got != want {
			t.Errorf("message %d: %q, want %q", e.Number, got, want)
		}
		must(t, s.KeepAlive(t.Context()))
	}
	if got := len(f.sent("RETR")); got != 19 { // ten ahead, nine of them again
		t.Errorf("RETR was sent %d times, want 19", got)
	}
	if got := len(f.sent("NOOP")); got != 10 {
		t.Errorf("NOOP was sent %d times, want 10", got)
	}
}
