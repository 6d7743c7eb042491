package mailbox

import (
	"errors"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

func TestOpenListsTheMailboxAndNotesFacts(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.conf.Facts.BadLogins = 2
	f.add("m1", "m2")
	s := f.open()
	size := int64(len(octetsOf("m1")))
	want := []pop3.Entry{{Number: 1, UID: "uid-m1", Size: size}, {Number: 2, UID: "uid-m2", Size: size}}
	if got := s.Listing.Entries; len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("listing: %+v, want %+v", got, want)
	}
	facts := f.conf.Facts
	if !facts.LastLogin.Equal(noon) || facts.BadLogins != 0 || !facts.HasUIDL.Get(noon) {
		t.Errorf("last login %v, %d bad logins, UIDL %v; want %v, 0, true", facts.LastLogin, facts.BadLogins, facts.HasUIDL.Get(noon), noon)
	}
}

func TestOpenErrorsNameTheirStep(t *testing.T) {
	t.Parallel()
	refuse := func(verbs map[string]string) handler {
		return func(s *pop3test.Session, verb, _ string) bool {
			if text, ok := verbs[verb]; ok {
				s.Err("%s", text)
				return true
			}
			return false
		}
	}
	for name, test := range map[string]struct {
		handle handler
		want   pop3.Step
	}{
		"greeting": {refuse(map[string]string{"": "not now"}), pop3.StepGreeting},
		"login":    {refuse(map[string]string{"AUTH": "[AUTH] no", "USER": "[AUTH] no", "PASS": "[AUTH] no"}), pop3.StepLogin},
		"listing":  {refuse(map[string]string{"UIDL": "[SYS/TEMP] later"}), StepListing},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, test.handle)
			_, err := Open(t.Context(), f.conf)
			atStep(t, err, test.want)
			if logged, want := !f.conf.Facts.LastLogin.IsZero(), test.want == StepListing; logged != want {
				t.Errorf("a login is noted: %v, want %v", logged, want)
			}
		})
	}
}

// UIDL that worked before and is refused now is a fault of the server: else all
// messages would be new.
func TestListingWithoutUIDL(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		facts  ledger.ServerFacts
		needed bool
		noTop  bool
		works  bool
	}{
		"by TOP":                          {needed: true, works: true},
		"by RETR":                         {noTop: true, works: true},
		"by RETR, and messages are kept":  {noTop: true, needed: true},
		"though the server had it before": {facts: ledger.ServerFacts{Habits: ledger.Habits{HasUIDL: ledger.Fact[bool]{Value: true, Last: noon, Count: 1}}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
				if verb != "UIDL" && (verb != "TOP" || !test.noTop) {
					return false
				}
				s.Err("unknown command")
				return true
			})
			*f.conf.Facts, f.conf.UIDsNeeded = test.facts, test.needed
			f.add("m1", "m2")
			s, err := Open(t.Context(), f.conf)
			if !test.works {
				if !errors.Is(err, pop3.ErrNoUIDL) {
					t.Errorf("error %v, want %v", err, pop3.ErrNoUIDL)
				}
				return
			}
			must(t, err)
			again := f.open()
			for i, e := range s.Listing.Entries {
				if e.UID == "" || e != again.Listing.Entries[i] {
					t.Errorf("message %d is listed as %+v, then as %+v; want the same UID twice", i+1, e, again.Listing.Entries[i])
				}
			}
			if a, b := s.Listing.Entries[0].UID, s.Listing.Entries[1].UID; a == b {
				t.Errorf("both messages have the UID %q, want different ones", a)
			}
		})
	}
}

// TestQUITIsSentOnlyIfItLosesNothing is custody.go on the wire.
func TestQUITIsSentOnlyIfItLosesNothing(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		hides  bool
		events func(f *fixture, s *Session, first pop3.Entry)
		ending Ending
		quit   bool
	}{
		"nothing was retrieved": {events: func(*fixture, *Session, pop3.Entry) {}, ending: Normally, quit: true},
		"retrieved":             {events: func(f *fixture, s *Session, e pop3.Entry) { f.retrieve(s, e) }, ending: Normally, quit: true},
		"retrieved and abandoned": {events: func(f *fixture, s *Session, e pop3.Entry) {
			f.retrieve(s, e)
			s.Abandon(e.Number)
		}, ending: DeleteLater},
		"abandoned, then retrieved again": {events: func(f *fixture, s *Session, e pop3.Entry) {
			f.retrieve(s, e)
			s.Abandon(e.Number)
			f.retrieve(s, e)
		}, ending: Normally, quit: true},
		"asked for ahead and discarded": {events: func(f *fixture, s *Session, e pop3.Entry) {
			s.Expect(s.Listing.Entries)
			f.retrieve(s, e)
			must(f.t, s.Discard(f.t.Context()))
		}, ending: DeleteLater},
		"asked for ahead, discarded, then retrieved": {events: func(f *fixture, s *Session, e pop3.Entry) {
			s.Expect(s.Listing.Entries)
			f.retrieve(s, e)
			must(f.t, s.KeepAlive(f.t.Context()))
			for _, e := range s.Listing.Entries[1:] {
				f.retrieve(s, e)
			}
		}, ending: Normally, quit: true},
		"hidden, not on disk": {hides: true, events: func(f *fixture, s *Session, e pop3.Entry) { f.retrieve(s, e) }, ending: WithoutQuit},
		"hidden, on disk": {hides: true, events: func(f *fixture, s *Session, e pop3.Entry) {
			f.retrieve(s, e)
			s.Durable(e.Number)
		}, ending: Normally, quit: true},
		"hidden, on disk and abandoned": {hides: true, events: func(f *fixture, s *Session, e pop3.Entry) {
			f.retrieve(s, e)
			s.Durable(e.Number)
			s.Abandon(e.Number)
		}, ending: DeleteLater},
		"interrupted at its first DELE": {events: func(f *fixture, s *Session, e pop3.Entry) {
			s.window.closed = true // else QUIT has been sent ahead
			defer func() { _ = recover() }()
			_, _ = s.Delete(f.t.Context(), s.Listing.Entries, func(int, *pop3.Error) { panic("a bug") })
		}, ending: Normally},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			f.conf.Source.Hides = test.hides
			f.add(numbered(3)...)
			s := f.open()
			test.events(f, s, s.Listing.Entries[0])
			if got := s.Ending(); got != test.ending {
				t.Errorf("ending: %d, want %d", got, test.ending)
			}
			s.Close(t.Context())
			var want []string
			if test.quit {
				want = []string{"QUIT"}
			}
			f.wantSent(want, "QUIT")
		})
	}
}

// What failed is avoided for a month, because the network may have been to blame.
func TestPipeliningIsAvoidedForAMonth(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		failed    ledger.Fact[bool]
		forbidden bool
		want      bool
	}{
		"never failed":            {want: true},
		"failed a month ago":      {failed: ledger.Fact[bool]{Value: true, Last: noon.Add(-ledger.FactLife), Count: 2}, want: true},
		"failed less than that":   {failed: ledger.Fact[bool]{Value: true, Last: noon.Add(-ledger.FactLife + time.Minute), Count: 2}},
		"failed once":             {failed: ledger.Fact[bool]{Value: true, Last: noon, Count: 1}, want: true},
		"forbidden for this time": {forbidden: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, nil)
			f.conf.Facts.NoPipelining, f.conf.NoPipelining = test.failed, test.forbidden
			f.add(numbered(5)...)
			s := f.open()
			f.wantRetrieved(s, numbered(5)...)
			if got := s.Pipelined(); got != test.want {
				t.Errorf("pipelined: %v, want %v", got, test.want)
			}
			if got := f.pop.MostWaiting() > 0; got != test.want {
				t.Errorf("commands waited at the server: %v, want %v", got, test.want)
			}
		})
	}
}

// A listing that is longer than it may be is no reason to try without pipelining: it
// would only be read once more.
func TestListingOverItsBudget(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.conf.Source.MaxListing = 10
	f.add(numbered(11)...)
	_, err := Open(t.Context(), f.conf)
	atStep(t, err, StepListing)
	var broken *PipelineError
	if !pop3.OverBudget(err) || errors.As(err, &broken) {
		t.Errorf("error %v, want one of the budget alone", err)
	}
	f.conf.Source.MaxListing = 11
	if s := f.open(); len(s.Listing.Entries) != 11 {
		t.Errorf("%d messages are listed, want 11", len(s.Listing.Entries))
	}
}
