package outcome

import (
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// delivery is a transaction of one recipient that ended so.
func delivery(o forwarder.Outcome, before ledger.Record) Delivery {
	v := Evaluate([]forwarder.Outcome{o}, Envelope{}, nil, Attempt{Now: noon, First: noon, Number: 1})
	return Delivery{Before: before, After: &ledger.Record{Known: ledger.Known{State: ledger.Worst(v.Recipients)}, Recipients: v.Recipients}, Verdict: v}
}

var (
	acceptedReply = forwarder.Outcome{Recipient: "a@example.org", Kind: forwarder.Accepted, Stage: forwarder.StageDot, Code: 250}
	spamReply     = refused(forwarder.StageDot, 554, 5, 7, 1)
	otherReply    = refused(forwarder.StageDot, 550)
	lostReply     = forwarder.Outcome{Recipient: "a@example.org", Kind: forwarder.Broken, Stage: forwarder.StageBody}
	doubtReply    = forwarder.Outcome{Recipient: "a@example.org", Kind: forwarder.InDoubt, Stage: forwarder.StageDot}
)

func TestBreakerOpensIfTheDestinationIsAtFault(t *testing.T) {
	t.Parallel()
	tried := ledger.Record{Known: ledger.Known{Attempts: 1, NextAttempt: noon}}
	for name, test := range map[string]struct {
		replies []forwarder.Outcome
		before  ledger.Record
		last    time.Time // the destination's last success
		open    bool
		requeue int
	}{
		"accepted":                          {replies: repeat(acceptedReply, 20)},
		"four refusals with one code":       {replies: repeat(spamReply, 4)},
		"five refusals with one code":       {replies: repeat(spamReply, 5), open: true, requeue: 5},
		"two codes in turn":                 {replies: []forwarder.Outcome{spamReply, otherReply, spamReply, otherReply, spamReply, otherReply}},
		"an accepted one ends a streak":     {replies: append(append(repeat(spamReply, 4), acceptedReply), repeat(spamReply, 4)...)},
		"too large does not count":          {replies: repeat(refused(forwarder.StageDot, 552), 9)},
		"refused before, others passed":     {replies: repeat(spamReply, 9), before: tried, last: noon.Add(time.Minute)},
		"refused before, none passed since": {replies: repeat(spamReply, 5), before: tried, last: noon.Add(-time.Minute), open: true, requeue: 5},
		"one connection lost":               {replies: []forwarder.Outcome{lostReply}},
		"three connections lost":            {replies: repeat(lostReply, 3), open: true},
		"lost, with one that passes":        {replies: []forwarder.Outcome{lostReply, lostReply, acceptedReply, lostReply, lostReply}},
		"no reply":                          {replies: []forwarder.Outcome{doubtReply}, open: true},
	} {
		b := NewBreaker(test.last)
		var open bool
		var requeue []Refusal
		for _, o := range test.replies {
			requeue, open = b.Record(delivery(o, test.before))
		}
		if open != test.open || len(requeue) != test.requeue {
			t.Errorf("%s: open %v with %d to requeue, want %v with %d", name, open, len(requeue), test.open, test.requeue)
		}
	}
}

// TestBreakerRequeuesLatecomers: what was on its way when the breaker opened is the
// destination's fault, too.
func TestBreakerRequeuesLatecomers(t *testing.T) {
	t.Parallel()
	b := NewBreaker(time.Time{})
	for range maxStreak {
		b.Record(delivery(spamReply, ledger.Record{}))
	}
	requeue, open := b.Record(delivery(spamReply, ledger.Record{}))
	if !open || len(requeue) != 1 {
		t.Errorf("open %v with %d to requeue, want true with 1", open, len(requeue))
	}
}

func TestRequeueMakesThoseWhoRefusedDue(t *testing.T) {
	t.Parallel()
	rec := &ledger.Record{
		Known: ledger.Known{State: ledger.Forwarded, ForwardedAt: noon},
		Recipients: []ledger.Recipient{
			{Address: "has@example.org", State: ledger.Forwarded},
			{Address: "quarantined@example.org", State: ledger.Forwarded},
			{Address: "held@example.org", State: ledger.Held},
		},
	}
	later := noon.Add(time.Minute)
	if held := (Refusal{rec, []string{"quarantined@example.org"}}).Requeue(later); held {
		t.Error("a quarantined message counts as held, want not held")
	}
	if rec.State != ledger.Deferred || !rec.ForwardedAt.IsZero() || !rec.NextAttempt.Equal(later) {
		t.Errorf("state %s, forwarded at %v, next attempt at %v; want deferred, never, %v", rec.State, rec.ForwardedAt, rec.NextAttempt, later)
	}
	for i, want := range []ledger.State{ledger.Forwarded, ledger.Deferred, ledger.Deferred} {
		if got := rec.Recipients[i].State; got != want {
			t.Errorf("%s is %s, want %s", rec.Recipients[i].Address, got, want)
		}
	}
}

func repeat(o forwarder.Outcome, n int) []forwarder.Outcome {
	out := make([]forwarder.Outcome, n)
	for i := range out {
		out[i] = o
	}
	return out
}
