package fetcher

import (
	"errors"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/outcome"
)

func emptyTally() *tally {
	return newTally(outcome.NewBreaker("main", time.Time{}, ledger.Refusals{}))
}

// Each way to end a poll is graver than the one before, and the first reason stays.
func TestTallyEndsFetchingThenSendingThenDeleting(t *testing.T) {
	t.Parallel()
	first := errors.New("first")
	y := emptyTally()
	for _, test := range []struct {
		name string
		end  func()
		want [3]bool // stopped, closed for sending, aborted
	}{
		{"at first", func() {}, [3]bool{}},
		{"endFetching", func() { y.endFetching(first) }, [3]bool{true, false, false}},
		{"stop", func() { y.stop(errors.New("second")) }, [3]bool{true, true, false}},
		{"abort", func() {
			third := errors.New("third")
			if err := y.abort(third); err != third {
				t.Errorf("abort returned %v, want its argument, %v", err, third)
			}
		}, [3]bool{true, true, true}},
	} {
		test.end()
		if got := [3]bool{y.stopped(), y.closedForSending(), y.aborted()}; got != test.want {
			t.Errorf("after %s: stopped, closed for sending and aborted are %v, want %v", test.name, got, test.want)
		}
	}
	if _, _, halt := y.result(); halt != first {
		t.Errorf("reason %v, want %v", halt, first)
	}
}

func TestTallyCountsByState(t *testing.T) {
	t.Parallel()
	for state, want := range map[ledger.State]Counts{
		ledger.Forwarded: {Forwarded: 2, Octets: 10}, ledger.Held: {Held: 2}, ledger.Deferred: {Deferred: 2},
		ledger.Unknown: {Deferred: 2, Unknown: 2}, ledger.Skipped: {Skipped: 2}, ledger.Gone: {}, ledger.Sending: {},
	} {
		y := emptyTally()
		y.count(state, 2, 10)
		if got, _, _ := y.result(); got != want {
			t.Errorf("%s: %+v, want %+v", state, got, want)
		}
	}
}
