package ledger_test

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// failed is a message in a state after some attempts, with a recipient in each
// state that a recipient can be in.
func failed(s ledger.State) *ledger.Record {
	later := noon.Add(time.Hour)
	r := &ledger.Record{
		Known: ledger.Known{ID: 1, UID: "1", State: s, Attempts: 7, NextAttempt: later, MissingSince: noon, Cause: ledger.Cause{Code: "refused", Text: "550"}, CopyFile: "file"},
		Trace: "trace", FirstAttempt: noon.Add(-time.Hour),
		Excerpt: ledger.Excerpt{MessageID: "<1@example.org>", From: "f", Subject: "s", Date: "d"},
	}
	for _, s := range []ledger.State{ledger.Forwarded, ledger.Deferred, ledger.Held, ledger.Unknown} {
		r.Recipients = append(r.Recipients, ledger.Recipient{Address: s.String(), State: s, Code: 1, Text: "reply", Attempts: 3, NextAttempt: later, Doubts: 2})
	}
	return r
}

func TestRetry(t *testing.T) {
	t.Parallel()
	able := map[ledger.State]bool{ledger.Held: true, ledger.Deferred: true, ledger.Unknown: true, ledger.Skipped: true}
	for _, s := range ledger.States() {
		r, want := failed(s), failed(s)
		if ok := r.Retry(noon); ok != able[s] || s.Retryable() != able[s] {
			t.Errorf("%s: Retry is %v and Retryable %v, want %v", s, ok, s.Retryable(), able[s])
		}
		if able[s] {
			want.State, want.Attempts, want.NextAttempt = ledger.Deferred, 0, noon
			want.MissingSince = time.Time{}
			for i := range want.Recipients[1:] { // the first has it
				rcpt := &want.Recipients[1+i]
				rcpt.State, rcpt.Attempts, rcpt.NextAttempt, rcpt.Doubts = ledger.Deferred, 0, noon, 0
			}
		}
		if s == ledger.Skipped {
			want.Cause = ledger.Cause{}
		}
		if !reflect.DeepEqual(r, want) {
			t.Errorf("%s became\n%+v, want\n%+v", s, r, want)
		}
	}
}

func TestSkip(t *testing.T) {
	t.Parallel()
	able := map[ledger.State]bool{ledger.Held: true, ledger.Deferred: true, ledger.Unknown: true}
	for _, s := range ledger.States() {
		r, want := failed(s), failed(s)
		if ok := r.Skip(); ok != able[s] || s.Skippable() != able[s] {
			t.Errorf("%s: Skip is %v and Skippable %v, want %v", s, ok, s.Skippable(), able[s])
		}
		if able[s] {
			want.State, want.NextAttempt = ledger.Skipped, time.Time{}
			want.Cause = ledger.Cause{Code: ledger.CauseSkipped, Text: "skipped by the user"}
			want.Excerpt = ledger.Excerpt{MessageID: "<1@example.org>"}
		}
		if !reflect.DeepEqual(r, want) {
			t.Errorf("%s became\n%+v, want\n%+v", s, r, want)
		}
	}
}

// TestRetryAfterSkip: a skipped message can be sent after all, but only to
// recipients that do not have it yet.
func TestRetryAfterSkip(t *testing.T) {
	t.Parallel()
	r := failed(ledger.Held)
	if !r.Skip() || r.Skip() || !r.Retry(noon) {
		t.Fatalf("it was not skipped once and then retried: %+v", r)
	}
	if got := ledger.Worst(r.Recipients); r.State != ledger.Deferred || got != ledger.Deferred || r.Recipients[0].State != ledger.Forwarded {
		t.Errorf("it is %s, its recipients %s, the first %s; want deferred, deferred, forwarded", r.State, got, r.Recipients[0].State)
	}
}

// TestInterrupt: a death of popferry is one doubt, whatever failed before, and the
// third in a row ends in Held.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	later := noon.Add(time.Hour)
	for name, test := range map[string]struct {
		attempts, doubts int
		want             ledger.State
		code             string
	}{
		"the first":                        {1, 0, ledger.Unknown, ledger.CauseInterrupted},
		"the first, after four deferrals":  {5, 0, ledger.Unknown, ledger.CauseInterrupted},
		"the second":                       {2, 1, ledger.Unknown, ledger.CauseInterrupted},
		"the third":                        {3, 2, ledger.Held, ledger.CauseKilled},
		"one more, others did not pass":    {9, 8, ledger.Held, ledger.CauseKilled},
		"the third, after older deferrals": {7, 2, ledger.Held, ledger.CauseKilled},
	} {
		r := &ledger.Record{Known: ledger.Known{State: ledger.Sending, Attempts: test.attempts, NextAttempt: later}, Recipients: []ledger.Recipient{
			{Address: "has", State: ledger.Forwarded, Attempts: 1},
			{Address: "sending", State: ledger.Sending, Attempts: test.attempts, NextAttempt: later, Doubts: test.doubts},
			{Address: "refused", State: ledger.Held, Attempts: 1},
		}}
		lost := *r
		lost.Recipients = slices.Clone(r.Recipients)
		if lost.Interrupt(true); lost.State != ledger.Unknown || lost.Recipients[1].Doubts != test.doubts {
			if test.doubts < ledger.MaxDoubts {
				t.Errorf("%s, of a process that has lost the ledger: %s after %d doubts; want unknown after %d", name, lost.State, lost.Recipients[1].Doubts, test.doubts)
			}
		}
		r.Interrupt(false)
		rc := r.Recipients[1]
		if r.State != test.want || rc.State != test.want || rc.Doubts != test.doubts+1 || r.Cause.Code != test.code || r.Cause.Text == "" || rc.Text != r.Cause.Text {
			t.Errorf("%s: the message is %s for %+v, its recipient %+v; want %s for %s, after %d doubts", name, r.State, r.Cause, rc, test.want, test.code, test.doubts+1)
		}
		if due := test.want == ledger.Unknown; r.NextAttempt.IsZero() == due || rc.NextAttempt.IsZero() == due {
			t.Errorf("%s: due at %v, the recipient at %v; want that only if it is sent again", name, r.NextAttempt, rc.NextAttempt)
		}
		if has, refused := r.Recipients[0].State, r.Recipients[2].State; has != ledger.Forwarded || refused != ledger.Held {
			t.Errorf("%s: the others are %s and %s, want forwarded and held", name, has, refused)
		}
		if test.want == ledger.Held && !r.Retry(noon) {
			t.Errorf("%s: it cannot be tried again", name)
		}
	}
}
