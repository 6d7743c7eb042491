package fetcher_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/popferry/popferry/fetcher"
)

type (
	result = fetcher.Result
	counts = fetcher.Counts
)

// errAny in a wanted result stands for whatever error.
var errAny = errors.New("any error")

// wantResult compares the result of a poll with the wanted one, except for the
// account's name, octets and times. An error that is wanted has to be in the chain
// of the one that came.
func wantResult(t testing.TB, got, want result) {
	t.Helper()
	g, w := got, want
	w.Account, w.Octets, w.Duration, w.Until, w.Began = g.Account, g.Octets, g.Duration, g.Until, g.Began
	w.Err, w.Notice = g.Err, g.Notice
	if g != w || !hasError(got.Err, want.Err) || !hasError(got.Notice, want.Notice) {
		t.Errorf("the poll came to\n%s\nwant\n%s", inWords(got), inWords(want))
	}
}

func hasError(got, want error) bool {
	if want == errAny {
		return got != nil
	}
	return errors.Is(got, want)
}

func inWords(r result) string {
	skip := [...]string{fetcher.NotSkipped: "polled", fetcher.Leased: "leased", fetcher.BackingOff: "backing off", fetcher.TooSoon: "too soon"}[r.Skip]
	return fmt.Sprintf("\t%s: %d forwarded, %d held, %d deferred (%d of them unknown), %d skipped; %d on server, %d waiting, %d postponed\n\terror: %v\n\tnotice: %v",
		skip, r.Forwarded, r.Held, r.Deferred, r.Unknown, r.Skipped, r.OnServer, r.Waiting, r.Postponed, r.Err, r.Notice)
}

// wantList compares two lists.
func wantList[T comparable](t testing.TB, what string, got, want []T) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// wantArrived: the destination took these messages, each once, in whatever order.
func (f *fixture) wantArrived(names ...string) {
	f.t.Helper()
	wantList(f.t, "arrived (sorted)", sorted(f.arrived()), sorted(names))
}

// wantArrivedInOrder: the destination took these messages, in this order.
func (f *fixture) wantArrivedInOrder(names ...string) {
	f.t.Helper()
	wantList(f.t, "arrived", f.arrived(), names)
}

// wantLeft: these UIDs are in the mailbox.
func (f *fixture) wantLeft(uids ...string) {
	f.t.Helper()
	wantList(f.t, "left on the server", f.left(), uids)
}

// wantCopies: so many copies are retained.
func (f *fixture) wantCopies(n int) {
	f.t.Helper()
	if got := f.copies(); len(got) != n {
		f.t.Errorf("retained copies: %v, want %d", got, n)
	}
}

// wantSent: the POP3 server got a command so many times.
func (f *fixture) wantSent(verb string, times int) {
	f.t.Helper()
	if got := len(f.verbs(verb)); got != times {
		f.t.Errorf("%s was sent %d times, want %d", verb, got, times)
	}
}

// wantState: the rows under a UID are in this state; "" for no row, "a+b" for two
// generations.
func (f *fixture) wantState(uid, want string) {
	f.t.Helper()
	if got := f.states()[uid]; got != want {
		f.t.Errorf("state of %s: %q, want %q", uid, got, want)
	}
}

// wantStates: the ledger has these rows and no other, states by UID.
func (f *fixture) wantStates(want map[string]string) {
	f.t.Helper()
	if got := f.states(); !maps.Equal(got, want) {
		f.t.Errorf("states: %v, want %v", got, want)
	}
}

// wantAll: every row is in this state.
func (f *fixture) wantAll(state string) {
	f.t.Helper()
	for uid, got := range f.states() {
		if got != state {
			f.t.Errorf("state of %s: %q, want %q", uid, got, state)
		}
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
