package fetcher_test

import (
	"context"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

func keepAll(context.Context, string) (v fetcher.Verdict, err error) { return v, nil }

// The rows are older than the account's filter. That does not mean that UIDs, which are
// numbers, belong to other messages now.
func TestFilterIsSwitchedOnWhereUIDsAreNumbers(t *testing.T) {
	t.Parallel()
	for name, noTop := range map[string]bool{"TOP": false, "no TOP": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pop := popHandler(numbersAsUIDs)
			if noTop {
				pop = func(s *pop3test.Session, verb, arg string) bool {
					return withoutTop(s, verb, arg) || numbersAsUIDs(s, verb, arg)
				}
			}
			f := newFixture(t, faults{pop: pop})
			const n = 100
			f.add(numbered(n)...)
			f.pollEvery12Hours(2, false)
			count := func() int {
				before := len(f.verbs("TOP", "RETR"))
				f.pollEvery12Hours(1, false)
				return len(f.verbs("TOP", "RETR")) - before
			}
			without := count()
			f.account.Filter = filterFunc(keepAll)
			f.pollEvery12Hours(1, false)
			if with := count(); with > without {
				t.Errorf("%d headers or messages are asked for in each poll, want %d as before", with, without)
			}
			f.wantArrived(numbered(n)...)
		})
	}
}
