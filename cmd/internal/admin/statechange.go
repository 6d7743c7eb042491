package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/fetcher/ledger"
)

// StateChange is a change that an operator can make to messages: Retry or Skip.
type StateChange struct {
	verb    string                  // "retry"
	Result  string                  // what the messages are afterwards: "due now"
	Applies func(ledger.State) bool // the states that it is for
	apply   func(r *ledger.Record, now time.Time)
}

// Retry makes messages due now.
func Retry() StateChange {
	return StateChange{"retry", "due now", ledger.State.Retryable, func(r *ledger.Record, now time.Time) { r.Retry(now) }}
}

// Skip gives messages up: they are neither sent nor deleted.
func Skip() StateChange {
	return StateChange{"skip", "skipped", ledger.State.Skippable, func(r *ledger.Record, _ time.Time) { r.Skip() }}
}

// States names the states that the change is for.
func (c StateChange) States() string {
	var names []string
	for _, s := range ledger.States() {
		if c.Applies(s) {
			names = append(names, s.String())
		}
	}
	return strings.Join(names, ", ")
}

// Selection is the messages of an account that are meant.
type Selection struct {
	UIDs  []string     // raw octets, each once; or else
	State ledger.State // all messages in this state
}

// Select reads a selection from UIDs, as report.ParseUID reads them, or the name
// of a state: one of the two.
func (c StateChange) Select(uids []string, state string) (sel Selection, err error) {
	switch {
	case len(uids) == 0 && state == "":
		return sel, errors.New("which messages? Give their UIDs, or a state with --state")
	case len(uids) > 0 && state != "":
		return sel, errors.New("UIDs and --state cannot be combined")
	case state != "":
		if sel.State, err = ledger.ParseState(state); err == nil && !c.Applies(sel.State) {
			err = fmt.Errorf("cannot %s messages in state %s (only: %s)", c.verb, state, c.States())
		}
		return sel, err
	}
	for _, text := range uids {
		uid, err := report.ParseUID(text)
		if err != nil {
			return sel, err
		}
		if !slices.Contains(sel.UIDs, uid) {
			sel.UIDs = append(sel.UIDs, uid)
		}
	}
	return sel, nil
}

// Changed is a message that was changed.
type Changed struct {
	UID string
	Was ledger.State
}

// Change changes the selected messages, all or none of them. It is an error if
// one of the UIDs has no message in a state that the change is for.
func (l *Leased) Change(ctx context.Context, c StateChange, sel Selection) ([]Changed, error) {
	recs, err := l.find(ctx, c, sel)
	if err != nil {
		return nil, err
	}
	list := make([]Changed, len(recs))
	for i, r := range recs {
		list[i] = Changed{r.UID, r.State}
		c.apply(r, ledger.Now(l.store))
	}
	return list, l.lease.Put(ctx, recs...)
}

// find reads the selected messages.
func (l *Leased) find(ctx context.Context, c StateChange, sel Selection) (found []*ledger.Record, err error) {
	if len(sel.UIDs) == 0 {
		return l.Messages(ctx, ledger.Filter{State: sel.State})
	}
	var missing []error
	for _, uid := range sel.UIDs {
		all, err := l.Messages(ctx, ledger.Filter{UID: uid})
		if err != nil {
			return nil, err
		}
		before := len(found)
		for _, r := range all {
			if c.Applies(r.State) {
				found = append(found, r)
			}
		}
		switch {
		case len(found) > before:
		case len(all) == 0:
			missing = append(missing, l.noMessage(uid))
		default:
			missing = append(missing, fmt.Errorf("%s: cannot %s %s in state %s (only: %s)",
				l.Name, c.verb, report.PrintableUID(uid), all[len(all)-1].State, c.States()))
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("%w\nnothing was changed; to list the account's messages: popferry messages --account %s", errors.Join(missing...), l.Name)
	}
	return found, nil
}

func (a *Account) noMessage(uid string) error {
	return fmt.Errorf("%s: the ledger has no message with the UID %s", a.Name, report.PrintableUID(uid))
}
