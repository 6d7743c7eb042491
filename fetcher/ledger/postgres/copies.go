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

	"github.com/popferry/popferry/fetcher/ledger"
)

// staged are the octets of messages that are written with their rows.
type staged struct {
	mu     sync.Mutex
	octets map[string]io.WriterTo
}

func (s *staged) add(name string, octets io.WriterTo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.octets == nil {
		s.octets = make(map[string]io.WriterTo)
	}
	s.octets[name] = octets
}

func (s *staged) get(name string) io.WriterTo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.octets[name]
}

func (s *staged) drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.octets, name)
}

// pieceSize is how many octets of a message are written and read at once.
const pieceSize = 256 << 10

// StageCopy has the next Put or Settle of a row with this name as its CopyFile write
// these octets, in the transaction of the row. They have to stay readable until then.
func (l *Lease) StageCopy(name string, octets io.WriterTo) { l.copies.add(name, octets) }

// StageQuarantine has the next Put or Settle of a row with this trace put these octets
// into quarantine, in the transaction of the row. They have to stay readable until then.
func (l *Lease) StageQuarantine(trace string, octets io.WriterTo) { l.quarantine.add(trace, octets) }

// unstage forgets what is written.
func (l *Lease) unstage(puts ...put) {
	for i := range puts {
		l.copies.drop(puts[i].rec.CopyFile)
		l.quarantine.drop(puts[i].rec.Trace)
	}
}

func (p put) hasOctets() bool { return p.copy != nil || p.refused != nil }

// putOctets writes records, and the octets of those that have new ones.
func putOctets(s *session, puts []put, n *counts) error {
	b := &pgx.Batch{}
	for i := range puts {
		puts[i].queue(b, n)
	}
	if err := s.ask(b); err != nil {
		return err
	}
	for i := range puts {
		if err := puts[i].writeOctets(s); err != nil {
			return err
		}
	}
	return nil
}

const putCopy = "INSERT INTO copies (message, position, octets) VALUES ($1, $2, $3)"

// writeOctets writes the octets of a record that is written, piece by piece.
func (p *put) writeOctets(s *session) error {
	if p.copy != nil {
		err := writePieces(s, p.copy, "DELETE FROM copies WHERE message = $1", putCopy, p.id)
		if err != nil {
			return fmt.Errorf("the copy of the message with UID %q: %w", p.rec.UID, err)
		}
	}
	if p.refused == nil {
		return nil
	}
	err := writePieces(s, p.refused, "DELETE FROM quarantine WHERE trace = $1",
		"INSERT INTO quarantine (trace, position, octets, account, stored) SELECT $1, $2, $3, name, $5 FROM accounts WHERE id = $4",
		p.rec.Trace, p.lease.account, moment(p.lease.store.Now()))
	if err != nil {
		return fmt.Errorf("the message with UID %q, for quarantine: %w", p.rec.UID, err)
	}
	return nil
}

// writePieces writes octets, and removes earlier ones. Both statements begin with the
// key; then the second has the position and the octets, and the other arguments.
func writePieces(s *session, octets io.WriterTo, remove, insert string, key any, args ...any) error {
	b := &pgx.Batch{}
	b.Queue(remove, key)
	if err := s.ask(b); err != nil {
		return err
	}
	w := &pieces{session: s, insert: insert, key: key, args: args}
	if _, err := octets.WriteTo(w); err != nil {
		return err
	}
	return w.flush()
}

// pieces writes octets, a piece at a time.
type pieces struct {
	session *session
	insert  string
	key     any
	args    []any
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
	b.Queue(w.insert, append([]any{w.key, w.n, append([]byte{}, w.buffer.Bytes()...)}, w.args...)...) // none is not NULL
	err := w.session.ask(b)
	w.n++
	w.buffer.Reset()
	return err
}

// PutCopy is Put for one record with a copy that was staged. That a message was fetched
// is a fact about the past, and nobody else may have its octets, so it is written even
// if the lease is lost, once the database is back. If another process has gone on with
// the row meanwhile, or has used its UID and number, it gets the next number.
func (l *Lease) PutCopy(ctx context.Context, rec *ledger.Record) error {
	err := l.Put(ctx, rec)
	if !errors.Is(err, ledger.ErrLost) {
		return err
	}
	if err := l.store.notMoved(ctx); err != nil {
		return err
	}
	p, err := l.newPut(rec)
	if err != nil {
		return err
	}
	return l.store.write(ctx, &change{run: func(ctx context.Context, s *session, n *counts) error { return p.late(ctx, s, n) }})
}

// late writes a record and its copy without the lease.
func (p *put) late(ctx context.Context, s *session, n *counts) error {
	// No other is to be put under this UID until this one is.
	if _, err := s.conn.Exec(ctx, "SELECT FROM accounts WHERE id = $1 FOR UPDATE", p.lease.account); err != nil {
		return err
	}
	var written, same bool
	var generation int
	err := s.conn.QueryRow(ctx, `SELECT coalesce(bool_or(copy = $3 OR trace <> '' AND trace = $6 AND state = 'forwarded'), false), coalesce(bool_or(id = $4 AND attempts = $5 AND state <> 'forwarded'), false),
		coalesce(max(generation) FILTER (WHERE sha256(uid) = sha256($2)) + 1, 0) FROM messages WHERE account = $1`,
		p.lease.account, octets(p.rec.UID), text(p.rec.CopyFile), p.rec.ID, p.rec.Attempts, text(p.rec.Trace)).Scan(&written, &same, &generation)
	switch {
	case err != nil, written: // and only the answer was lost, or another process has sent the message
		return err
	case same:
		p.id = p.rec.ID
	default:
		late := *p.rec
		late.ID, late.Generation = 0, generation
		if p.values, err = putValues(p.lease.account, &late); err != nil {
			return err
		}
		p.rec = &late
	}
	return putOctets(s, []put{*p}, n)
}

// CopyNames are the names of the copies of the account's messages.
func (l *Lease) CopyNames(ctx context.Context) ([]string, error) {
	return query(ctx, l.store, func(name *string) []any { return []any{name} }, "SELECT copy FROM messages WHERE account = $1 AND copy <> ''", l.account)
}

// OpenCopy reads a copy. The error is fs.ErrNotExist if there is none.
func (l *Lease) OpenCopy(name string) (io.WriterTo, error) {
	return l.store.OpenCopy(context.Background(), l.account, name)
}

// OpenCopy reads a copy of an account's message. The error is fs.ErrNotExist if there is
// none.
func (s *Store) OpenCopy(ctx context.Context, account int64, name string) (io.WriterTo, error) {
	return s.openPieces(ctx, name, "SELECT c.octets FROM copies c JOIN messages m ON m.id = c.message WHERE m.account = $2 AND m.copy = $3 AND c.position = $1", account, name)
}

// Quarantine returns the messages in quarantine, in the order in which they came.
func (s *Store) Quarantine(ctx context.Context) ([]ledger.Quarantined, error) {
	fields := func(q *ledger.Quarantined) []any {
		return []any{&q.Trace, &q.Account, (*moment)(&q.Stored), &q.Size}
	}
	return query(ctx, s, fields, "SELECT trace, account, stored, sum(length(octets))::bigint FROM quarantine GROUP BY trace, account, stored ORDER BY stored, trace")
}

// OpenQuarantine reads a message in quarantine. The error is fs.ErrNotExist if it is not
// there.
func (s *Store) OpenQuarantine(ctx context.Context, trace string) (io.WriterTo, error) {
	return s.openPieces(ctx, trace, "SELECT octets FROM quarantine WHERE position = $1 AND trace = $2", trace)
}

// DropQuarantine removes a message from quarantine. The error is ledger.ErrNotFound if it
// is not there.
func (s *Store) DropQuarantine(ctx context.Context, trace string) error {
	return s.write(ctx, queued(func(b *pgx.Batch, _ *counts) {
		b.Queue("DELETE FROM quarantine WHERE trace = $1", trace).Exec(one)
	}))
}

// openPieces reads octets by a query whose first argument is the position of the piece.
func (s *Store) openPieces(ctx context.Context, name, query string, args ...any) (io.WriterTo, error) {
	r := &pieceReader{ctx: ctx, store: s, query: query, args: args}
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

// pieceReader reads octets, a piece at a time.
type pieceReader struct {
	ctx   context.Context
	store *Store
	query string
	args  []any
	first []byte
}

// piece is a piece of the octets; ok is false if they have no such piece.
func (r *pieceReader) piece(n int) (octets []byte, ok bool, err error) {
	err = r.store.scan(r.ctx, r.query, append([]any{n}, r.args...), &octets)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, false, nil
	}
	return octets, err == nil, err
}

// WriteTo implements io.WriterTo.
func (r *pieceReader) WriteTo(w io.Writer) (written int64, err error) {
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
