package postgres

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/popferry/popferry/fetcher/ledger/postgres/server"
	"github.com/popferry/popferry/fetcher/ledger/seal"
)

// readers is the greatest number of connections for reading.
const readers = 4

var (
	// ErrReleased: a lease was used after its Release.
	ErrReleased = errors.New("the account's lease was released")
	// ErrClosed: the store was used after its Close.
	ErrClosed = errors.New("the ledger is closed")
)

// Options say how to open a ledger. The zero value opens one that must exist.
type Options struct {
	// Create makes the tables if they do not exist. Without it, that is
	// ledger.ErrMissing: a new, empty database must not cause everything to be
	// forwarded again.
	Create bool
	// Look does not bring older tables up to date: processes of an older version may
	// be at work there. It is for commands that only look.
	Look bool
	// Moved opens a ledger that has moved elsewhere, too.
	Moved bool
	// Password is asked for each connection. Nil: what the address, PGPASSFILE or a
	// client certificate says.
	Password server.Password
	// Seal seals the tokens of sign-ins; nil: there can be none.
	Seal *seal.Sealer
	// Now is the time. Default: that of the database.
	Now func() time.Time
}

// Store is an open ledger. Its methods may be called from any goroutine.
// Failures of the database are of type *server.Error.
type Store struct {
	db     *server.Database
	clock  func() time.Time // nil: the database's
	seal   *seal.Sealer
	id     string // of the ledger
	past   past
	read   *pgxpool.Pool
	writer *writer

	process  [16]byte     // names this process to the others
	sessions atomic.Int64 // how many were opened
	lastBeat atomic.Int64 // Unix time in milliseconds; 0: there was none

	mu     sync.Mutex
	held   map[int64]bool // keys of locks that somebody here has or waits for
	leases int            // that are not released
	lost   int            // of those that were, went with their session before

	closing sync.Once
}

// Open opens the ledger at an address, which is a URL or a string of keywords as
// libpq knows them, and brings its tables up to date. Besides *Error it returns
// errors that wrap ledger.ErrMissing or ledger.ErrNewer, a *ledger.MovedError and a
// *ledger.OlderError.
func Open(ctx context.Context, address string, o Options) (*Store, error) {
	db, err := server.New(address, o.Password)
	if err != nil {
		return nil, err
	}
	s := &Store{db: db, clock: o.Now, seal: o.Seal, held: make(map[int64]bool)}
	_, _ = rand.Read(s.process[:]) // it never fails
	if err := s.open(ctx, o); err != nil {
		return nil, s.db.Explain("open the ledger", err)
	}
	return s, nil
}

func (s *Store) open(ctx context.Context, o Options) (err error) {
	first, err := s.dialWriting(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			first.end()
		}
	}()
	if err := s.db.ProveSession(ctx, first.conn); err != nil {
		return err
	}
	if s.id, err = s.prepare(ctx, first.conn, o); err != nil {
		return err
	}
	if err := s.past.follow(ctx, first.conn, o.Look); err != nil {
		return err
	}
	if err := first.ping(); err != nil {
		return err
	}
	if s.read, err = s.openPool(); err != nil {
		return err
	}
	s.writer = startWriter(s, first)
	return nil
}

// dialWriting opens a session for writing at a server that keeps what it confirms.
func (s *Store) dialWriting(ctx context.Context) (*session, error) {
	conn, err := s.db.Dial(ctx, writingSettings)
	if err != nil {
		return nil, err
	}
	if err := s.db.Prove(ctx, conn); err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	return &session{conn: conn, number: s.sessions.Add(1), over: make(chan struct{})}, nil
}

// reopen opens a session after the last one was lost. It must be the same ledger.
func (s *Store) reopen(ctx context.Context) (*session, error) {
	next, err := s.dialWriting(ctx)
	if err == nil {
		var id string
		if err = next.conn.QueryRow(ctx, "SELECT id::text FROM ledger").Scan(&id); err == nil && id != s.id {
			err = server.ErrOther
		}
		if err == nil {
			err = s.past.follow(ctx, next.conn, false)
		}
		if err == nil {
			err = next.ping()
		}
		if err != nil {
			next.end()
		}
	}
	if err != nil {
		return nil, s.db.Explain("open the ledger", err)
	}
	s.read.Reset() // what it reads from may be another server, with older rows
	return next, nil
}

func (s *Store) openPool() (*pgxpool.Pool, error) {
	pool, err := pgxpool.ParseConfig("")
	if err != nil {
		return nil, err
	}
	pool.ConnConfig = s.db.Config()
	pool.MaxConns, pool.MinConns, pool.MaxConnIdleTime = readers, 0, time.Minute
	pool.BeforeConnect = s.db.SetPassword
	pool.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(ctx, readingSettings).ReadAll()
		return err
	}
	return pgxpool.NewWithConfig(context.Background(), pool)
}

// Now is the time, by the database's clock as it was at the last ping.
func (s *Store) Now() time.Time {
	if s.clock != nil {
		return s.clock()
	}
	return time.Now().Add(s.Ahead())
}

// Ahead is by how much the database's clock was ahead of this machine's at the last
// ping.
func (s *Store) Ahead() time.Duration {
	if now := s.writer.current.Load(); now != nil {
		return now.ahead()
	}
	return time.Duration(s.writer.offset.Load())
}

// Ping asks the database, through the session that writes.
func (s *Store) Ping(ctx context.Context) error { return s.writer.do(ctx, &request{}) }

// Close waits for the current change and closes all connections. Release all leases
// first. A second call does nothing.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.writer.close()
		s.read.Close()
	})
	return nil
}
