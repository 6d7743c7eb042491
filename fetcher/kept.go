package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/spool"
)

// The POP3 mailbox is the queue, but for servers that hide or delete what was
// retrieved: those that are known for it (Gmail, Source.Hides), those with
// EXPIRE 0 (RFC 2449 6.7), and those that were seen to do so. What is fetched
// there is kept in a file before anything else is said to the server, and sent,
// tried again and shown from it.

// hides tells whether the server will not give a message a second time.
func (r *run) hides() bool { return hides(r.s.Learnt, r.a.Source) }

func hides(learnt ledger.ServerFacts, s Source) bool {
	return s.Hides || learnt.Expires || learnt.RetrHides
}

// keptName is the file for the octets of a message. The ledger has the name
// alone: the folder may be moved.
func (r *run) keptName(trace string) string { return fmt.Sprintf("%d-%s.eml", r.a.ID, trace) }

// safe notes that a message which a hiding server gave out is not lost with it.
func (r *run) safe() { r.s.loose = max(0, r.s.loose-1) }

// keep puts a fetched message on disk for good, file first, then ledger.
func (r *run) keep(ctx context.Context, m *fetched) error {
	if m.row.Trace == "" {
		m.row.Trace, m.row.FirstAttempt = message.NewTraceID(), r.now()
	}
	name := r.keptName(m.row.Trace)
	if err := writeKept(filepath.Join(r.Kept, name), m); err != nil {
		m.Item.Release()
		return r.ourFault(&spool.Error{Op: "keeping the copy of a message", Dir: r.Kept, Err: err})
	}
	failpoint("kept")
	m.row.CopyFile, m.row.State, m.row.NextAttempt = name, ledger.Deferred, r.Now()
	if err := r.lease.Put(ctx, m.row); err != nil {
		m.Item.Release()
		return r.ourFault(err)
	}
	r.safe()
	return nil
}

// writeKept writes a message as it was fetched: with the Return-Path line that
// was taken off, so that message.Store can read it again.
func writeKept(path string, m *fetched) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	if m.Header.HasReturnPath {
		if _, err := fmt.Fprintf(f, "Return-Path: <%s>\r\n", m.Header.ReturnPath); err != nil {
			return err
		}
	}
	if _, err := io.Copy(f, m.Item.Reader()); err != nil {
		return err
	}
	if err := errors.Join(f.Sync(), f.Close(), os.Rename(f.Name(), path)); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a new name in a folder last. Where folders can't be synced
// (Windows), the file system sees to it.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	_ = d.Sync()
	return d.Close()
}

// load reads a kept message back into the spool.
func (r *run) load(c identify.Candidate) (*fetched, error) {
	f, err := os.Open(filepath.Join(r.Kept, c.Known.CopyFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := message.Store(r.Spool.NewItem(), f)
	if err != nil {
		return nil, err
	}
	return &fetched{Candidate: c, Body: b}, nil
}

// fetchKept is fetch for a message that is kept. Should its file have gone, it
// is nil, and the message is fetched anew if its server still has it.
func (r *run) fetchKept(ctx context.Context, c identify.Candidate, rec *ledger.Record) (*fetched, error) {
	m, err := r.load(c)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		rec.CopyFile = ""
		if c.Number > 0 {
			return nil, nil
		}
		rec.State, rec.Cause = ledger.Gone, r.Describe(err)
		return nil, r.failed(ctx, rec, err)
	case err != nil:
		return nil, r.ourFault(&spool.Error{Op: "reading the copy of a message", Dir: r.Kept, Err: err})
	}
	m.row = rec
	m.Number = 0 // what is listed under its UID has to prove itself before it is deleted
	return m, nil
}

// unkeep removes the file of a message that is settled. One that stays is no
// harm, and one too few would be: files without a row are left alone.
func (r *run) unkeep(name string) {
	if name != "" {
		_ = os.Remove(filepath.Join(r.Kept, name))
	}
}
