package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/popferry/popferry/cmd/internal/copies"
	"github.com/popferry/popferry/fetcher/ledger"
)

// ErrNotRenumbered: the account does not wait for Adopt or Resend.
var ErrNotRenumbered = errors.New("the mailbox has not been renumbered, so there is nothing to decide; nothing was changed")

// Adopt answers for a renumbered mailbox: the next poll notes the mail that is
// on the server as seen. The error can be ErrNotRenumbered.
func (l *Leased) Adopt(ctx context.Context) error { return l.answerRenumbered(ctx, true) }

// Resend answers for a renumbered mailbox: the next poll sends the mail that is
// on the server as new. The error can be ErrNotRenumbered.
func (l *Leased) Resend(ctx context.Context) error { return l.answerRenumbered(ctx, false) }

func (l *Leased) answerRenumbered(ctx context.Context, adopt bool) error {
	row, err := l.lease.Account(ctx)
	if err != nil {
		return err
	}
	if row.UIDs == ledger.UIDsStable {
		return fmt.Errorf("%s: %w", row.Name, ErrNotRenumbered)
	}
	row.UIDs = ledger.UIDsStable
	if adopt {
		row.UIDs = ledger.UIDsAdopting
	}
	row.Failures, row.NotBefore, row.Cause = 0, time.Time{}, ledger.Cause{} // it waited for this answer
	return l.lease.PutAccount(ctx, row)
}

// Rename gives the account's history another name or mailbox.
func (l *Leased) Rename(ctx context.Context, to ledger.Identity) error {
	err := l.lease.Rename(ctx, to)
	if errors.Is(err, ledger.ErrNameTaken) {
		return fmt.Errorf("%s cannot be renamed to %s: %w; choose another name, or run popferry forget %[2]s first", l.Name, to.Name, err)
	}
	return err
}

// OnlyCopiesError: some of the account's messages were not delivered, and popferry
// has their only copies.
type OnlyCopiesError struct {
	Account  string
	Messages int
	Dir      string
}

func (e *OnlyCopiesError) Error() string {
	return fmt.Sprintf("%s: %s not delivered, and their only copies are in %s, because the server gives each message only once; nothing was removed. "+
		"To deliver them, keep the account and poll it. popferry messages --account %[1]q lists them, popferry show prints one. "+
		"To give them up, popferry forget %[1]q --yes --drop-copies: it moves the copies to another folder", e.Account, were(e.Messages), e.Dir)
}

func were(messages int) string {
	if messages == 1 {
		return "1 message was"
	}
	return fmt.Sprintf("%d messages were", messages)
}

// OnlyCopies returns the account's messages that were not delivered and whose only
// octets are the copies in a folder.
func (a *Account) OnlyCopies(ctx context.Context, dir string) ([]ledger.Copy, error) {
	all, err := a.store.Copies(ctx)
	if _, ok := a.store.(ledger.Keeper); ok {
		return slices.DeleteFunc(all, func(c ledger.Copy) bool { return c.Account != a.ID }), err
	}
	return copies.Present(dir, all, a.ID), err
}

// CopiesAt is where the account's copies are: in that folder, or in the ledger.
func (a *Account) CopiesAt(dir string) string {
	if _, ok := a.store.(ledger.Keeper); ok {
		return "the ledger's database"
	}
	return dir
}

// Forgotten is what Forget has done.
type Forgotten struct {
	Messages int
	Copies   int    // files that were moved, or written
	Aside    string // the folder that they are in now
}

// Forget removes the account. If the copies in the folder dir are all that is left
// of some of its messages, that is an *OnlyCopiesError, and nothing changes, unless
// drop: then they are moved to a folder for them. Rows go first: files without a
// row are named by status, and rows without a file would be lost mail.
func (l *Leased) Forget(ctx context.Context, dir string, drop bool) (f Forgotten, err error) {
	only, err := l.OnlyCopies(ctx, dir)
	switch {
	case err != nil:
		return f, err
	case len(only) > 0 && !drop:
		return f, &OnlyCopiesError{l.Name, len(only), l.CopiesAt(dir)}
	}
	if keeper, ok := l.store.(ledger.Keeper); ok && len(only) > 0 { // they go with their rows
		f.Copies, f.Aside = len(only), copies.Aside(dir, l.Name, time.Now())
		if err := copies.Save(ctx, keeper, f.Aside, only); err != nil {
			return f, fmt.Errorf("the copies of %d messages that were not delivered could not be written to %s, and nothing was forgotten: %w", len(only), f.Aside, err)
		}
		f.Messages, err = l.lease.Forget(ctx)
		return f, err
	}
	if f.Messages, err = l.lease.Forget(ctx); err != nil || len(only) == 0 {
		return f, err
	}
	f.Copies, f.Aside = len(only), copies.Aside(dir, l.Name, time.Now())
	if err := copies.Move(dir, f.Aside, only); err != nil {
		return f, fmt.Errorf("%s is forgotten, but not all of the copies of %d messages could be moved to %s; the others are still in %s, and status names them: %w", l.Name, len(only), f.Aside, dir, err)
	}
	return f, nil
}

// ForgetFacts drops what was learnt of the account's server. Its messages stay
// known, and so does when it was last logged in to, for the server may want a pause.
func (l *Leased) ForgetFacts(ctx context.Context) error {
	row, err := l.lease.Account(ctx)
	if err != nil {
		return err
	}
	row.Server = row.Server.Forget()
	return l.lease.PutAccount(ctx, row)
}

// EndBackOff has the next poll come at its usual time: what failed was mended.
func (l *Leased) EndBackOff(ctx context.Context) error {
	row, err := l.lease.Account(ctx)
	if err != nil || row.NotBefore.IsZero() {
		return err
	}
	row.NotBefore, row.Server.Tried = time.Time{}, ledger.Tried{}
	return l.lease.PutAccount(ctx, row)
}
