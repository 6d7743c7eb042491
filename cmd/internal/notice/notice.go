// Package notice decides what a person is told by mail, and writes the letter:
// accounts that have failed for long, that work again, and messages that are
// held. It sends nothing and remembers nothing.
package notice

import (
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// digestGap is how long after one letter about held messages the next may come.
const digestGap = 24 * time.Hour

// Account is an account as it is now.
type Account struct {
	ledger.Account
	Held []*ledger.Record // all of them, but for letters of our own
}

// failing tells whether the last poll did not get through to its end. One that
// was stopped has no cause.
func (a Account) failing() bool {
	return a.Failures > 0 || a.Cause.Code != "" && a.LastSuccess.Before(a.LastPoll)
}

// News is what there is to tell.
type News struct {
	Failing   []Account
	Since     []time.Time // of those, from when
	Recovered []Account
	Held      []Account // each with its new messages first
	New       []int     // of those: how many
}

// Empty reports whether there is nothing.
func (n News) Empty() bool { return len(n.Failing)+len(n.Recovered)+len(n.Held) == 0 }

// About is an account of the news; there is one unless there are none.
func (n News) About() Account {
	for _, list := range [][]Account{n.Failing, n.Held, n.Recovered} {
		if len(list) > 0 {
			return list[0]
		}
	}
	return Account{}
}

// Decide compares the accounts with what was told of them. An account that
// fails is told once, when it has failed for longer than after, and once more
// when it works again. Held messages are told when there are some that the
// person does not know of, once a day at most.
//
// seen are the rows that change without a letter: they are to be written in any
// case, told once the letter is sent.
func Decide(now time.Time, after time.Duration, accounts []Account, rows []ledger.Notice) (n News, seen, told []ledger.Notice) {
	before := make(map[int64]ledger.Notice, len(rows))
	var digest time.Time // the last one
	for _, r := range rows {
		before[r.Account] = r
		if r.HeldAt.After(digest) && !r.HeldAt.After(now) { // a clock that was ahead does not silence us
			digest = r.HeldAt
		}
	}
	for _, a := range accounts {
		old := before[a.ID]
		old.Account = a.ID
		quiet := old
		a.Held, quiet.Held = newFirst(a.Held, old.Held)
		switch {
		case !a.failing() && old.Told.IsZero():
			quiet.Since = time.Time{}
		case a.failing() && old.Since.IsZero():
			if quiet.Since = now; !a.LastSuccess.IsZero() && a.LastSuccess.Before(now) {
				quiet.Since = a.LastSuccess
			}
		}
		if !same(quiet, before[a.ID]) {
			seen = append(seen, quiet)
		}
		loud := quiet
		switch {
		case a.failing() && loud.Told.IsZero() && now.Sub(loud.Since) >= after:
			loud.Told = now
			n.Failing, n.Since = append(n.Failing, a), append(n.Since, loud.Since)
		case !a.failing() && !loud.Told.IsZero():
			loud.Since, loud.Told = time.Time{}, time.Time{}
			n.Recovered = append(n.Recovered, a)
		}
		if fresh := len(a.Held) - len(quiet.Held); fresh > 0 && (digest.IsZero() || now.Sub(digest) >= digestGap) {
			loud.Held, loud.HeldAt = idsOf(a.Held), now
			n.Held, n.New = append(n.Held, a), append(n.New, fresh)
		}
		if !same(loud, quiet) {
			told = append(told, loud)
		}
	}
	return n, seen, told
}

// newFirst sorts held messages: first those that are not among the known ones,
// of which it returns the rest, that are still held.
func newFirst(held []*ledger.Record, known []int64) (sorted []*ledger.Record, still []int64) {
	var old []*ledger.Record
	for _, r := range held {
		if _, ok := slices.BinarySearch(known, r.ID); ok {
			old = append(old, r)
		} else {
			sorted = append(sorted, r)
		}
	}
	return append(sorted, old...), idsOf(old)
}

// idsOf are the messages' ids, ascending.
func idsOf(list []*ledger.Record) (ids []int64) {
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids
}

// same tells whether two rows have the same in them.
func same(a, b ledger.Notice) bool {
	return a.Account == b.Account && a.Since.Equal(b.Since) && a.Told.Equal(b.Told) && a.HeldAt.Equal(b.HeldAt) && slices.Equal(a.Held, b.Held)
}

// idPrefix begins the Message-ID of each letter.
const idPrefix = "popferry-notice."

// Own tells whether a held message is a letter of ours, which is never told of:
// it would cause the next.
func Own(r *ledger.Record) bool {
	return strings.HasPrefix(strings.TrimLeft(r.Excerpt.MessageID, "<"), idPrefix)
}
