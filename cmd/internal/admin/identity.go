package admin

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// Forget removes the account and returns how many messages went with it.
func (l *Leased) Forget(ctx context.Context) (messages int, err error) { return l.lease.Forget(ctx) }
