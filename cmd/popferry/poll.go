package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/daemon"
)

func (p *program) pollCommand() *cobra.Command {
	var wait bool
	c := &cobra.Command{
		Use:   "poll [ACCOUNT...]",
		Short: "Make the running popferry poll now",
		Long: "Asks the running popferry to poll all (or the named) accounts now. Returns at once unless --wait is given:\n" +
			"then it waits for the polls and prints a line for each account, as run --once does. An account that is being\n" +
			"polled is polled once more after that. Back-offs after failures are ignored; min_interval is not.\n\n" +
			"The running popferry is the one with this configuration. It is reached through a socket beside the ledger that\n" +
			"only its owner may use. Where several share a ledger in a database, the first one that can polls; without one on this\n" +
			"machine they are asked through the ledger.\n\n" +
			"Exit codes: 0 accepted, or with --wait done; 75 no popferry is running, it has no usable configuration or has not\n" +
			"read the changed one yet, or with --wait something has to be tried again; 64 usage, or no such account, also if it\n" +
			"was renamed or disabled meanwhile; 78 configuration.",
		ValidArgsFunction: p.completeAccounts(0),
		RunE: func(c *cobra.Command, names []string) error {
			if slices.Contains(names, "") {
				return usage(c, errors.New("an account's name cannot be empty"))
			}
			cfg, err := p.loadReadOnly()
			if err != nil {
				return err
			}
			if wait {
				return p.pollAndWait(c, cfg, names)
			}
			if err := daemon.RequestPolls(c.Context(), cfg, names, nil); err != nil {
				return err
			}
			if len(names) == 0 {
				_, err = fmt.Fprintln(p.stdout, "all accounts are polled now")
				return err
			}
			for _, name := range names {
				if _, err := fmt.Fprintf(p.stdout, "%s: is polled now\n", name); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&wait, "wait", false, "wait for the polls to end, and print their results")
	return p.withConfig(c)
}

// pollAndWait prints the result of each poll.
func (p *program) pollAndWait(c *cobra.Command, cfg *config.Config, names []string) error {
	again, gone := false, []string(nil)
	err := daemon.RequestPolls(c.Context(), cfg, names, func(r daemon.PollResult) error {
		again = again || r.TryAgain
		if r.Problem != "" && (!r.NotPolled || len(names) == 0) {
			p.tell("%s", r.Problem)
		}
		if r.NotPolled {
			gone = append(gone, r.Problem)
			return nil
		}
		_, err := fmt.Fprintln(p.prose(p.stdout), r.Summary)
		return err
	})
	switch {
	case err != nil:
		return err
	case len(gone) > 0 && len(names) > 0: // asked for by names that are no more
		return &app.UsageError{Err: errors.New(strings.Join(gone, "\n"))}
	case again:
		return &app.TryAgainError{}
	}
	return nil
}
