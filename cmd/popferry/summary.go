package main

import (
	"fmt"
	"io"

	"github.com/popferry/popferry/fetcher"
)

// pollSummary is one account in run --once --json: part of the contract.
type pollSummary struct {
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

// printSummaries prints what came of each account, in order.
func printSummaries(w io.Writer, results []fetcher.Result, asJSON bool) error {
	list := []pollSummary{}
	for _, r := range results {
		if !asJSON {
			if _, err := fmt.Fprintln(w, r.Summary()); err != nil {
				return err
			}
			continue
		}
		s := pollSummary{Name: r.Account, Forwarded: r.Forwarded, Held: r.Held, Deferred: r.Deferred, Skipped: r.Skipped,
			OnServer: max(0, r.OnServer), Duration: r.Duration.Seconds(), TryAgain: r.TryAgain()}
		if r.Err != nil {
			s.LastError = r.Err.Error()
		}
		list = append(list, s)
	}
	if !asJSON {
		return nil
	}
	return writeJSON(w, list)
}
