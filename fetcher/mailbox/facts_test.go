package mailbox

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// nextPoll lets time pass and reads the facts as the next poll does.
func (f *fixture) nextPoll(d time.Duration) {
	f.t.Helper()
	b, err := json.Marshal(f.conf.Facts)
	must(f.t, err)
	facts := new(ledger.ServerFacts)
	must(f.t, json.Unmarshal(b, facts))
	f.conf.Facts, f.conf.Now = facts, f.conf.Now.Add(d)
}

// verbsOf are the verbs that the server got in a session.
func (f *fixture) verbsOf(session int) []string {
	var out []string
	for _, c := range f.pop.Log() {
		if c.Session == session {
			out = append(out, c.Verb())
		}
	}
	return out
}

// TestUnansweredCommandIsLeftOut: at once in the same poll, and for a month once a
// second poll has seen it. What CAPA said before stays known.
func TestUnansweredCommandIsLeftOut(t *testing.T) {
	t.Parallel()
	caps := []string{"USER", "UIDL", "TOP", "EXPIRE 0", "UTF8"}
	for name, test := range map[string]struct {
		silent func(s *pop3test.Session, verb string) bool
		verbs  []string // of a session that leaves it out
	}{
		"CAPA after the login": {
			silent: func(s *pop3test.Session, verb string) bool { return verb == "CAPA" && s.User() != "" },
			verbs:  []string{"CAPA", "UTF8", "USER", "PASS", "UIDL", "LIST", "QUIT"},
		},
		"UTF8": {
			silent: func(_ *pop3test.Session, verb string) bool { return verb == "UTF8" },
			verbs:  []string{"CAPA", "USER", "PASS", "CAPA", "UIDL", "LIST", "QUIT"},
		},
		"CAPA": {
			silent: func(_ *pop3test.Session, verb string) bool { return verb == "CAPA" },
			verbs:  []string{"USER", "PASS", "UIDL", "LIST", "QUIT"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
				switch {
				case test.silent(s, verb):
					s.Hang()
				case verb == "CAPA":
					s.Lines("capabilities", caps...)
				case verb == "UTF8":
					s.OK("")
				default:
					return false
				}
				return true
			})
			f.conf.Source.Timeout = time.Second
			f.conf.Facts.Expires.See(true, noon) // as CAPA has said before
			sessions := func(want int) {
				t.Helper()
				before := f.pop.Sessions()
				s := f.open()
				if !s.Hides() {
					t.Error("what CAPA said of EXPIRE is forgotten")
				}
				s.Close(t.Context())
				if got := f.pop.Sessions() - before; got != want {
					t.Errorf("%d connections, want %d", got, want)
				}
				if got := f.verbsOf(f.pop.Sessions()); !slices.Equal(got, test.verbs) {
					t.Errorf("the last session is %q, want %q", got, test.verbs)
				}
			}
			sessions(2)                // it is seen once
			sessions(1)                // the same poll
			f.nextPoll(25 * time.Hour) // CAPA is asked for again
			sessions(2)                // twice
			f.nextPoll(29 * 24 * time.Hour)
			sessions(1)
			f.nextPoll(2 * 24 * time.Hour)
			sessions(2) // after a month it is asked for again
		})
	}
}

// TestCapaBeyondItsBudgetIsLeftOut: a server that lists too much is polled all the
// same, as one without CAPA, and is no longer asked once a second poll has seen it.
func TestCapaBeyondItsBudgetIsLeftOut(t *testing.T) {
	t.Parallel()
	f := newFixtureWith(t, pop3test.Options{Capabilities: []string{"UIDL", "PIPELINING", "SASL" + strings.Repeat(" X", 33)}})
	f.add(numbered(3)...)
	for poll, asks := range []bool{true, true, false} {
		before := f.pop.Sessions()
		s := f.open()
		if len(s.Listing.Entries) != 3 {
			t.Errorf("poll %d: %d messages are listed, want 3", poll, len(s.Listing.Entries))
		}
		s.Close(t.Context())
		if got := f.pop.Sessions()-before == 2; got != asks {
			t.Errorf("poll %d: another session without CAPA: %v, want %v", poll, got, asks)
		}
		f.nextPoll(time.Hour)
	}
}

// TestAnsweredCommandIsBelieved: an answer takes back what was seen once.
func TestAnsweredCommandIsBelieved(t *testing.T) {
	t.Parallel()
	silent := true
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb == "CAPA" && s.User() != "" && silent {
			s.Hang()
			return true
		}
		return false
	})
	f.conf.Source.Timeout = time.Second
	f.conf.NoPipelining = true
	for i, wantSilence := range []bool{true, false, true, false} {
		silent = wantSilence
		f.open().Close(t.Context())
		seen := f.conf.Facts.NoCAPAAfterLogin.Count
		if want := 1; wantSilence && seen != want || !wantSilence && seen != 0 {
			t.Errorf("poll %d: silence was seen in %d polls", i+1, seen)
		}
		f.nextPoll(time.Minute)
	}
}

// TestExpireOfEitherCAPACounts: a server need not say EXPIRE again after the login,
// and one that no longer says it is believed.
func TestExpireOfEitherCAPACounts(t *testing.T) {
	t.Parallel()
	before, after := "", ""
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb != "CAPA" {
			return false
		}
		caps := []string{"USER", "UIDL", "TOP", before}
		if s.User() != "" {
			caps[3] = after
		}
		s.Lines("capabilities", slices.DeleteFunc(caps, func(c string) bool { return c == "" })...)
		return true
	})
	for _, test := range []struct {
		before, after string
		hides         bool
	}{{"", "", false}, {"EXPIRE 0", "", true}, {"", "EXPIRE 0", true}, {"EXPIRE 0", "EXPIRE NEVER", false}, {"EXPIRE 0", "EXPIRE 0", true}, {"", "", false}} {
		before, after = test.before, test.after
		s := f.open()
		if got := s.Hides(); got != test.hides {
			t.Errorf("%q, after the login %q: hides %v, want %v", before, after, got, test.hides)
		}
		s.Close(t.Context())
		f.nextPoll(25 * time.Hour) // both are asked for again
	}
}

// TestKnownServerIsNotAskedBeforeTheLogin: for a day, the login comes first, and the
// listing follows in one go. What the server says after the login is noticed at once.
func TestKnownServerIsNotAskedBeforeTheLogin(t *testing.T) {
	t.Parallel()
	caps := []string{"USER", "UIDL", "TOP", "PIPELINING"}
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb == "CAPA" {
			s.Lines("capabilities", caps...)
		}
		return verb == "CAPA"
	})
	asked := []string{"CAPA", "USER", "PASS", "CAPA", "UIDL", "LIST", "QUIT"}
	known := asked[1:]
	for i, poll := range []struct {
		later time.Duration
		verbs []string
		also  string // what the server lists from now on
		hides bool
	}{
		{verbs: asked},
		{verbs: known},
		{later: time.Hour, verbs: known},
		{later: 25 * time.Hour, verbs: asked},
		{later: time.Hour, verbs: known, also: "EXPIRE 0", hides: true},
		{later: time.Hour, verbs: known, hides: true},
		{later: 31 * 24 * time.Hour, verbs: asked, hides: true},
	} {
		if poll.also != "" {
			caps = append(caps, poll.also)
		}
		f.nextPoll(poll.later)
		s := f.open()
		if got := s.Hides(); got != poll.hides {
			t.Errorf("poll %d: hides %v, want %v", i, got, poll.hides)
		}
		s.Close(t.Context())
		if got := f.verbsOf(f.pop.Sessions()); !slices.Equal(got, poll.verbs) {
			t.Errorf("poll %d: the session is %q, want %q", i, got, poll.verbs)
		}
	}
}

// TestServerWithoutCAPAIsKnownOnceTwoPollsHaveSeenIt: a fault could look like it once.
func TestServerWithoutCAPAIsKnownOnceTwoPollsHaveSeenIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb == "CAPA" {
			s.Err("unknown command")
		}
		return verb == "CAPA"
	})
	asked := []string{"CAPA", "USER", "PASS", "CAPA", "UIDL", "LIST", "QUIT"}
	for i, want := range [][]string{asked, asked, {"USER", "PASS", "UIDL", "LIST", "QUIT"}} {
		f.open().Close(t.Context())
		if got := f.verbsOf(f.pop.Sessions()); !slices.Equal(got, want) {
			t.Errorf("poll %d: the session is %q, want %q", i, got, want)
		}
		f.nextPoll(time.Hour)
	}
}

// TestServerThatHadNoCAPAIsAskedBeforeItGivesMessages: it may be another one now, or have
// learnt it. A poll without mail costs no command more.
func TestServerThatHadNoCAPAIsAskedBeforeItGivesMessages(t *testing.T) {
	t.Parallel()
	for name, expire := range map[string]bool{"says EXPIRE 0 now": true, "has none as before": false} {
		for how, get := range map[string]func(*fixture, *Session){
			"by RETR":              func(f *fixture, s *Session) { f.retrieve(s, s.Listing.Entries[0]) },
			"header, TOP too":      func(f *fixture, s *Session) { f.header(s) },
			"header, but not TOP ": func(f *fixture, s *Session) { s.skipTop = true; f.header(s) },
		} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				knows := false
				f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
					switch {
					case verb == "TOP":
						s.Err("unknown command")
					case verb == "CAPA" && knows:
						s.Lines("capabilities", "USER", "UIDL", "EXPIRE 0")
					case verb == "CAPA":
						s.Err("unknown command")
					default:
						return false
					}
					return true
				})
				for range 3 {
					f.open().Close(t.Context())
					f.nextPoll(time.Hour)
				}
				f.add("m1")
				knows = expire
				s := f.open()
				if got, want := f.verbsOf(f.pop.Sessions()), []string{"USER", "PASS", "UIDL", "LIST"}; !slices.Equal(got, want) {
					t.Errorf("the session begins with %q, want %q", got, want)
				}
				get(f, s)
				get(f, s)
				if s.Hides() != expire {
					t.Errorf("hides: %v, want %v", s.Hides(), expire)
				}
				verbs := f.verbsOf(f.pop.Sessions())
				if capa, retr := slices.Index(verbs, "CAPA"), slices.Index(verbs, "RETR"); capa < 0 || retr >= 0 && retr < capa || slices.Contains(verbs[capa+1:], "CAPA") {
					t.Errorf("the session is %q, want CAPA once, and before RETR", verbs)
				}
				s.Close(t.Context())
				f.nextPoll(time.Hour)
				f.open().Close(t.Context())
				if got := f.verbsOf(f.pop.Sessions())[0] == "CAPA"; got != expire {
					t.Errorf("the next session begins with CAPA: %v, want %v", got, expire)
				}
			})
		}
	}
}

// header asks for the header of the first message.
func (f *fixture) header(s *Session) {
	f.t.Helper()
	must(f.t, s.Headers(f.t.Context(), s.Listing.Entries, func(int, message.Header, bool) (bool, error) { return false, nil }))
}

// TestServerThatHadNoCAPAFallsSilentAtIt: the next session of the poll does without.
func TestServerThatHadNoCAPAFallsSilentAtIt(t *testing.T) {
	t.Parallel()
	silent := false
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb == "CAPA" && silent && s.User() != "" {
			s.Close()
		} else if verb == "CAPA" {
			s.Err("unknown command")
		}
		return verb == "CAPA"
	})
	f.add("m1")
	for range 3 {
		f.open().Close(t.Context())
		f.nextPoll(time.Hour)
	}
	silent = true
	s := f.open()
	_, err := s.Retrieve(t.Context(), s.Listing.Entries[0], nil)
	if leftOut := (*LeftOutError)(nil); !errors.As(err, &leftOut) || leftOut.Command != "CAPA" {
		t.Errorf("error %v, want that CAPA is left out", err)
	}
	f.wantRetrieved(f.open(), "m1")
}

// TestServerSilentAtCAPAAfterTheLoginIsAskedBefore: in each session, for it says nothing
// later.
func TestServerSilentAtCAPAAfterTheLoginIsAskedBefore(t *testing.T) {
	t.Parallel()
	caps := []string{"USER", "UIDL", "TOP"}
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		switch {
		case verb == "CAPA" && s.User() != "":
			s.Close()
		case verb == "CAPA":
			s.Lines("capabilities", caps...)
		default:
			return false
		}
		return true
	})
	f.conf.Facts.NoCAPAAfterLogin.Prove(true, noon)
	f.open().Close(t.Context())
	f.nextPoll(time.Hour)
	caps = append(caps, "EXPIRE 0")
	if s := f.open(); !s.Hides() {
		t.Error("EXPIRE 0 is not noticed")
	}
}

// TestLoginDelayIsLearntFromItsRefusal: a server that refuses a login because it comes too
// soon is asked at once how soon it may come. Nothing is sent again.
func TestLoginDelayIsLearntFromItsRefusal(t *testing.T) {
	t.Parallel()
	delays := false
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		switch {
		case verb == "PASS" && delays:
			s.Err("[LOGIN-DELAY] minimum time between mail checks")
		case verb == "CAPA" && delays && s.User() == "":
			s.Lines("capabilities", "SASL PLAIN", "UIDL", "LOGIN-DELAY 600")
		case verb == "CAPA":
			s.Lines("capabilities", "USER", "UIDL")
		default:
			return false
		}
		return true
	})
	f.open().Close(t.Context())
	f.nextPoll(time.Hour)
	delays = true
	_, err := Open(t.Context(), f.conf)
	if refused := (*pop3.Error)(nil); !errors.As(err, &refused) || refused.Kind() != pop3.KindTooOften {
		t.Errorf("error %v, want that the login comes too soon", err)
	}
	if got := f.conf.Facts.LoginDelay.Get(f.conf.Now); got != 10*time.Minute {
		t.Errorf("LOGIN-DELAY is %v, want 10m", got)
	}
	if got, want := f.verbsOf(f.pop.Sessions()), []string{"USER", "PASS", "CAPA", "QUIT"}; !slices.Equal(got, want) {
		t.Errorf("the session is %q, want %q", got, want)
	}
}

// TestFailedLoginForgetsWhatWasKnown: a poll that is refused asks the server, and so
// does the next one.
func TestFailedLoginForgetsWhatWasKnown(t *testing.T) {
	t.Parallel()
	refuses := false
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		switch {
		case verb == "PASS" && refuses:
			s.Err("[AUTH] no")
		case verb == "CAPA":
			s.Lines("capabilities", "USER", "UIDL", "TOP")
		default:
			return false
		}
		return true
	})
	f.open().Close(t.Context())
	f.nextPoll(time.Hour)
	refuses = true
	_, err := Open(t.Context(), f.conf)
	var refused *pop3.Error
	if !errors.As(err, &refused) || refused.Command != "PASS" {
		t.Errorf("error %v, want the refusal of PASS", err)
	}
	if got, want := f.verbsOf(f.pop.Sessions()), []string{"USER", "PASS", "CAPA", "QUIT"}; !slices.Equal(got, want) {
		t.Errorf("the session is %q, want %q", got, want)
	}
	refuses = false
	f.nextPoll(time.Hour)
	f.open().Close(t.Context())
	if got := f.verbsOf(f.pop.Sessions()); got[0] != "CAPA" {
		t.Errorf("the session is %q, want CAPA first", got)
	}
}

// TestLoginDelayHasABound: no server's mistake has popferry wait for more than a day.
func TestLoginDelayHasABound(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb == "CAPA" {
			s.Lines("capabilities", "USER", "UIDL", "TOP", "LOGIN-DELAY 4294967295")
		}
		return verb == "CAPA"
	})
	f.open().Close(t.Context())
	if got, want := f.conf.Facts.LoginDelay.Get(noon), 24*time.Hour; got != want {
		t.Errorf("LOGIN-DELAY %v, want %v", got, want)
	}
}

// TestNetworkFaultIsNoFact: nothing is noted of a server that does not come as far
// without the command either.
func TestNetworkFaultIsNoFact(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb == "CAPA" || verb == "USER" {
			s.Close()
			return true
		}
		return false
	})
	if _, err := Open(t.Context(), f.conf); err == nil {
		t.Fatal("no error, want one")
	}
	if got := f.conf.Facts; *got != (ledger.ServerFacts{}) {
		t.Errorf("noted: %+v, want nothing", got)
	}
}

// TestRefusedLoginMethodIsRememberedForAMonth, and not for longer.
func TestRefusedLoginMethodIsRememberedForAMonth(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		switch verb {
		case "CAPA":
			s.Lines("capabilities", "USER", "UIDL", "TOP", "SASL PLAIN LOGIN")
		case "AUTH":
			s.Err("unrecognized command")
		default:
			return false
		}
		return true
	})
	tries := func(want bool) {
		t.Helper()
		f.open().Close(t.Context())
		if got := slices.Contains(f.verbsOf(f.pop.Sessions()), "AUTH"); got != want {
			t.Errorf("AUTH is tried: %v, want %v", got, want)
		}
	}
	tries(true)
	f.nextPoll(29 * 24 * time.Hour)
	tries(false)
	f.nextPoll(2 * 24 * time.Hour)
	tries(true)
}

// TestNOOPMetWithSilenceIsReplacedBySTAT: the session that it ended says nothing
// against a message.
func TestNOOPMetWithSilenceIsReplacedBySTAT(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb == "NOOP" {
			s.Hang()
		}
		return verb == "NOOP"
	})
	f.conf.Source.Timeout = time.Second
	f.add("m1")
	s := f.open()
	if err := s.KeepAlive(t.Context()); err == nil {
		t.Fatal("NOOP without an answer: no error, want one")
	}
	_, err := s.Retrieve(t.Context(), s.Listing.Entries[0], nil)
	var leftOut *LeftOutError
	if !errors.As(err, &leftOut) || leftOut.Command != "NOOP" {
		t.Fatalf("error %v, want a *LeftOutError for NOOP", err)
	}
	s = f.open()
	must(t, s.KeepAlive(t.Context()))
	f.wantRetrieved(s, "m1")
	if got := strings.Join(f.sent("NOOP", "STAT"), " "); got != "NOOP STAT" {
		t.Errorf("sent: %q, want NOOP, then STAT", got)
	}
}

// TestBrokenSessionIsNotTheMessagesFault: no message is blamed for a session that had
// ended before its turn.
func TestBrokenSessionIsNotTheMessagesFault(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.add("m1")
	s := f.open()
	must(t, s.conn.Close())
	_, err := s.Retrieve(t.Context(), s.Listing.Entries[0], nil)
	var incomplete *IncompleteError
	if errors.As(err, &incomplete) {
		t.Errorf("error %v, want none about the message", err)
	}
	atStep(t, err, StepRetr)
}

// TestUIDLWithoutTheNumberConfirms: Twisted's server counts each line end as one
// octet and answers UIDL n with the UID alone.
func TestUIDLWithoutTheNumberConfirms(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(s *pop3test.Session, verb, arg string) bool {
		switch {
		case verb == "CAPA":
			s.Lines("capabilities", "USER", "UIDL", "TOP")
		case verb == "UIDL" && arg != "":
			s.OK("%s", s.Message(arg).UID)
		case verb == "LIST":
			s.Lines("listing", "1 22", "2 22")
		default:
			return false
		}
		return true
	})
	f.add("m1", "m2")
	f.wantRetrieved(f.open(), "m1", "m2")
}
