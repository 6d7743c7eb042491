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
	OnServer  int     `json:"on_server"`
	Duration  float64 `json:"duration"` // seconds
	LastError string  `json:"last_error"`
	TryAgain  bool    `json:"try_again"`
}

// PrintPolls prints the results of polls: a line each, or a JSON array.
func PrintPolls(w io.Writer, results []fetcher.Result, asJSON bool) error {
	list := []PollSummary{}
	for _, r := range results {
		if !asJSON {
			if _, err := fmt.Fprintln(w, r.Summary()); err != nil {
				return err
			}
			continue
		}
		s := PollSummary{Name: r.Account, Forwarded: r.Forwarded, Held: r.Held, Deferred: r.Deferred, Skipped: r.Skipped,
			OnServer: max(0, r.OnServer), Duration: r.Duration.Seconds(), TryAgain: r.TryAgain()}
		if r.Err != nil {
			s.LastError = r.Err.Error()
		}
		list = append(list, s)
	}
	if !asJSON {
		return nil
	}
	return WriteJSON(w, list)
}

// ProblemLine returns what the user should know about a poll that did not go
// through, and what to do; "" if there is nothing to say.
func ProblemLine(res fetcher.Result) string {
	switch {
	case errors.Is(res.Err, fetcher.ErrStopped), errors.Is(res.Err, fetcher.ErrYielded):
		return res.Account + ": stopped before the end of the mailbox; the next poll does the rest"
	case res.Err != nil:
		return cause.Line(res.Account, res.Err)
	case res.Notice != nil:
		return cause.Line(res.Account, res.Notice)
	case res.Skip == fetcher.Leased:
		return res.Account + ": not polled: another popferry is polling it now; nothing to do"
	case res.Skip == fetcher.BackingOff:
		return fmt.Sprintf("%s: not polled: it or its destination failed before, so it waits until %s; --now polls it anyway, popferry status says why",
			res.Account, terminal.Time(res.Until))
	case res.Skip == fetcher.TooSoon:
		return fmt.Sprintf("%s: not polled: min_interval or the server's LOGIN-DELAY ends at %s", res.Account, terminal.Time(res.Until))
	}
	return ""
}
