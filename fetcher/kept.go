package fetcher

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/pop3"
)

// The POP3 mailbox is the queue, but for servers that hide or delete what was
// retrieved: Gmail, those with EXPIRE 0 (RFC 2449 6.7), and those that were
// seen to do so. What is fetched there is kept in a file before anything else
// is said to the server, and sent, tried again and shown from it.

// hides tells whether the server will not give a message a second time.
func (r *run) hides() bool { return hides(r.s.Learnt, r.a.Source.Host) }

func hides(s ledger.Server, host string) bool { return s.Expires || s.Hides || gmail(host) }

// gmail tells whether a host is Google's, whose POP3 hides what was retrieved
// unless its settings say otherwise.
func gmail(host string) bool {
	switch strings.ToLower(host) {
	case "pop.gmail.com", "pop.googlemail.com":
		return true
	}
	return false
}

// keptPath is where the octets of a message are kept.
func (r *run) keptPath(trace string) string {
	return filepath.Join(r.Kept, fmt.Sprintf("%d-%s.eml", r.a.ID, trace))
}

// keep puts a fetched message on disk for good, file first, then ledger.
func (r *run) keep(ctx context.Context, m *fetched) error {
	if m.row.Trace == "" {
		m.row.Trace, m.row.FirstAttempt = newTrace(), r.now()
	}
	path := r.keptPath(m.row.Trace)
	if err := writeKept(path, m); err != nil {
		m.item.Release()
		return r.ourFault(&SpoolError{Op: "keeping", Dir: r.Kept, Err: err})
	}
	failpoint("kept")
	m.row.Spool, m.row.State, m.row.NextAttempt = path, ledger.Deferred, r.Now()
	if err := r.lease.Put(ctx, m.row); err != nil {
		m.item.Release()
		return r.ourFault(err)
	}
	return nil
}

// writeKept writes a message as it was fetched: with the Return-Path line that
// intake took off, so that intake can read it again.
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
			closeFile(f)
		}
	}()
	if m.head.HasReturn {
		if _, err := fmt.Fprintf(f, "Return-Path: <%s>\r\n", m.head.ReturnPath); err != nil {
			return err
		}
	}
	if _, err := io.Copy(f, m.item.Reader()); err != nil {
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
func (r *run) load(c candidate) (*fetched, error) {
	f, err := os.Open(c.Known.Spool)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := &fetched{candidate: c, item: r.Spool.New()}
	in := &intake{w: m.item}
	m.octets, err = io.Copy(in, f)
	if err = errors.Join(err, in.Close()); err != nil {
		m.item.Release()
		return nil, err
	}
	m.head, m.high = in.header(), in.eightBit()
	return m, nil
}

// fetchKept is fetch for a message that is kept.
func (r *run) fetchKept(ctx context.Context, c candidate, rec *ledger.Record) (*fetched, error) {
	m, err := r.load(c)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		rec.State, rec.Cause = ledger.Gone, r.Describe(err)
		return nil, r.failed(ctx, rec, err)
	case err != nil:
		return nil, r.ourFault(&SpoolError{Op: "reading", Dir: r.Kept, Err: err})
	}
	m.row = rec
	m.row.Print = m.head.print()
	return m, nil
}

// keptDue are the kept messages that are due and not listed any more.
func keptDue(v view) (due []candidate, waiting int) {
	listed := make(map[string]bool, len(v.Entries))
	for _, e := range v.Entries {
		listed[e.UID] = true
	}
	for _, k := range v.Known {
		switch {
		case k.Spool == "" || !k.State.Due() || listed[k.UID]:
		case !v.Asked && waits(v.Now, k.NextAttempt):
			waiting++
		default:
			due = append(due, candidate{Entry: pop3.Entry{UID: k.UID, Size: k.Size}, Known: k})
		}
	}
	return due, waiting
}

// unkeep removes the file of a message that is settled. If that fails, sweep
// does it.
func unkeep(path string) {
	if path != "" {
		_ = os.Remove(path)
	}
}

// sweep removes files of this account that no row speaks of: a crash came
// between a row and its file.
func (r *run) sweep(known []ledger.Known) {
	files, err := filepath.Glob(r.keptPath("*"))
	if err != nil || len(files) == 0 {
		return
	}
	wanted := make(map[string]bool)
	for _, k := range known {
		wanted[k.Spool] = true
	}
	for _, f := range files {
		if !wanted[f] {
			unkeep(f)
		}
	}
}

// learnHiding notices a server that hides what was retrieved: of those that
// the last session forwarded and left there none is listed any more.
func (r *run) learnHiding(vanished []ledger.Known, known []ledger.Known) {
	const least = 3
	last := func(k ledger.Known) bool {
		return k.State == ledger.Forwarded && alive(k) && !k.ForwardedAt.Before(r.lastLogin) && k.Spool == ""
	}
	n := count(vanished, last)
	if r.a.Policy.Keep && r.a.Policy.KeepFor == 0 && n >= least && n == count(known, last) && !r.hides() {
		r.s.Learnt.Hides = true
		r.log.Warn("the server hides what was retrieved; from now on a copy is kept until it is forwarded")
	}
}
