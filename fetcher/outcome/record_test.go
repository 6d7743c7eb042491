package outcome

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

func TestPendingAreThoseWithoutAFinalState(t *testing.T) {
	t.Parallel()
	const a, b, c, d = "a@example.org", "b@example.org", "c@example.org", "d@example.org"
	for name, test := range map[string]struct {
		named []string
		rows  []ledger.Recipient
		todo  []string
		kept  string
	}{
		"new": {named: []string{a, b}, todo: []string{a, b}},
		"one of each": {
			named: []string{a, b, c, d},
			rows:  []ledger.Recipient{was("a", ledger.Forwarded, 1), was("b", ledger.Held, 2), was("c", ledger.Deferred, 3), was("d", ledger.Unknown, 4)},
			todo:  []string{c, d}, kept: "a forwarded 1, b held 2",
		},
		"interrupted":                {named: []string{a}, rows: []ledger.Recipient{was("a", ledger.Sending, 1)}, todo: []string{a}},
		"all have it":                {named: []string{a}, rows: []ledger.Recipient{was("a", ledger.Forwarded, 1)}, kept: "a forwarded 1"},
		"another one is named since": {named: []string{a, b}, rows: []ledger.Recipient{was("a", ledger.Forwarded, 1)}, todo: []string{b}, kept: "a forwarded 1"},
		"no longer named": {
			named: []string{b},
			rows:  []ledger.Recipient{was("a", ledger.Forwarded, 1), was("c", ledger.Deferred, 1)},
			todo:  []string{b}, kept: "a forwarded 1",
		},
	} {
		todo, kept := Pending(test.named, test.rows)
		if !slices.Equal(todo, test.todo) || inShort(kept) != test.kept {
			t.Errorf("%s: to be sent to %v, kept %q; want %v, %q", name, todo, inShort(kept), test.todo, test.kept)
		}
	}
}

func TestIntendSaysWhatACrashWouldLeave(t *testing.T) {
	t.Parallel()
	before := []ledger.Recipient{was("a", ledger.Forwarded, 1), was("b", ledger.Deferred, 2)}
	for name, rows := range map[string][]ledger.Recipient{
		"after Pending":                    before[:1],
		"again, for the wrapped message":   {before[0], was("b", ledger.Deferred, 3)},
		"with a row of an earlier attempt": before,
	} {
		rec := &ledger.Record{Known: ledger.Known{State: ledger.Deferred, Cause: ledger.Cause{Code: "x"}}, Recipients: slices.Clone(rows)}
		Intend(rec, before, []string{"b@example.org", "c@example.org"}, firstAttempt)
		if got, want := inShort(rec.Recipients), "a forwarded 1, b sending 2 in 1m0s, c sending 0 in 1m0s"; got != want {
			t.Errorf("%s: recipients %q, want %q", name, got, want)
		}
		if next := noon.Add(time.Minute); rec.State != ledger.Sending || !rec.NextAttempt.Equal(next) || rec.Cause != (ledger.Cause{}) {
			t.Errorf("%s: %s, next attempt %v, cause %v; want sending, %v, none", name, rec.State, rec.NextAttempt, rec.Cause, next)
		}
	}
}

func TestConclude(t *testing.T) {
	t.Parallel()
	describe := func(err error) ledger.Cause { return ledger.Cause{Code: "test", Text: err.Error()} }
	excerpt := ledger.Excerpt{MessageID: "<1@x>", From: "j@x", Subject: "s", Date: "today"}
	idOnly := ledger.Excerpt{MessageID: "<1@x>"}
	has := []ledger.Recipient{was("a", ledger.Forwarded, 1)}
	refused := []ledger.Recipient{was("a", ledger.Held, 1)}
	// b refused for now, and is due in a minute; c lost its connection, and is due
	// at once.
	two := []forwarder.Outcome{to("b", greylisted), to("c", lostReply)}
	for name, test := range map[string]struct {
		before  []ledger.Recipient
		outs    []forwarder.Outcome
		want    string // state, recipients
		next    time.Time
		cause   string
		excerpt ledger.Excerpt
	}{
		"all have it":             {outs: []forwarder.Outcome{acceptedReply}, want: "forwarded: a forwarded 1", excerpt: idOnly},
		"the last one has it":     {before: has, outs: []forwarder.Outcome{to("b", acceptedReply)}, want: "forwarded: a forwarded 1, b forwarded 1", excerpt: idOnly},
		"nobody was left":         {before: has, want: "forwarded: a forwarded 1", excerpt: idOnly},
		"nobody was asked":        {before: refused, want: "held: a held 1", cause: "554", excerpt: excerpt},
		"refused":                 {before: has, outs: []forwarder.Outcome{to("b", spamReply)}, want: "held: a forwarded 1, b held 1", cause: "refused: 554 5.7.1", excerpt: excerpt},
		"deferred":                {outs: []forwarder.Outcome{greylisted}, want: "deferred: a deferred 1 in 1m0s", next: noon.Add(time.Minute), cause: "refused: 451 4.7.1", excerpt: excerpt},
		"due when the first is":   {outs: two, want: "deferred: b deferred 1 in 1m0s, c deferred 1 in 0s", next: noon, cause: "body broken: ", excerpt: excerpt},
		"no reply":                {before: has, outs: []forwarder.Outcome{to("b", doubtReply)}, want: "unknown: a forwarded 1, b unknown 1 in 1m0s", next: noon.Add(time.Minute), cause: "dot in doubt: ", excerpt: excerpt},
		"rows of others are gone": {before: []ledger.Recipient{was("x", ledger.Deferred, 1)}, outs: []forwarder.Outcome{acceptedReply}, want: "forwarded: a forwarded 1", excerpt: idOnly},
	} {
		rec := &ledger.Record{
			Known:   ledger.Known{State: ledger.Sending, NextAttempt: noon.Add(time.Hour), CopyFile: "copy", Cause: ledger.Cause{Code: "old", Text: "554"}},
			Excerpt: excerpt, Recipients: test.before,
		}
		Conclude(rec, test.before, Evaluate(test.outs, Envelope{}, test.before, firstAttempt), firstAttempt, describe)
		if got := fmt.Sprintf("%s: %s", rec.State, inShort(rec.Recipients)); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if !rec.NextAttempt.Equal(test.next) {
			t.Errorf("%s: next attempt %v, want %v", name, rec.NextAttempt, test.next)
		}
		if rec.Cause.Text != test.cause || (rec.Cause.Code != "") != (test.cause != "") {
			t.Errorf("%s: cause %+v, want %q", name, rec.Cause, test.cause)
		}
		if rec.Excerpt != test.excerpt {
			t.Errorf("%s: excerpt %+v, want %+v", name, rec.Excerpt, test.excerpt)
		}
		forwardedAt, copyFile := time.Time{}, "copy" // the copy is needed until all have it
		if rec.State == ledger.Forwarded {
			forwardedAt, copyFile = noon, ""
		}
		if !rec.ForwardedAt.Equal(forwardedAt) || rec.CopyFile != copyFile {
			t.Errorf("%s: forwarded at %v, copy %q; want %v, %q", name, rec.ForwardedAt, rec.CopyFile, forwardedAt, copyFile)
		}
	}
}

func TestErrorsNameDestinationAndReply(t *testing.T) {
	t.Parallel()
	cause := errors.New("connection refused")
	down := forwarder.Outcome{Kind: forwarder.Unusable, Stage: forwarder.StageDial, Err: cause}
	for want, err := range map[string]error{
		"destination main refused rcpt: 550 5.1.1":    &DestinationError{Name: "main", Outcome: noSuchUser},
		"destination main: dial: connection refused":  &DestinationError{Name: "main", Outcome: down},
		"refused: 554 5.7.1":                          &MessageError{Outcome: spamReply},
		"not sent: 9 octets, the server takes only 5": &MessageError{Outcome: forwarder.Outcome{Kind: forwarder.Impossible, Stage: forwarder.StageMail, Code: 552, Text: "9 octets, the server takes only 5"}},
		"dial unusable: connection refused":           &MessageError{Outcome: down},
	} {
		if got := err.Error(); got != want {
			t.Errorf("error %q, want %q", got, want)
		}
	}
	if err := (&DestinationError{Outcome: down}); !errors.Is(err, cause) {
		t.Errorf("%v does not wrap %v, want it to", err, cause)
	}
}
