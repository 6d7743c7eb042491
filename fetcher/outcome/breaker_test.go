package outcome

import (
	"errors"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var (
	acceptedReply = forwarder.Outcome{Recipient: "a@example.org", Kind: forwarder.Accepted, Stage: forwarder.StageDot, Code: 250}
	spamReply     = refused(forwarder.StageDot, 554, 5, 7, 1)
	otherReply    = refused(forwarder.StageDot, 550)
	laterReply    = refused(forwarder.StageDot, 451, 4, 7, 1)
	otherLater    = refused(forwarder.StageDot, 450)
	lostReply     = forwarder.Outcome{Recipient: "a@example.org", Kind: forwarder.Broken, Stage: forwarder.StageBody}
	closingReply  = refused(forwarder.StageDot, 421, 4, 7, 1)
	doubtReply    = forwarder.Outcome{Recipient: "a@example.org", Kind: forwarder.InDoubt, Stage: forwarder.StageDot}
)

// record passes a transaction of one recipient that ended so through a breaker.
func record(b *Breaker, o forwarder.Outcome, before ledger.Record) (*ledger.Record, error) {
	a := Attempt{Now: noon, First: noon, Number: before.Attempts + 1, OthersPassed: b.OthersPassed(&before)}
	v := Evaluate([]forwarder.Outcome{o}, Envelope{}, before.Recipients, a)
	rec := before
	rec.Attempts++
	Conclude(&rec, before.Recipients, v, a, func(error) ledger.Cause { return ledger.Cause{} })
	if rec.State == ledger.Held {
		if since := b.Refuse(&before, false, noon); !since.IsZero() {
			rec.RefusedSince = since
		}
	}
	state := rec.State
	if v.Effect == Rollback {
		state = 0
	}
	return &rec, b.Record(v, state, b.Unanswered())
}

// TestBreaker: what the replies to the messages of a poll, one after the other,
// say about more than a message.
func TestBreaker(t *testing.T) {
	t.Parallel()
	const none, route, destination, paused = "nothing", "the route", "the destination", "a pause"
	mail, rcpt := forwarder.StageMail, forwarder.StageRcpt
	for name, test := range map[string]struct {
		replies []forwarder.Outcome
		want    string
	}{
		"accepted": {repeat(acceptedReply, 20), none},
		"refused after the message, however often":          {repeat(spamReply, 100), none},
		"no room for one":                                   {[]forwarder.Outcome{refused(rcpt, 452, 4, 2, 2)}, none},
		"a recipient that does not exist":                   {[]forwarder.Outcome{refused(rcpt, 550, 5, 1, 1)}, route},
		"relay denied":                                      {[]forwarder.Outcome{saying(refused(rcpt, 554, 5, 7, 1), "Relay access denied")}, route},
		"a sender of ours that is refused":                  {[]forwarder.Outcome{refused(mail, 550, 5, 7, 1)}, route},
		"a login that is wanted at MAIL":                    {[]forwarder.Outcome{saying(refused(mail, 503), "This server requires authentication")}, destination},
		"the host's name at RCPT":                           {[]forwarder.Outcome{saying(refused(rcpt, 504, 5, 5, 2), "<laptop>: Helo command rejected: need fully-qualified hostname")}, destination},
		"a block list at RCPT":                              {[]forwarder.Outcome{saying(refused(rcpt, 554, 5, 7, 1), "Client host blocked using zen.spamhaus.org")}, destination},
		"no session":                                        {[]forwarder.Outcome{{Recipient: "a@example.org", Kind: forwarder.Unusable, Stage: forwarder.StageDial}}, destination},
		"mail of its own users only":                        {[]forwarder.Outcome{refused(forwarder.StageDot, 554, 5, 2, 252)}, destination},
		"still throttled":                                   {[]forwarder.Outcome{refused(forwarder.StageDot, 432, 4, 3, 2)}, destination},
		"one connection lost":                               {[]forwarder.Outcome{lostReply}, none},
		"three connections lost":                            {repeat(lostReply, 3), destination},
		"two sessions ended by what was read":               {repeat(closingReply, 2), none},
		"three sessions ended by what was read":             {repeat(closingReply, 3), paused},
		"lost, with one that passes":                        {[]forwarder.Outcome{lostReply, lostReply, acceptedReply, lostReply, lostReply}, none},
		"one without an answer":                             {[]forwarder.Outcome{doubtReply}, none},
		"two without an answer":                             {repeat(doubtReply, 2), route},
		"two without an answer, one passes in between":      {[]forwarder.Outcome{doubtReply, acceptedReply, doubtReply}, none},
		"three without an answer, others in between":        {[]forwarder.Outcome{doubtReply, acceptedReply, doubtReply, acceptedReply, doubtReply}, route},
		"four deferred with one code":                       {repeat(laterReply, 4), none},
		"five deferred with one code":                       {repeat(laterReply, 5), paused},
		"two codes in turn":                                 {[]forwarder.Outcome{laterReply, otherLater, laterReply, otherLater, laterReply, otherLater}, none},
		"five deferred with one code after one that passed": {append([]forwarder.Outcome{acceptedReply}, repeat(laterReply, 9)...), none},
	} {
		b := NewBreaker("main", time.Time{}, ledger.Refusals{})
		var err error
		for _, o := range test.replies {
			_, err = record(b, o, ledger.Record{FirstAttempt: noon})
		}
		got := none
		switch {
		case errors.As(err, new(*DestinationError)):
			got = destination
		case errors.As(err, new(*RouteError)):
			got = route
		case errors.As(err, new(*PausedError)):
			got = paused
		}
		if got != test.want {
			t.Errorf("%s: %s is at fault, want %s", name, got, test.want)
		}
	}
}

// TestRefusalsInARow: refusals with none accepted in between are counted across
// polls; the first acceptance ends them, and they are to be tried once more.
func TestRefusalsInARow(t *testing.T) {
	t.Parallel()
	b := NewBreaker("main", noon.Add(-time.Hour), ledger.Refusals{})
	fresh := ledger.Record{FirstAttempt: noon}
	var held *ledger.Record
	for i := range ledger.ManyRefusals {
		if b.Refusals().Everything() {
			t.Errorf("everything is refused after %d, want after %d", i, ledger.ManyRefusals)
		}
		reply := spamReply
		if i%2 == 1 {
			reply = otherReply
		}
		held, _ = record(b, reply, fresh)
	}
	if r := b.Refusals(); !r.Everything() || !r.Since.Equal(noon) || !r.RetryAt.Equal(noon.Add(time.Hour)) {
		t.Errorf("%+v, want %d since noon, to be tried again in an hour", r, ledger.ManyRefusals)
	}
	if !held.RefusedSince.Equal(noon) {
		t.Errorf("the row says refused since %v, want %v", held.RefusedSince, noon)
	}
	next := NewBreaker("main", noon.Add(-time.Hour), b.Refusals()) // the next poll
	if _, err := record(next, acceptedReply, fresh); err != nil {
		t.Error(err)
	}
	if got := next.TakeEnded(); !got.Equal(noon) {
		t.Errorf("refusals since %v have ended, want since %v", got, noon)
	}
	if got := next.TakeEnded(); !got.IsZero() {
		t.Errorf("they have ended once more: %v", got)
	}
	again, _ := record(next, spamReply, ledger.Record{FirstAttempt: noon, Known: ledger.Known{Attempts: 1, NextAttempt: noon}})
	if !again.RefusedSince.IsZero() || next.Refusals().Count != 0 {
		t.Errorf("refused again though others passed: since %v, %d in a row; want not in a row", again.RefusedSince, next.Refusals().Count)
	}
}

// TestUnansweredTogether: messages that were under way when the connection was cut are
// no evidence of another cut.
func TestUnansweredTogether(t *testing.T) {
	t.Parallel()
	b := NewBreaker("main", time.Time{}, ledger.Refusals{})
	v := Evaluate([]forwarder.Outcome{doubtReply}, Envelope{}, nil, Attempt{Now: noon, First: noon, Number: 1})
	begun := b.Unanswered()
	for i := range 8 {
		if err := b.Record(v, ledger.Unknown, begun); err != nil {
			t.Errorf("message %d of one cut: %v, want that the others go on", i+1, err)
		}
	}
	if err := b.Record(v, ledger.Unknown, b.Unanswered()); !errors.As(err, new(*RouteError)) {
		t.Errorf("a message after the cut: %v, want that the route is at fault", err)
	}
}

// TestUnknownIsHeldOnlyIfOthersPassed: without a reply three times, a message is
// held if the destination accepted another one in between, else it may be its
// fault.
func TestUnknownIsHeldOnlyIfOthersPassed(t *testing.T) {
	t.Parallel()
	for passed, want := range map[bool]ledger.State{false: ledger.Unknown, true: ledger.Held} {
		rec := ledger.Record{FirstAttempt: noon}
		for range ledger.MaxDoubts {
			b := NewBreaker("main", time.Time{}, ledger.Refusals{})
			if passed {
				b = NewBreaker("main", noon.Add(time.Hour), ledger.Refusals{})
			}
			after, _ := record(b, doubtReply, rec)
			rec = *after
		}
		if rec.State != want {
			t.Errorf("others passed %v: the message is %s, want %s", passed, rec.State, want)
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
