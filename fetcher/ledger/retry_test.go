package ledger_test

import (
	"reflect"
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
		r.Recipients = append(r.Recipients, ledger.Recipient{Address: s.String(), State: s, Code: 1, Text: "reply", Attempts: 3, NextAttempt: later})
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
				rcpt.State, rcpt.Attempts, rcpt.NextAttempt = ledger.Deferred, 0, noon
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
