package report

import (
	"errors"
	"fmt"
	"io"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/cmd/internal/terminal"
	"github.com/popferry/popferry/fetcher"
)

// PollSummary is one account in run --once --json: part of the contract.
type PollSummary struct {
	Name      string  `json:"name"`
	Forwarded int     `json:"forwarded"`
	Held      int     `json:"held"`
	Deferred  int     `json:"deferred"`
	Skipped   int     `json:"skipped"`
	Waiting   int     `json:"waiting"`
	OnServer  int     `json:"on_server"`
	Duration  float64 `json:"duration"` // seconds
	LastError string  `json:"last_error"`
	TryAgain  bool    `json:"try_again"`
}

// Detail is how much is said about polls.
type Detail uint8

const (
	// EachPoll says a line about every account.
	EachPoll Detail = iota
	// Events leaves out accounts in which nothing happened.
	Events
	// Failures leaves out all but failed polls and messages that wait for the
	// user.
	Failures
)

// shows reports whether there is a line about a poll.
func (d Detail) shows(r fetcher.Result) bool {
	switch d {
	case Failures:
		return Failed(r) || r.Held > 0
	case Events:
		return Failed(r) || r.Forwarded+r.Held+r.Deferred+r.Skipped > 0
	case EachPoll:
	}
	return true
}

// Problem is ProblemLine without what only says that an account was not due, unless
// each account is to be told of.
func (d Detail) Problem(r fetcher.Result) string {
	if d != EachPoll && r.Err == nil && r.Notice == nil {
		return ""
	}
	return ProblemLine(r)
}

// Failed reports whether a poll failed. One that was stopped, or let others go
// first, did not.
func Failed(r fetcher.Result) bool { return r.Err != nil && !stopped(r.Err) }

func stopped(err error) bool {
	return errors.Is(err, fetcher.ErrStopped) || errors.Is(err, fetcher.ErrYielded)
}

// PollLine is a poll in one line: what it did, or why it failed.
func PollLine(r fetcher.Result) string {
	switch {
	case Failed(r):
		done := ""
		if r.Forwarded+r.Held+r.Deferred+r.Skipped > 0 {
			done = fmt.Sprintf("; before that %d forwarded, %d held, %d deferred, %d skipped", r.Forwarded, r.Held, r.Deferred, r.Skipped)
		}
		return fmt.Sprintf("%s: FAILED: %s%s", r.Account, cause.Of(r.Err).What, done)
	case r.Skip != fetcher.NotSkipped && r.Forwarded+r.Held+r.Deferred+r.Skipped == 0:
		return r.Account + ": not polled"
	}
	return r.Summary()
}

// PrintPolls prints a line for each poll that is worth one.
func PrintPolls(results []fetcher.Result, d Detail, say func(line string) error) error {
	for _, r := range results {
		if !d.shows(r) {
			continue
		}
		if err := say(PollLine(r)); err != nil {
			return err
		}
	}
	return nil
}

// PrintPollsJSON prints the results of polls as an array.
func PrintPollsJSON(w io.Writer, results []fetcher.Result) error {
	list := []PollSummary{}
	for _, r := range results {
		s := PollSummary{Name: r.Account, Forwarded: r.Forwarded, Held: r.Held, Deferred: r.Deferred, Skipped: r.Skipped, Waiting: r.Postponed,
			OnServer: max(0, r.OnServer), Duration: r.Duration.Seconds(), TryAgain: r.TryAgain()}
		if r.Err != nil {
			s.LastError = r.Err.Error()
		}
		list = append(list, s)
	}
	return WriteJSON(w, list)
}

// ProblemLine returns what the user should know about a poll that did not go
// through, and what to do; "" if there is nothing to say.
func ProblemLine(res fetcher.Result) string {
	switch {
	case stopped(res.Err):
		return res.Account + ": stopped before the end of the mailbox; the next poll does the rest"
	case res.Err != nil:
		return cause.Line(res.Account, res.Err)
	case res.Notice != nil:
		return cause.Line(res.Account, res.Notice)
	case res.Skip == fetcher.Leased:
		return res.Account + ": not polled: another popferry is polling it now; nothing to do"
	case res.Skip == fetcher.Sick:
		return res.Account + ": not polled: no connection to one server after the other, and no other popferry says the same; see to the network of this machine"
	case res.Skip == fetcher.Crowded:
		return res.Account + ": not polled: other popferrys have all sessions with its server or its destination that there may be (per_host, connections)"
	case res.Skip == fetcher.NotDue:
		return res.Account + ": another popferry has polled it meanwhile; nothing to do"
	case res.Skip == fetcher.BackingOff:
		return fmt.Sprintf("%s: not polled: it or its destination failed before, so it waits until %s; --now polls it anyway, popferry status says why",
			res.Account, terminal.Time(res.Until))
	case res.Skip == fetcher.TooSoon:
		return fmt.Sprintf("%s: not polled: min_interval or the server's LOGIN-DELAY ends at %s", res.Account, terminal.Time(res.Until))
	}
	return ""
}
