package mailbox

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/pop3"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

func TestDeleteReturnsWhatTheServerTook(t *testing.T) {
	t.Parallel()
	for name, noPipelining := range map[string]bool{"one at a time": true, "pipelined": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(s *pop3test.Session, verb, arg string) bool {
				if verb == "DELE" && arg == "2" {
					s.Err("not this one")
					return true
				}
				return false
			})
			f.conf.NoPipelining = noPipelining
			f.add("m1", "m2", "m3", "m4")
			s := f.open()
			var answers []string
			deleted, err := s.Delete(t.Context(), s.Listing.Entries[:3], func(i int, refused *pop3.Error) {
				answers = append(answers, fmt.Sprint(i, " refused ", refused != nil))
			})
			must(t, err)
			if want := []int{0, 2}; !slices.Equal(deleted, want) {
				t.Errorf("deleted: %v, want %v", deleted, want)
			}
			if want := []string{"0 refused false", "1 refused true", "2 refused false"}; !slices.Equal(answers, want) {
				t.Errorf("answers: %q, want %q", answers, want)
			}
			f.wantSent([]string{"DELE 1", "DELE 2", "DELE 3", "QUIT"}, "DELE", "QUIT")
			var left []string
			for _, m := range f.pop.Messages("leo") {
				left = append(left, m.UID)
			}
			if want := []string{"uid-m2", "uid-m4"}; !slices.Equal(left, want) {
				t.Errorf("left on the server: %v, want %v", left, want)
			}
		})
	}
}

// Without an answer to QUIT it is not known what is deleted.
func TestDeleteWithoutAnAnswerReturnsNothing(t *testing.T) {
	t.Parallel()
	for verb, want := range map[string]pop3.Step{"DELE": StepDele, "QUIT": StepQuit} {
		t.Run(verb, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t, func(s *pop3test.Session, v, arg string) bool {
				if v == verb && arg != "1" {
					s.Close()
					return true
				}
				return false
			})
			f.add("m1", "m2")
			s := f.open()
			deleted, err := s.Delete(t.Context(), s.Listing.Entries, func(int, *pop3.Error) {})
			atStep(t, err, want)
			if deleted != nil {
				t.Errorf("deleted: %v, want nothing", deleted)
			}
			if got := len(f.pop.Messages("leo")); got != 2 {
				t.Errorf("%d messages are left on the server, want 2", got)
			}
		})
	}
}

// Nothing depends on the answer to QUIT then, so it is not waited for.
func TestDeleteOfNothingDoesNotWaitForQUIT(t *testing.T) {
	t.Parallel()
	quit := make(chan struct{})
	f := newFixture(t, func(s *pop3test.Session, verb, _ string) bool {
		if verb == "QUIT" {
			close(quit)
			s.Hang()
		}
		return verb == "QUIT"
	})
	f.add("m1")
	s := f.open()
	deleted, err := s.Delete(t.Context(), nil, nil)
	if err != nil || deleted != nil {
		t.Errorf("deleted %v, error %v; want nothing, none", deleted, err)
	}
	<-quit
}

// Of a server that is known to keep what was retrieved, no answer to QUIT has to show
// it, until that was not seen for a day.
func TestAnswerToQUITIsWaitedForUntilTheServerIsKnownToKeep(t *testing.T) {
	t.Parallel()
	f := newFixture(t, nil)
	f.add("m1")
	for _, test := range []struct {
		name   string
		seen   []time.Duration // polls that saw that it keeps, before now
		answer bool
	}{
		{name: "not known", answer: true},
		{name: "seen once", seen: []time.Duration{time.Hour}, answer: true},
		{name: "seen twice", seen: []time.Duration{2 * time.Hour, time.Hour}},
		{name: "not seen for a day", seen: []time.Duration{26 * time.Hour, 25 * time.Hour}, answer: true},
	} {
		f.nextPoll(0)
		f.conf.Facts.RetrKeeps.End()
		for _, before := range test.seen {
			f.conf.Facts.RetrKeeps.See(true, f.conf.Now.Add(-before))
			f.nextPoll(0)
		}
		s := f.open()
		body, err := s.Retrieve(t.Context(), s.Listing.Entries[0], nil)
		must(t, err)
		body.Release()
		_, err = s.Delete(t.Context(), nil, nil)
		must(t, err)
		if s.Quit() != test.answer {
			t.Errorf("%s: the answer to QUIT was waited for: %v, want %v", test.name, s.Quit(), test.answer)
		}
	}
}
