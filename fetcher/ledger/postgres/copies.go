package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"github.com/jackc/pgx/v5"
)

// copies are the octets of messages that were kept and whose rows are not written yet.
type copies struct {
	mu     sync.Mutex
	octets map[string]io.WriterTo // by ledger.Known.CopyFile
}

// pieceSize is how many octets of a copy are written and read at once.
const pieceSize = 256 << 10

// StageCopy has the next Put or Settle of a row with this name as its CopyFile write
// these octets, in the transaction of the row. They have to stay readable until then.
func (l *Lease) StageCopy(name string, octets io.WriterTo) {
	l.copies.mu.Lock()
	defer l.copies.mu.Unlock()
	if l.copies.octets == nil {
		l.copies.octets = make(map[string]io.WriterTo)
	}
	l.copies.octets[name] = octets
}

func (l *Lease) staged(name string) io.WriterTo {
	l.copies.mu.Lock()
	defer l.copies.mu.Unlock()
	return l.copies.octets[name]
}

// unstage forgets copies that are written.
func (l *Lease) unstage(puts []put) {
	l.copies.mu.Lock()
	defer l.copies.mu.Unlock()
	for i := range puts {
		delete(l.copies.octets, puts[i].rec.CopyFile)
	}
}

func (p put) hasCopy() bool { return p.copy != nil }

// putCopies writes records, and the copies of those that have a new one.
func putCopies(s *session, puts []put, n *counts) error {
	b := &pgx.Batch{}
	for i := range puts {
		puts[i].queue(b, n)
	}
	if err := s.ask(b); err != nil {
		return err
	}
	for i := range puts {
		if err := puts[i].writeCopy(s); err != nil {
			return err
		}
	}
	return nil
}

// writeCopy writes the copy of a record that is written, piece by piece.
func (p *put) writeCopy(s *session) error {
	if p.copy == nil {
		return nil
	}
	b := &pgx.Batch{}
	b.Queue("DELETE FROM copies WHERE message = $1", p.id)
	if err := s.ask(b); err != nil {
		return err
	}
	w := &pieces{session: s, message: p.id}
	if _, err := p.copy.WriteTo(w); err != nil {
		return fmt.Errorf("the copy of the message with UID %q: %w", p.rec.UID, err)
	}
	return w.flush()
}

// pieces writes a copy.
type pieces struct {
	session *session
	message int64
	n       int
	buffer  bytes.Buffer
}

// Write implements io.Writer.
func (w *pieces) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		part := p[:min(len(p), pieceSize-w.buffer.Len())]
		w.buffer.Write(part)
		n, p = n+len(part), p[len(part):]
		if w.buffer.Len() == pieceSize {
			if err := w.flush(); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (w *pieces) flush() error {
	b := &pgx.Batch{}
	b.Queue("INSERT INTO copies (message, position, octets) VALUES ($1, $2, $3)", w.message, w.n, append([]byte{}, w.buffer.Bytes()...)) // none is not NULL
	err := w.session.ask(b)
	w.n++
	w.buffer.Reset()
	return err
}

// CopyNames are the names of the copies of the account's messages.
func (l *Lease) CopyNames(ctx context.Context) ([]string, error) {
	return query(ctx, l.store, func(name *string) []any { return []any{name} }, "SELECT copy FROM messages WHERE account = $1 AND copy <> ''", l.account)
}

// OpenCopy reads a copy. The error is fs.ErrNotExist if there is none.
func (l *Lease) OpenCopy(name string) (io.WriterTo, error) {
	return l.store.openCopy(l.account, name)
}

func (s *Store) openCopy(account int64, name string) (io.WriterTo, error) {
	r := &copyReader{store: s, account: account, name: name}
	switch first, ok, err := r.piece(0); {
	case err != nil:
		return nil, err
	case !ok:
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	default:
		r.first = first
		return r, nil
	}
}

// copyReader reads a copy, a piece at a time.
type copyReader struct {
	store   *Store
	account int64
	name    string
	first   []byte
}

// piece is a piece of the copy; ok is false if it has no such piece.
func (r *copyReader) piece(n int) (octets []byte, ok bool, err error) {
	const text = "SELECT c.octets FROM copies c JOIN messages m ON m.id = c.message WHERE m.account = $1 AND m.copy = $2 AND c.position = $3"
	err = r.store.scan(context.Background(), text, []any{r.account, r.name, n}, &octets)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return octets, err == nil, err
}

// WriteTo implements io.WriterTo.
func (r *copyReader) WriteTo(w io.Writer) (written int64, err error) {
	octets, ok := r.first, true
	for n := 1; ok && err == nil; n++ {
		var some int
		some, err = w.Write(octets)
		if written += int64(some); err == nil {
			octets, ok, err = r.piece(n)
		}
	}
	return written, err
}
