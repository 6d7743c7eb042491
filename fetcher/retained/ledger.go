package retained

import (
	"context"
	"io"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/spool"
)

// Keeper is an account's lease of a ledger that keeps copies: the next process to
// have the lease, on any machine, has them too. A copy goes when its row no longer names it.
type Keeper interface {
	// StageCopy has the next Put or Settle of a row with this name as its CopyFile
	// write these octets with it. They have to stay readable until then.
	StageCopy(name string, octets io.WriterTo)
	// PutCopy is Put for one row with a copy, which it writes also if the lease was
	// lost meanwhile, once the ledger is back: under another number if its own was
	// used by another process.
	PutCopy(ctx context.Context, rec *ledger.Record) error
	// CopyNames are those of the account's rows.
	CopyNames(context.Context) ([]string, error)
	// OpenCopy reads a copy. The error is fs.ErrNotExist if there is none.
	OpenCopy(name string) (io.WriterTo, error)
}

// Ledger has the copies of one account in the ledger.
type Ledger struct{ Keeper Keeper }

// Keep implements Copies: the copy is written with its row.
func (l Ledger) Keep(rec *ledger.Record, b *message.Body) (name, digest string, err error) {
	if digest, err = b.Digest(); err != nil {
		return "", "", &Error{Op: keeping, Err: err}
	}
	name = Name(Prefix(rec.Account, rec.UID, rec.Generation), digest)
	l.Keeper.StageCopy(name, b)
	return name, digest, nil
}

// List implements Copies. Rows name all of them.
func (l Ledger) List(ctx context.Context) ([]Copy, error) {
	names, err := l.Keeper.CopyNames(ctx)
	list := make([]Copy, len(names))
	for i, name := range names {
		list[i].Name = name
	}
	return list, err
}

// Read implements Copies.
func (l Ledger) Read(name string, item *spool.Item) (*message.Body, error) {
	err := ledger.CheckCopyName(name)
	if err == nil {
		var octets io.WriterTo
		if octets, err = l.Keeper.OpenCopy(name); err == nil {
			return read(octets, item, name, "")
		}
	}
	item.Release()
	return nil, &Error{Op: reading(name), Err: err}
}

// Drop implements Copies: the row that no longer names a copy has dropped it.
func (l Ledger) Drop(string) {}
