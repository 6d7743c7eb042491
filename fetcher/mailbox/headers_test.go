package mailbox

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// fingerprints are those of all messages, by Headers. As long as enough is false,
// the message is asked for by RETR.
func (f *fixture) fingerprints(s *Session, enough func(h message.Header, shown bool) bool) ([]string, error) {
	out := make([]string, len(s.Listing.Entries))
	err := s.Headers(f.t.Context(), s.Listing.Entries, func(i int, h message.Header, shown bool) (bool, error) {
		out[i] = h.Fingerprint()
		return enough(h, shown), nil
	})
	return out, err
}

func TestHeadersAskByRETRIfTOPIsNotEnough(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		noTop bool
		want  []string // commands
	}{
		"TOP":         {want: []string{"TOP 1 0", "TOP 2 0", "TOP 3 0", "RETR 3"}}, // 3 has no header
		"TOP refused": {noTop: true, want: []string{"TOP 1 0", "RETR 1", "TOP 2 0", "RETR 2", "TOP 3 0", "RETR 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
				if verb == "TOP" && test.noTop {
					s.Err("unknown command")
				}
				return verb == "TOP" && test.noTop
			})
			f.conf.NoPipelining = true
			f.add("m1", "m2")
			const headerless = "Subject: alike\r\n\r\nbody\r\n"
			f.pop.Add("leo", pop3test.Message{UID: "uid-3", Octets: []byte(headerless)})
			s := f.open()
			got, err := f.fingerprints(s, func(h message.Header, shown bool) bool { return shown && h.Identifiable() })
			must(t, err)
			for i, octets := range []string{octetsOf("m1"), octetsOf("m2")} {
				if want := message.ParseHeader([]byte(octets)).Fingerprint(); got[i] != want {
					t.Errorf("fingerprint of message %d: %q, want %q", i+1, got[i], want)
				}
			}
			if got[2] == "" || got[2] == got[0] {
				t.Errorf("fingerprint of message 3: %q, want that of its body", got[2])
			}
			f.wantSent(test.want, "TOP", "RETR")
		})
	}
}

func TestManyHeadersArePipelined(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.add(numbered(300)...)
	s := f.open()
	got, err := f.fingerprints(s, func(_ message.Header, shown bool) bool { return shown })
	must(t, err)
	for i, name := range numbered(300) {
		if want := message.ParseHeader([]byte(octetsOf(name))).Fingerprint(); got[i] != want {
			t.Fatalf("fingerprint of message %d: %q, want %q", i+1, got[i], want)
		}
	}
	if got := len(f.sent("TOP")); got != 300 {
		t.Errorf("TOP was sent %d times, want 300", got)
	}
	if !s.Pipelined() {
		t.Error("the session was not pipelined, want it to be")
	}
}

// The next session asks by RETR, for a month.
func TestTOPThatEndsTheSessionIsAvoided(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(s *pop3test.Session){
		"hangs up": func(s *pop3test.Session) { s.Close() },
		"no end": func(s *pop3test.Session) {
			s.Write("+OK\r\n" + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 100))
			s.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
				if verb == "TOP" {
					answer(s)
				}
				return verb == "TOP"
			})
			f.conf.MaxSize = 1000
			f.add("m1")
			shown := func(_ message.Header, shown bool) bool { return shown }
			const day = 24 * time.Hour
			for i, test := range []struct {
				later time.Duration // 0: the same poll
				fails bool
			}{{0, true}, {0, false}, {time.Hour, true}, {29 * day, false}, {2 * day, true}} {
				if test.later > 0 {
					f.nextPoll(test.later)
				}
				_, err := f.fingerprints(f.open(), shown)
				if !test.fails {
					must(t, err)
					continue
				}
				atStep(t, err, StepTop)
				if leftOut := (*LeftOutError)(nil); !errors.As(err, &leftOut) || leftOut.Command != "TOP" {
					t.Errorf("session %d: error %v, want a *LeftOutError for TOP", i+1, err)
				}
			}
		})
	}
}

func TestHeaderEndsAtAnEmptyLine(t *testing.T) {
	t.Parallel()
	for octets, want := range map[string]bool{
		"From: a\r\n\r\n": true, "From: a\n\nbody\r\n": true, "\r\n": true, "From: a\r\n\r\nbody": true,
		"": false, "From: a\r\n": false, "From: a\r\nSub": false, "From: a\r\n \r\n": false,
	} {
		for _, chunk := range []int{1, 3, len(octets)} {
			l := &emptyLine{to: io.Discard}
			for rest := []byte(octets); len(rest) > 0; rest = rest[min(chunk, len(rest)):] {
				if _, err := l.Write(rest[:min(chunk, len(rest))]); err != nil {
					t.Fatal(err)
				}
			}
			if l.seen != want {
				t.Errorf("%q, %d octets at a time: ended %v, want %v", octets, chunk, l.seen, want)
			}
		}
	}
}
