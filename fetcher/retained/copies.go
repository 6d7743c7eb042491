package retained

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/spool"
)

// Copies are the retained copies of one account.
type Copies interface {
	// Keep keeps a copy of a message whose row is written next, with the name and the
	// digest that it returns. The message has to stay readable until then. Errors are
	// of type *Error.
	Keep(rec *ledger.Record, b *message.Body) (name, digest string, err error)
	// List returns all copies, also those that no row names. Errors are those of the
	// ledger.
	List(context.Context) ([]Copy, error)
	// Read reads a copy into the item. If it fails the item is released; errors are of
	// type *Error and, of the item, *spool.Error.
	Read(name string, item *spool.Item) (*message.Body, error)
	// Drop removes a copy that no row names any more. One that stays does no harm, so
	// there is no error; the name may be "".
	Drop(name string)
}

// Copy is a retained copy.
type Copy struct {
	Name string // in its row: ledger.Known.CopyFile
	// Path is its file, and Modified when that was written; zero in a ledger.
	Path     string
	Modified time.Time
}

// Error is a failure to keep or to read a copy. It is not the spool's, and not the
// message's fault.
type Error struct {
	Op  string // what was tried, such as "keeping the copy of a message"
	Dir string // the folder; "": the ledger
	Err error
}

func (e *Error) Error() string {
	if e.Dir == "" {
		return fmt.Sprintf("%s in the ledger: %v", e.Op, e.Err)
	}
	return fmt.Sprintf("%s in %s: %v", e.Op, e.Dir, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }

// What an Error was in the middle of.
const keeping = "keeping the copy of a message"

func reading(name string) string { return fmt.Sprintf("reading the copy %q", name) }

// read stores a copy in the item.
func read(from io.WriterTo, item *spool.Item, name, dir string) (*message.Body, error) {
	b, err := message.Store(item, from)
	var disk *spool.Error
	if err != nil && !errors.As(err, &disk) {
		err = &Error{reading(name), dir, err}
	}
	return b, err
}
