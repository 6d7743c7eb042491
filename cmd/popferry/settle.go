package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/popferry/popferry/fetcher/ledger"
)

// settlement is what a command does to messages.
type settlement struct {
	fits  func(ledger.State) bool // the states that it is for
	apply func(*ledger.Record)
	done  string // what the messages are then
}

func retrying() settlement {
	return settlement{
		fits:  ledger.State.Retryable,
		apply: func(r *ledger.Record) { r.Retry(time.Now()) },
		done:  "due now",
	}
}

func skipping() settlement {
	return settlement{
		fits:  ledger.State.Skippable,
		apply: func(r *ledger.Record) { r.Skip() },
		done:  "skipped",
	}
}

func (p *program) retryCommand() *cobra.Command {
	return p.settleCommand(&cobra.Command{
		Use:   "retry ACCOUNT UID...|--state STATE",
		Short: "Have messages tried again at once",
		Long: "Makes messages due at once that are held, deferred or unknown, or that were skipped: the next poll sends\n" +
			"them, whatever failed before, to those recipients who do not have them yet. One that is too large for\n" +
			"max_message_size is fetched all the same. One that may have arrived (unknown) may arrive twice.\n\n" +
			"To have it done now: popferry run --once --now ACCOUNT\n\n" + uidHelp,
	}, retrying())
}

func (p *program) skipCommand() *cobra.Command {
	return p.settleCommand(&cobra.Command{
		Use:   "skip ACCOUNT UID...|--state STATE",
		Short: "Leave messages alone for good",
		Long: "Gives up messages that are held, deferred or unknown: they are never sent, and never deleted on their\n" +
			"server. popferry retry takes that back.\n\n" + uidHelp,
	}, skipping())
}

const uidHelp = "ACCOUNT and UID are written as popferry messages --json has them; a UID that begins with a dash goes behind \"--\".\n" +
	"Several messages under one UID: all that are in such a state. If one cannot be found, nothing is changed for any."

// settleCommand makes a command of a settlement.
func (p *program) settleCommand(c *cobra.Command, s settlement) *cobra.Command {
	var state string
	var wait time.Duration
	c.Args = usageArgs(cobra.MinimumNArgs(1))
	c.ValidArgsFunction = p.completeAccounts(1)
	c.RunE = func(c *cobra.Command, args []string) error {
		sel, err := newSelection(args[1:], state, s.fits)
		if err != nil {
			return usage(c, err)
		}
		cfg, err := p.loadToLook()
		if err != nil {
			return err
		}
		return p.atDesk(c.Context(), cfg, args[0], func(d *desk) error {
			return d.underLease(c.Context(), wait, func() error { return d.settle(c.Context(), s, sel) })
		})
	}
	c.Flags().StringVar(&state, "state", "", "all messages in this `STATE`: "+fitting(s.fits))
	completeFlag(c, "state", completeStates(s.fits))
	return p.withConfig(withWait(c, &wait))
}

// selection is which messages of an account a person means.
type selection struct {
	uids  []string     // raw octets, each once; or else
	state ledger.State // all in this state
}

// newSelection reads it from the command line.
func newSelection(words []string, state string, fits func(ledger.State) bool) (sel selection, err error) {
	switch {
	case len(words) == 0 && state == "":
		return sel, errors.New("which messages? Name their UIDs, or a state by --state")
	case len(words) > 0 && state != "":
		return sel, errors.New("UIDs and --state exclude each other")
	case state != "":
		if sel.state, err = ledger.ParseState(state); err == nil && !fits(sel.state) {
			err = fmt.Errorf("nothing can be done here about messages that are %s, but about those that are %s", state, fitting(fits))
		}
		return sel, err
	}
	for _, w := range words {
		uid, err := parseUID(w)
		if err != nil {
			return sel, err
		}
		if !slices.Contains(sel.uids, uid) {
			sel.uids = append(sel.uids, uid)
		}
	}
	return sel, nil
}

// fitting names the states that fit.
func fitting(fits func(ledger.State) bool) string {
	var names []string
	for _, s := range ledger.States() {
		if fits(s) {
			names = append(names, s.String())
		}
	}
	return strings.Join(names, ", ")
}

// parseUID is the inverse of latin1.
func parseUID(word string) (string, error) {
	if word == "" {
		return "", errors.New("a UID cannot be empty")
	}
	octets := make([]byte, 0, len(word))
	for _, r := range word {
		if r > unicode.MaxLatin1 {
			return "", fmt.Errorf("%q is no UID as popferry messages --json has it: %q stands for no octet", word, r)
		}
		octets = append(octets, byte(r))
	}
	return string(octets), nil
}

// shownUID is a UID as parseUID reads it, quoted where it would harm a terminal.
func shownUID(uid string) string {
	s := latin1(uid)
	if strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return strconv.Quote(s)
	}
	return s
}

// settle changes the selected messages, all or none, and says so.
func (d *desk) settle(ctx context.Context, s settlement, sel selection) error {
	recs, err := d.find(ctx, sel, s.fits)
	if err != nil {
		return err
	}
	lines := make([]string, 0, len(recs)+1)
	for _, r := range recs {
		was := r.State
		s.apply(r)
		lines = append(lines, fmt.Sprintf("%s: %s: was %s, is %s", d.account.Name, shownUID(r.UID), was, s.done))
	}
	lines = append(lines, fmt.Sprintf("%s: %d %s", d.account.Name, len(recs), s.done))
	if err := d.lease.Put(ctx, recs...); err != nil {
		return err
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(d.stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// find reads the messages that are meant. A UID without one in a fitting state
// is an error, for whoever wrote it meant something else.
func (d *desk) find(ctx context.Context, sel selection, fits func(ledger.State) bool) ([]*ledger.Record, error) {
	if len(sel.uids) == 0 {
		return d.messages(ctx, ledger.Filter{State: sel.state})
	}
	var found []*ledger.Record
	var missing []error
	for _, uid := range sel.uids {
		all, err := d.messages(ctx, ledger.Filter{UID: uid})
		if err != nil {
			return nil, err
		}
		before := len(found)
		for _, r := range all {
			if fits(r.State) {
				found = append(found, r)
			}
		}
		if len(found) == before {
			missing = append(missing, d.unfit(uid, all, fits))
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w\nnothing was changed; popferry messages --account %s shows what there is", errors.Join(missing...), d.account.Name)
	}
	return found, nil
}

// unfit says why none of the messages under a UID can be meant.
func (d *desk) unfit(uid string, all []*ledger.Record, fits func(ledger.State) bool) error {
	if len(all) == 0 {
		return fmt.Errorf("%s: the ledger has no message with the UID %s", d.account.Name, shownUID(uid))
	}
	return fmt.Errorf("%s: %s is %s: this can be done with messages that are %s only", d.account.Name, shownUID(uid), all[len(all)-1].State, fitting(fits))
}

// messages reads all messages of the account that pass a filter.
func (d *desk) messages(ctx context.Context, f ledger.Filter) (all []*ledger.Record, err error) {
	f.Account = d.account.Name
	err = d.store.Messages(ctx, f, func(_ string, r *ledger.Record) error {
		all = append(all, r)
		return nil
	})
	return all, err
}
