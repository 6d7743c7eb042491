package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	driver "modernc.org/sqlite"

	"github.com/popferry/popferry/fetcher/ledger"
)

const (
	// defaultBusy is long because a transaction of another process takes as long
	// as the disk does: under load, a single fsync of 28 s has been seen.
	defaultBusy = time.Minute
	// readers is the greatest number of connections for reading. They stay open:
	// closing idle ones was seen to give no memory back to the system.
	readers = 4
	// readerCache is how much a connection for reading caches, in KiB of pages. A
	// poll reads the rows of its account once and in order, for which SQLite's
	// default of 2 MB is no faster. The writer has that default.
	readerCache = 512
)

// Options say how to open a ledger. The zero value opens one that must exist.
type Options struct {
	// Create makes the file, its folder and its tables if they do not exist.
	// Without it, that is ledger.ErrMissing: a lost volume must not cause
	// everything to be forwarded again.
	Create bool
	// Look does not bring older tables up to date, but returns a *ledger.OlderError. It
	// is for commands that only look.
	Look bool
	// Moved opens a ledger that has moved elsewhere, too.
	Moved bool
	// Now gives the day for which an outcome is counted. Default: time.Now.
	Now func() time.Time
	// Busy is how long to wait for another process that is writing; after that
	// a call fails with an *Error of kind Busy. Default: 1 min.
	Busy time.Duration
}

// Store is an open ledger. Its methods may be called from any goroutine.
// Failures of the database are of type *Error.
type Store struct {
	path   string // without symbolic links
	files  files
	now    func() time.Time
	read   *reader
	db     *sql.DB // the writer's
	writer *writer

	closing  sync.Once
	closeErr error
}

// Open opens the ledger at path and brings its tables up to date. Besides
// *Error it returns errors that wrap ledger.ErrMissing, ledger.ErrEmpty,
// ledger.ErrNetworkFS or ledger.ErrNewer, and a *ledger.MovedError.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	resolved, err := locate(path, o.Create)
	if err != nil {
		return nil, explain("open the ledger", path, err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Busy == 0 {
		o.Busy = defaultBusy
	}
	s := &Store{path: resolved, now: o.Now}
	if err := s.open(ctx, o); err != nil {
		return nil, explain("open the ledger", resolved, err)
	}
	return s, nil
}

// open connects for reading and for writing, prepares the database and starts
// the writer.
func (s *Store) open(ctx context.Context, o Options) (err error) {
	unlock, err := lockOpening(ctx, s.path)
	if err != nil {
		return explain("lock the ledger by a file in", locksDir(s.path), err)
	}
	defer unlock()
	switch ok, err := exists(s.path); {
	case err != nil:
		return err
	case !ok && !o.Create:
		return missing(s.path)
	case !ok:
		if err := build(ctx, s.path); err != nil {
			return err
		}
	}
	if s.db, err = connect(s.path, "rw", o.Busy, writing...); err != nil {
		return err
	}
	db, err := connect(s.path, "ro", o.Busy, "query_only(1)", fmt.Sprintf("cache_size(-%d)", readerCache))
	if err != nil {
		return err
	}
	s.read = newReader(db)
	s.read.SetMaxOpenConns(readers)
	s.read.SetMaxIdleConns(readers)
	defer func() {
		if err != nil {
			_ = errors.Join(s.read.Close(), s.db.Close())
		}
	}()
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return err
	}
	c := newWriteConn(conn)
	if err := prepare(c, s.path, o); err != nil {
		return errors.Join(err, c.close())
	}
	if s.files, err = statFiles(s.path); err != nil {
		return errors.Join(err, c.close())
	}
	c.verify = func() error { return s.files.verify(s.path) }
	s.writer = startWriter(c)
	return nil
}

// prepare brings the database to the newest schema and to write-ahead logging.
func prepare(c *writeConn, path string, o Options) error {
	steps, err := migrations()
	if err != nil {
		return err
	}
	if o.Look {
		version, err := checkVersion(c, path, len(steps))
		if err == nil && version > 0 && version < len(steps) {
			err = &ledger.OlderError{Where: path, Version: version, Newest: len(steps)}
		}
		if err != nil {
			return err
		}
	}
	if err := migrate(c, path, steps, false); err != nil {
		return err
	}
	var to string
	if err := c.scan("SELECT moved FROM ledger", nil, &to); err != nil {
		return err
	}
	if to != "" && !o.Moved {
		return &ledger.MovedError{Where: path, To: to}
	}
	var mode string
	if err := c.scan("PRAGMA journal_mode = WAL", nil, &mode); err != nil {
		return err
	}
	if mode != "wal" {
		return fmt.Errorf("%s: its file system does not support shared memory, which SQLite's WAL mode needs (the mode stays %q); set `state` to a path on another file system", path, mode)
	}
	var version int
	return c.scan("PRAGMA user_version", nil, &version) // the first read opens the log
}

// writing are the pragmas of a connection that writes. secure_delete overwrites what
// is removed, so that no subject or sender stays in free pages once a message has been
// forwarded. With ON, unlike FAST, that holds for whole pages too; neither was seen to
// take time (BenchmarkPut).
var writing = []string{"synchronous(FULL)", "fullfsync(1)", "checkpoint_fullfsync(1)", "foreign_keys(1)", "secure_delete(1)"}

// connect returns a pool of connections with SQLite's open mode and these
// pragmas. It opens none yet.
func connect(path, mode string, busy time.Duration, pragmas ...string) (*sql.DB, error) {
	q := url.Values{
		"mode":      {mode},
		"_dqs":      {"0"}, // a misspelt column is not a string
		"_error_rc": {"1"}, // no stale text in errors
		"_pragma":   append([]string{fmt.Sprintf("busy_timeout(%d)", busy.Milliseconds())}, pragmas...),
	}
	uri := url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: q.Encode()}
	c, err := driver.NewConnector(uri.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c), nil
}

// Ping reads from the database, which must still be the file at its path.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.files.verify(s.path); err != nil {
		return explain("read the ledger", s.path, err)
	}
	var version int
	err := s.read.QueryRowContext(ctx, "SELECT user_version FROM pragma_user_version").Scan(&version)
	return explain("read the ledger", s.path, err)
}

// write has the writer run a change, and returns when it is on disk. See
// writer.do for what the end of ctx can stop.
func (s *Store) write(ctx context.Context, do change) error {
	return explain("write the ledger", s.path, s.writer.do(ctx, &request{change: do}))
}

// writeAsync is a write that does not wait for the disk: a power failure may
// undo it. Nothing that is written later survives without it.
func (s *Store) writeAsync(ctx context.Context, do change) error {
	return explain("write the ledger", s.path, s.writer.do(ctx, &request{change: do, async: true}))
}

// Close waits for the current change, moves the log into the database if no
// other process reads it, and closes. Release all leases first. A second call
// returns the result of the first.
func (s *Store) Close() error {
	s.closing.Do(func() { s.closeErr = explain("close the ledger", s.path, s.close()) })
	return s.closeErr
}

func (s *Store) close() error {
	s.writer.close()
	// The readers go first: the last connection to close moves the log into the
	// database and removes it, which a read-only connection cannot do.
	err := s.read.Close()
	// PASSIVE does not wait for other processes. What it leaves is safe in the log.
	var busy, inLog, moved int
	checkpoint := s.writer.conn.scan("PRAGMA wal_checkpoint(PASSIVE)", nil, &busy, &inLog, &moved)
	err = errors.Join(err, checkpoint, s.writer.conn.close(), s.db.Close())
	if err == nil && moved == inLog {
		err = s.files.setLogAside(s.path)
	}
	return err
}
