package web

import (
	"fmt"

	"github.com/popferry/popferry/fetcher/ledger"
)

// health is the state of an account at a glance. Its value is a class of the
// style sheet.
type health string

// From worst to best.
const (
	red   health = "red"
	amber health = "amber"
	green health = "green"
	grey  health = "grey"
)

func (h health) rank() int { return map[health]int{red: 0, amber: 1, green: 2, grey: 3}[h] }

// healthOf returns an account's health, and the same in a few words.
func healthOf(a Account) (health, string) {
	held := a.Counts[ledger.Held]
	switch {
	case !a.Enabled:
		return grey, "disabled"
	case a.Failures > 0 || a.Cause.Code != "":
		return red, "failing"
	case held == 1:
		return amber, "1 message needs you"
	case held > 1:
		return amber, fmt.Sprintf("%d messages need you", held)
	case a.LastPoll.IsZero():
		return grey, "not polled yet"
	default:
		return green, "working"
	}
}

// headline sums up all accounts, and how many sign-ins are to be repeated.
func headline(accounts []Account, signIns int) (health, string) {
	n := make(map[health]int)
	for _, a := range accounts {
		h, _ := healthOf(a)
		n[h]++
	}
	all := len(accounts)
	switch {
	case n[red] > 0:
		return red, fmt.Sprintf("%s failing", ofAll(n[red], all, "is", "are"))
	case n[amber] > 0:
		return amber, fmt.Sprintf("%s attention", ofAll(n[amber], all, "needs", "need"))
	case signIns == 1:
		return amber, "A sign-in has to be repeated"
	case signIns > 1:
		return amber, fmt.Sprintf("%d sign-ins have to be repeated", signIns)
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
