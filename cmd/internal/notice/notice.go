package notice

import (
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// digestGap is the least time between two notices about messages.
const digestGap = 24 * time.Hour

// Account is the current state of an account.
type Account struct {
	ledger.Account
	Held []*ledger.Record // all of them, except our own notices
	Late []*ledger.Record // those that are deferred and tried only once a day
}

// failing reports whether the last poll failed. A poll that was stopped has no
// cause.
func (a Account) failing() bool {
	return a.Failures > 0 || a.Cause.Code != "" && a.LastSuccess.Before(a.LastPoll)
}

// News is the content of a notice.
type News struct {
	Failing   []Account
	Since     []time.Time // for each of Failing: since when
	Recovered []Account
	Held      []Waiting
	Late      []Waiting // deferred, and tried only once a day
	Ending    []Ending
}

// Waiting are the messages of an account in one state.
type Waiting struct {
	Account  Account
	Messages []*ledger.Record // those that the user does not know of come first
	New      int              // how many these are
}

// Ending is a sign-in that its provider ends soon.
type Ending struct {
	Name  string // of the account or destination
	User  string
	Until time.Time
}

// Empty reports whether there is nothing to send.
func (n News) Empty() bool {
	return len(n.Failing)+len(n.Recovered)+len(n.Held)+len(n.Late)+len(n.Ending) == 0
}

// About returns an account of the news, the zero Account if they are about none.
func (n News) About() Account {
	list := slices.Clone(n.Failing)
	for _, w := range slices.Concat(n.Held, n.Late) {
		list = append(list, w.Account)
	}
	if list = append(list, n.Recovered...); len(list) > 0 {
		return list[0]
	}
	return Account{}
}

// Decide compares the accounts with earlier notices about them. There is one
// notice when an account has been failing for longer than after, and one when it
// works again. There is a notice about messages that are held, or have been deferred for
// days, when some of them are new, at most once a day.
//
// Store the rows seen in any case, and the rows told once the notice was sent.
func Decide(now time.Time, after time.Duration, accounts []Account, rows []ledger.Notice) (n News, seen, told []ledger.Notice) {
	before := make(map[int64]ledger.Notice, len(rows))
	var digest time.Time // of the last notice about messages
	for _, r := range rows {
		before[r.Account] = r
		if r.HeldAt.After(digest) && !r.HeldAt.After(now) { // a clock that was ahead must not suppress notices
			digest = r.HeldAt
		}
	}
	for _, a := range accounts {
		old := before[a.ID]
		old.Account = a.ID
		quiet := old
		held, late := newFirst(a, a.Held, old.Held), newFirst(a, a.Late, old.Late)
		quiet.Held, quiet.Late = held.known(), late.known()
		switch {
		case !a.failing() && old.Told.IsZero():
			quiet.Since = time.Time{}
		case a.failing() && (old.Since.IsZero() || old.Since.After(now)): // nor may it delay them
			if quiet.Since = now; !a.LastSuccess.IsZero() && a.LastSuccess.Before(now) {
				quiet.Since = a.LastSuccess
			}
		case a.failing() && old.Told.IsZero() && a.LastSuccess.After(old.Since) && a.LastSuccess.Before(now):
			quiet.Since = a.LastSuccess // it worked between two looks
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
		due := digest.IsZero() || now.Sub(digest) >= digestGap
		if held.New > 0 && due {
			loud.Held, loud.HeldAt = idsOf(a.Held), now
			n.Held = append(n.Held, held)
		}
		if late.New > 0 && due {
			loud.Late, loud.HeldAt = idsOf(a.Late), now
			n.Late = append(n.Late, late)
		}
		if !same(loud, quiet) {
			told = append(told, loud)
		}
	}
	return n, seen, told
}

// newFirst sorts messages of an account, those that the user does not know of first.
func newFirst(a Account, list []*ledger.Record, known []int64) Waiting {
	w := Waiting{Account: a}
	var old []*ledger.Record
	for _, r := range list {
		if _, ok := slices.BinarySearch(known, r.ID); ok {
			old = append(old, r)
		} else {
			w.Messages = append(w.Messages, r)
		}
	}
	w.New = len(w.Messages)
	w.Messages = append(w.Messages, old...)
	return w
}

// known are the ids of the messages that the user knows of.
func (w Waiting) known() []int64 { return idsOf(w.Messages[w.New:]) }

// idsOf returns the ids of messages in ascending order.
func idsOf(list []*ledger.Record) (ids []int64) {
	for _, r := range list {
		ids = append(ids, r.ID)
	}
	slices.Sort(ids)
	return ids
}

// same reports whether two rows are equal.
func same(a, b ledger.Notice) bool {
	return a.Account == b.Account && a.Since.Equal(b.Since) && a.Told.Equal(b.Told) && a.HeldAt.Equal(b.HeldAt) && slices.Equal(a.Held, b.Held) && slices.Equal(a.Late, b.Late)
}

// idPrefix begins the Message-ID of each notice.
const idPrefix = "popferry-notice."

// Own reports whether a message is one of our own notices. There must be no
// notice about it, because that could be held, too.
func Own(r *ledger.Record) bool {
	return strings.HasPrefix(strings.TrimLeft(r.Excerpt.MessageID, "<"), idPrefix)
}
