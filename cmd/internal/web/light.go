package web

import (
	"fmt"

	"github.com/popferry/popferry/fetcher/ledger"
)

// light tells at a glance how an account is. Its name is its class in the page.
type light string

// The lights, the worst first.
const (
	red   light = "red"
	amber light = "amber"
	green light = "green"
	grey  light = "grey"
)

func (l light) rank() int { return map[light]int{red: 0, amber: 1, green: 2, grey: 3}[l] }

// lightOf is an account's light, and the same in a word.
func lightOf(a Account) (light, string) {
	held := a.Counts[ledger.Held]
	switch {
	case !a.Enabled:
		return grey, "switched off"
	case a.Failures > 0 || a.Cause.Code != "":
		return red, "failing"
	case held == 1:
		return amber, "1 message needs you"
	case held > 1:
		return amber, fmt.Sprintf("%d messages need you", held)
	case a.LastPoll.IsZero():
		return grey, "not polled yet"
	default:
		return green, "well"
	}
}

// sentence sums up all accounts.
func sentence(accounts []Account) (light, string) {
	n := make(map[light]int)
	for _, a := range accounts {
		l, _ := lightOf(a)
		n[l]++
	}
	all := len(accounts)
	switch {
	case n[red] > 0:
		return red, fmt.Sprintf("%s failing", ofAll(n[red], all, "is", "are"))
	case n[amber] > 0:
		return amber, fmt.Sprintf("%s a look", ofAll(n[amber], all, "needs", "need"))
	case n[green] == 0:
		return grey, "Nothing has been polled yet"
	case all == 1:
		return green, "All is well"
	default:
		return green, fmt.Sprintf("All is well with %d accounts", n[green])
	}
}

// ofAll counts some of the accounts, with a verb.
func ofAll(n, all int, one, many string) string {
	switch {
	case all == 1:
		return "The account " + one
	case n == 1:
		return fmt.Sprintf("1 of %d accounts %s", all, one)
	default:
		return fmt.Sprintf("%d of %d accounts %s", n, all, many)
	}
}
