// Package doubt finds out whether messages have arrived that may have.
//
// A destination with folders can be asked. It says at the intent where the message
// will lie, and that mark stays in the message's row until it is certain that it
// has arrived, or has not. As long as it is there, each poll looks for the message,
// and it is sent again only once it could be looked for and was not there.
package doubt

import (
	"context"
	"slices"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/forwarder"
)

// Finder is a destination that can tell whether messages have arrived.
type Finder interface {
	// Find reports which of these messages it has, in their order. After an error
	// nothing is known of those that were not found.
	Find(ctx context.Context, sought []forwarder.Sought) ([]bool, error)
	// Traces returns those of the messages in a folder, or of the newest ones of many.
	Traces(ctx context.Context, folder string) (map[string]bool, error)
}

// Rows are the messages of one account in the ledger.
type Rows interface {
	Marked(context.Context) ([]*ledger.Record, error)
	Put(context.Context, ...*ledger.Record) error
}

// AllRows are those that are not in doubt, too.
type AllRows interface {
	Rows
	Known(context.Context) (*ledger.Rows, error)
	Record(ctx context.Context, id int64) (*ledger.Record, error)
}

// patience is how long a message waits for a destination that cannot be asked, from
// the first time on that this was tried. Then it is sent again: once more is better
// than never.
const patience = 24 * time.Hour

// Begin notes where a message will lie, before it is sent. A mark that is there
// stays if it covers the new one, so that what either attempt stored is found.
func Begin(rec *ledger.Record, at forwarder.Mark) {
	was, err := forwarder.ParseMark(rec.Mark)
	if err != nil || !covers(was.Folder, at.Folder) || !covers(was.All, at.All) {
		rec.Mark = at.String()
	}
	rec.DoubtSince = time.Time{}
}

// covers reports whether all that is stored behind place b lies behind a.
func covers(a, b forwarder.Place) bool {
	return a.Name == b.Name && a.Validity == b.Validity && a.Next <= b.Next
}

// Conclude notes in a row whether its message may have arrived in the attempt that
// has ended. before is the row as it was: an older doubt stays until the message is
// forwarded.
func Conclude(rec, before *ledger.Record, inDoubt bool, now time.Time) {
	switch {
	case rec.State == ledger.Forwarded:
		rec.Mark, rec.DoubtSince = "", time.Time{}
	case inDoubt:
		rec.DoubtSince = now
	default:
		rec.Mark, rec.DoubtSince = before.Mark, before.DoubtSince
	}
}

// Result says which of the messages in doubt have arrived.
type Result struct {
	// Arrived are forwarded, and their rows say so.
	Arrived []*ledger.Record
	// Copies are the names of the retained copies that these had.
	Copies []string
	// Waiting are the ids of rows whose messages must not be sent again yet.
	Waiting map[int64]bool
	// Err is why the destination could not be asked; nil if it could.
	Err error
	// FailedSince is when it could not be asked for the first time, of those in a row;
	// zero: it could.
	FailedSince time.Time
}

// Settle looks for the messages in doubt. failedSince is that of the last Result. Its
// error is the ledger's, and nothing may be sent then. A nil finder cannot be asked:
// the messages are sent again, as after any doubt.
func Settle(ctx context.Context, rows Rows, finder Finder, failedSince, now time.Time) (Result, error) {
	if finder == nil {
		return Result{}, nil
	}
	marked, err := rows.Marked(ctx)
	// What the user skipped is left alone, also if it has arrived: a message that is
	// called forwarded may be deleted. Its mark stays for a later retry.
	marked = slices.DeleteFunc(marked, func(r *ledger.Record) bool { return r.State == ledger.Skipped })
	if err != nil || len(marked) == 0 {
		return Result{}, err
	}
	res := Result{Waiting: make(map[int64]bool)}
	found, unknown := finder.Find(ctx, soughtIn(marked))
	if res.Err = unknown; unknown != nil {
		res.FailedSince = orNow(failedSince, now)
	}
	var changed []*ledger.Record
	for i, rec := range marked {
		switch since := orNow(rec.DoubtSince, now); {
		case found[i]:
			if rec.CopyFile != "" {
				res.Copies = append(res.Copies, rec.CopyFile)
			}
			arrive(rec, now)
			res.Arrived = append(res.Arrived, rec)
			changed = append(changed, rec)
		case since != rec.DoubtSince:
			rec.DoubtSince = since
			changed = append(changed, rec)
			res.Waiting[rec.ID] = true
		case now.Before(since.Add(settleTime)), res.Err != nil && now.Before(later(since, res.FailedSince).Add(patience)):
			res.Waiting[rec.ID] = true
		case res.Err == nil && len(rec.Recipients) == 0: // nobody was tried yet, as All could not know
			rec.Mark, rec.DoubtSince = "", time.Time{}
			changed = append(changed, rec)
		}
	}
	if len(changed) == 0 {
		return res, nil
	}
	return res, rows.Put(ctx, changed...)
}

// orNow is when something began. Where that is not noted, because popferry ended in the
// middle or it has just begun, or the clock was set back, it begins now.
func orNow(began, now time.Time) time.Time {
	if began.IsZero() || began.After(now) {
		return now
	}
	return began
}

// later is the later of two times.
func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// soughtIn are the messages of rows. A mark that cannot be read says nothing, and
// the message is looked for everywhere.
func soughtIn(marked []*ledger.Record) []forwarder.Sought {
	sought := make([]forwarder.Sought, len(marked))
	for i, rec := range marked {
		mark, _ := forwarder.ParseMark(rec.Mark)
		sought[i] = forwarder.Sought{Mark: mark, Trace: rec.Trace, MessageID: rec.Excerpt.MessageID}
		if len(rec.Recipients) > 0 {
			sought[i].Folder = rec.Recipients[0].Address
		}
	}
	return sought
}

// All puts every message in doubt that was sent, or may have been, and is not known to
// have arrived: the ledger has lost its last moments.
func All(ctx context.Context, rows AllRows) error {
	known, err := rows.Known(ctx)
	if err != nil {
		return err
	}
	for _, k := range known.All() {
		if !k.State.Due() && k.State != ledger.Held {
			continue
		}
		rec, err := rows.Record(ctx, k.ID)
		if err != nil {
			return err
		}
		if rec.Trace == "" || rec.Mark != "" {
			continue
		}
		rec.Mark, rec.DoubtSince = forwarder.Anywhere().String(), time.Time{}
		if err := rows.Put(ctx, rec); err != nil {
			return err
		}
	}
	return nil
}

// Arrive makes a row that of a message that was found at its destination, where it has
// these recipients.
func Arrive(rec *ledger.Record, recipients []string, now time.Time) {
	rec.Recipients = nil
	for _, to := range recipients {
		rec.Recipients = append(rec.Recipients, ledger.Recipient{Address: to})
	}
	arrive(rec, now)
}

// found is what a recipient's row says of a message that was looked for.
const found = "it had arrived when it was looked for"

// arrive makes a row that of a message that has arrived.
func arrive(rec *ledger.Record, now time.Time) {
	for i := range rec.Recipients {
		if r := &rec.Recipients[i]; r.State != ledger.Forwarded {
			*r = ledger.Recipient{Address: r.Address, State: ledger.Forwarded, Text: found, Attempts: r.Attempts}
		}
	}
	rec.State, rec.ForwardedAt, rec.NextAttempt, rec.Cause = ledger.Forwarded, now, time.Time{}, ledger.Cause{}
	rec.CopyFile, rec.TraceLines, rec.Chosen, rec.Mark, rec.DoubtSince = "", "", "", "", time.Time{}
	rec.Excerpt = ledger.Excerpt{MessageID: rec.Excerpt.MessageID}
}
