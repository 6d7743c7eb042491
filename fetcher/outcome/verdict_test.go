package outcome

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// to is an outcome for another recipient than a.
func to(name string, o forwarder.Outcome) forwarder.Outcome {
	o.Recipient = name + "@example.org"
	return o
}

// was is what was known of a recipient.
func was(name string, s ledger.State, attempts int) ledger.Recipient {
	return ledger.Recipient{Address: name + "@example.org", State: s, Attempts: attempts}
}

// doubted was in doubt so many times in a row, of so many attempts.
func doubted(name string, doubts, attempts int) ledger.Recipient {
	rc := was(name, ledger.Unknown, attempts)
	rc.Doubts = doubts
	return rc
}

// inShort writes recipients as "name state attempts", and when they are due.
func inShort(rs []ledger.Recipient) string {
	var out []string
	for _, rc := range rs {
		name, _, _ := strings.Cut(rc.Address, "@")
		s := fmt.Sprintf("%s %s %d", name, rc.State, rc.Attempts)
		if !rc.NextAttempt.IsZero() {
			s += fmt.Sprintf(" in %v", rc.NextAttempt.Sub(noon))
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

var (
	firstAttempt  = Attempt{Now: noon, First: noon, Number: 1}
	greylisted    = refused(forwarder.StageDot, 451, 4, 7, 1)
	noSuchUser    = refused(forwarder.StageRcpt, 550, 5, 1, 1)
	mailboxFull   = refused(forwarder.StageRcpt, 452, 4, 2, 2)
	disabledToday = refused(forwarder.StageRcpt, 450, 4, 2, 1)
	unusable      = forwarder.Outcome{Recipient: "a@example.org", Kind: forwarder.Unusable, Stage: forwarder.StageDial}
)

func TestEvaluate(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		outs    []forwarder.Outcome
		e       Envelope
		before  []ledger.Recipient
		passed  bool // others were accepted since the last attempt
		want    string
		effect  Effect
		blame   Disposition
		decided forwarder.Outcome
	}{
		"nobody is left to send it to": {},
		"accepted":                     {outs: []forwarder.Outcome{acceptedReply}, want: "a forwarded 1", decided: acceptedReply},
		"refused":                      {outs: []forwarder.Outcome{spamReply}, want: "a held 1", decided: spamReply},
		"refused for now":              {outs: []forwarder.Outcome{greylisted}, want: "a deferred 1 in 1m0s", decided: greylisted},
		"refused for now, once more": {outs: []forwarder.Outcome{greylisted}, before: []ledger.Recipient{was("a", ledger.Deferred, 4)},
			want: "a deferred 5 in 1m0s", decided: greylisted},
		"its own sender is refused": {outs: []forwarder.Outcome{refused(forwarder.StageMail, 550, 5, 1, 8)}, e: Envelope{OwnSender: true},
			want: "a held 1", decided: refused(forwarder.StageMail, 550, 5, 1, 8)},

		// Before DATA: one recipient's address is its own affair, that of all the
		// configuration's.
		"the only recipient is refused": {outs: []forwarder.Outcome{noSuchUser}, want: "a deferred 1 in 1m0s", effect: Rollback, blame: RouteFault, decided: noSuchUser},
		"all of several recipients are refused": {outs: []forwarder.Outcome{noSuchUser, to("b", noSuchUser)},
			want: "a deferred 1 in 1m0s, b deferred 1 in 1m0s", effect: Rollback, blame: RouteFault, decided: noSuchUser},
		"one of several recipients is refused": {outs: []forwarder.Outcome{acceptedReply, to("b", noSuchUser)},
			want: "a forwarded 1, b held 1", decided: to("b", noSuchUser)},
		"one of several is refused for now": {outs: []forwarder.Outcome{disabledToday, to("b", acceptedReply)},
			want: "a deferred 1 in 1m0s, b forwarded 1", decided: disabledToday},
		"the one left is refused, another has it": {outs: []forwarder.Outcome{to("b", noSuchUser)}, before: []ledger.Recipient{was("a", ledger.Forwarded, 1), was("b", ledger.Deferred, 1)},
			want: "b held 2", decided: to("b", noSuchUser)},
		"the one left is refused, as another was": {outs: []forwarder.Outcome{to("b", noSuchUser)}, before: []ledger.Recipient{was("a", ledger.Held, 1), was("b", ledger.Deferred, 1)},
			want: "b held 2", decided: to("b", noSuchUser)},
		"the mailbox of one of several is full": {outs: []forwarder.Outcome{acceptedReply, to("b", mailboxFull)},
			want: "a forwarded 1, b deferred 1 in 1m0s", decided: to("b", mailboxFull)},
		"the only mailbox is full": {outs: []forwarder.Outcome{mailboxFull}, want: "a deferred 1 in 1m0s", effect: Rollback, blame: NoRoom, decided: mailboxFull},

		// LMTP: an answer for each recipient after the dot.
		"one accepts, one refuses, one later": {outs: []forwarder.Outcome{acceptedReply, to("b", spamReply), to("c", greylisted)},
			want: "a forwarded 1, b held 1, c deferred 1 in 1m0s", decided: to("b", spamReply)},
		"all refuse after the dot": {outs: []forwarder.Outcome{spamReply, to("b", spamReply)}, want: "a held 1, b held 1", decided: spamReply},
		"the connection ends after the first answer": {outs: []forwarder.Outcome{acceptedReply, to("b", doubtReply)},
			want: "a forwarded 1, b unknown 1 in 1m0s", effect: InDoubt, decided: to("b", doubtReply)},
		"the connection ends after a refusal": {outs: []forwarder.Outcome{spamReply, to("b", doubtReply)},
			want: "a held 1, b unknown 1 in 1m0s", effect: InDoubt, decided: to("b", doubtReply)},

		"the connection ends before the dot": {outs: []forwarder.Outcome{lostReply, to("b", lostReply)},
			want: "a deferred 1 in 0s, b deferred 1 in 0s", effect: ConnectionLost, decided: lostReply},
		"for the third time": {outs: []forwarder.Outcome{lostReply}, before: []ledger.Recipient{was("a", ledger.Deferred, 2)},
			want: "a deferred 3 in 1m0s", effect: ConnectionLost, decided: lostReply},
		"no reply to the dot": {outs: []forwarder.Outcome{doubtReply}, want: "a unknown 1 in 1m0s", effect: InDoubt, decided: doubtReply},
		"no reply, after other failures": {outs: []forwarder.Outcome{doubtReply}, before: []ledger.Recipient{was("a", ledger.Deferred, 7)}, passed: true,
			want: "a unknown 8 in 1m0s", effect: InDoubt, decided: doubtReply},
		"no reply for the second time": {outs: []forwarder.Outcome{doubtReply}, before: []ledger.Recipient{doubted("a", 1, 5)}, passed: true,
			want: "a unknown 6 in 1m0s", effect: InDoubt, decided: doubtReply},
		"no reply for the third time": {outs: []forwarder.Outcome{doubtReply}, before: []ledger.Recipient{doubted("a", 2, 2)},
			want: "a unknown 3 in 1m0s", effect: InDoubt, decided: doubtReply},
		"no reply for the third time, others passed": {outs: []forwarder.Outcome{doubtReply}, before: []ledger.Recipient{doubted("a", 2, 2)}, passed: true,
			want: "a held 3", effect: InDoubt, decided: doubtReply},
		"no reply, after an answer between two doubts": {outs: []forwarder.Outcome{doubtReply}, before: []ledger.Recipient{was("a", ledger.Deferred, 3)}, passed: true,
			want: "a unknown 4 in 1m0s", effect: InDoubt, decided: doubtReply},
		"one too many for the transaction": {outs: []forwarder.Outcome{acceptedReply, to("b", refused(forwarder.StageRcpt, 452, 4, 5, 3))},
			want: "a forwarded 1, b deferred 0 in 0s", decided: to("b", refused(forwarder.StageRcpt, 452, 4, 5, 3))},

		"no session": {outs: []forwarder.Outcome{unusable, to("b", unusable)},
			want: "a deferred 1 in 1m0s, b deferred 1 in 1m0s", effect: Rollback, blame: DestinationFault, decided: unusable},
		"a fault, but one has it": {outs: []forwarder.Outcome{acceptedReply, to("b", unusable)},
			want: "a forwarded 1, b deferred 1 in 1m0s", blame: DestinationFault, decided: to("b", unusable)},
		"a fault, but one may have it": {outs: []forwarder.Outcome{doubtReply, to("b", unusable)},
			want: "a unknown 1 in 1m0s, b deferred 1 in 1m0s", effect: InDoubt, blame: DestinationFault, decided: to("b", unusable)},
	} {
		a := firstAttempt
		a.OthersPassed = test.passed
		v := Evaluate(test.outs, test.e, test.before, a)
		if got := inShort(v.Recipients); got != test.want {
			t.Errorf("%s: recipients %q, want %q", name, got, test.want)
		}
		if v.Effect != test.effect {
			t.Errorf("%s: effect %d, want %d", name, v.Effect, test.effect)
		}
		if v.Blame != test.blame {
			t.Errorf("%s: blamed is %q, want %q", name, v.Blame, test.blame)
		}
		if v.Outcome != test.decided {
			t.Errorf("%s: decided by %+v, want %+v", name, v.Outcome, test.decided)
		}
	}
}

func TestVerdictNamesWhoHasItAndWhoRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		outs    []forwarder.Outcome
		has     bool // or may have
		refused []string
	}{
		"accepted":            {[]forwarder.Outcome{acceptedReply}, true, nil},
		"no reply":            {[]forwarder.Outcome{doubtReply}, true, nil},
		"refused":             {[]forwarder.Outcome{spamReply}, false, []string{"a@example.org"}},
		"deferred":            {[]forwarder.Outcome{greylisted, to("b", greylisted)}, false, nil},
		"accepted by one":     {[]forwarder.Outcome{acceptedReply, to("b", spamReply)}, true, []string{"b@example.org"}},
		"refused by two of 3": {[]forwarder.Outcome{spamReply, to("b", greylisted), to("c", spamReply)}, false, []string{"a@example.org", "c@example.org"}},
	} {
		v := Evaluate(test.outs, Envelope{}, nil, firstAttempt)
		if got := v.PossiblyDelivered(); got != test.has {
			t.Errorf("%s: possibly delivered: %v, want %v", name, got, test.has)
		}
		if got := v.Refused(); !slices.Equal(got, test.refused) {
			t.Errorf("%s: refused by %v, want %v", name, got, test.refused)
		}
	}
}

func TestDeferredAsksThoseAgainWhoRefused(t *testing.T) {
	t.Parallel()
	v := Evaluate([]forwarder.Outcome{acceptedReply, to("b", spamReply), to("c", greylisted)}, Envelope{}, nil, firstAttempt)
	before := inShort(v.Recipients)
	if got, want := inShort(v.Deferred(firstAttempt).Recipients), "a forwarded 1, b deferred 1 in 1m0s, c deferred 1 in 1m0s"; got != want {
		t.Errorf("recipients %q, want %q", got, want)
	}
	if got := inShort(v.Recipients); got != before {
		t.Errorf("the verdict itself became %q, want it unchanged: %q", got, before)
	}
}

func TestWrappedTakesTheSecondTransactionsOutcome(t *testing.T) {
	t.Parallel()
	const after = "sent as an attachment, after: 554 5.7.1"
	for name, test := range map[string]struct {
		then    forwarder.Outcome // b's, to the attachment
		want    string
		text    string // of b's row
		effect  Effect
		blame   Disposition
		decided forwarder.Outcome
	}{
		"accepted":        {then: acceptedReply, want: "a forwarded 1, b forwarded 1", text: after, decided: to("b", spamReply)},
		"refused, too":    {then: otherReply, want: "a forwarded 1, b held 1", text: "550", decided: to("b", otherReply)},
		"deferred":        {then: greylisted, want: "a forwarded 1, b deferred 1 in 1m0s", text: "451 4.7.1", decided: to("b", greylisted)},
		"no reply":        {then: doubtReply, want: "a forwarded 1, b unknown 1 in 1m0s", effect: InDoubt, decided: to("b", doubtReply)},
		"connection lost": {then: lostReply, want: "a forwarded 1, b deferred 1 in 0s", effect: ConnectionLost, decided: to("b", lostReply)},
		"no session":      {then: unusable, want: "a forwarded 1, b deferred 1 in 1m0s", blame: DestinationFault, decided: to("b", unusable)},
	} {
		v := Evaluate([]forwarder.Outcome{acceptedReply, to("b", spamReply)}, Envelope{}, nil, firstAttempt).Deferred(firstAttempt)
		w := Evaluate([]forwarder.Outcome{to("b", test.then)}, Envelope{}, nil, firstAttempt)
		v = v.Wrapped(w)
		if got := inShort(v.Recipients); got != test.want {
			t.Errorf("%s: recipients %q, want %q", name, got, test.want)
		}
		if got := v.Recipients[1].Text; got != test.text {
			t.Errorf("%s: text %q, want %q", name, got, test.text)
		}
		if v.Effect != test.effect {
			t.Errorf("%s: effect %d, want %d", name, v.Effect, test.effect)
		}
		if v.Blame != test.blame {
			t.Errorf("%s: blamed is %q, want %q", name, v.Blame, test.blame)
		}
		if v.Outcome != test.decided {
			t.Errorf("%s: decided by %+v, want %+v", name, v.Outcome, test.decided)
		}
	}
}

func TestQuarantineCountsAsForwarded(t *testing.T) {
	t.Parallel()
	v := Evaluate([]forwarder.Outcome{spamReply, to("b", greylisted), to("c", spamReply)}, Envelope{}, nil, firstAttempt)
	refused := v.Refused()
	v.Quarantine("/q/new/1", refused)
	if got, want := inShort(v.Recipients), "a forwarded 1, b deferred 1 in 1m0s, c forwarded 1"; got != want {
		t.Errorf("recipients %q, want %q", got, want)
	}
	if got, want := v.Recipients[2].Text, "in quarantine: /q/new/1, after: 554 5.7.1"; got != want {
		t.Errorf("text %q, want %q", got, want)
	}
	if !slices.Equal(v.Quarantined, refused) {
		t.Errorf("quarantined for %v, want %v", v.Quarantined, refused)
	}
}

func TestAttemptsWaitLongerEachTime(t *testing.T) {
	t.Parallel()
	third := Attempt{Now: noon, First: noon.Add(-time.Hour), Number: 3}
	v := Evaluate([]forwarder.Outcome{greylisted}, Envelope{}, nil, third)
	if got, want := inShort(v.Recipients), "a deferred 1 in 4m0s"; got != want {
		t.Errorf("recipients %q, want %q", got, want)
	}
}

// TestRefusedWithoutAReason: an IMAP server's bare NO defers a message; the third in a
// row holds it, if others have passed. Doubts are counted apart from that.
func TestRefusedWithoutAReason(t *testing.T) {
	t.Parallel()
	bare := refused(forwarder.StageDot, 450, 4, 0, 0)
	bare.Translated = true
	before := func(s ledger.State, doubts int) []ledger.Recipient {
		rc := was("a", s, doubts)
		rc.Doubts = doubts
		return []ledger.Recipient{rc}
	}
	passed, alone := Attempt{Now: noon, First: noon, Number: 1, OthersPassed: true}, Attempt{Now: noon, First: noon, Number: 1}
	for name, test := range map[string]struct {
		before []ledger.Recipient
		a      Attempt
		o      forwarder.Outcome
		want   string
		doubts int
	}{
		"the first":                  {nil, passed, bare, "a deferred 1 in 1m0s", 1},
		"the second":                 {before(ledger.Deferred, 1), passed, bare, "a deferred 2 in 1m0s", 2},
		"the third":                  {before(ledger.Deferred, 2), passed, bare, "a held 3", 3},
		"nothing else passed":        {before(ledger.Deferred, 2), alone, bare, "a deferred 3 in 1m0s", 3},
		"later something has":        {before(ledger.Deferred, 3), passed, bare, "a held 4", 4},
		"after doubts":               {before(ledger.Unknown, 2), passed, bare, "a deferred 3 in 1m0s", 1},
		"in doubt after two of them": {before(ledger.Deferred, 2), passed, doubtReply, "a unknown 3 in 1m0s", 1},
		"another reason in between":  {before(ledger.Deferred, 2), passed, greylisted, "a deferred 3 in 1m0s", 0},
	} {
		v := Evaluate([]forwarder.Outcome{test.o}, Envelope{}, test.before, test.a)
		if got := inShort(v.Recipients); got != test.want || v.Recipients[0].Doubts != test.doubts {
			t.Errorf("%s: %q with %d, want %q with %d", name, got, v.Recipients[0].Doubts, test.want, test.doubts)
		}
	}
	rec := &ledger.Record{Recipients: before(ledger.Deferred, 2)}
	Intend(rec, rec.Recipients, []string{"a@example.org"}, passed)
	if rec.Recipients[0].Doubts != 0 {
		t.Errorf("sent again it has %d doubts, want none", rec.Recipients[0].Doubts)
	}
}
