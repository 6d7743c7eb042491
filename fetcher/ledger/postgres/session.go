package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/popferry/popferry/fetcher/ledger/postgres/server"
)

const (
	// answerLimit bounds the wait for each answer on the writing session. A lease is
	// good for nothing by then: see aliveFor.
	answerLimit = 20 * time.Second
	// pingEvery is the time between two pings.
	pingEvery = 5 * time.Second
	// aliveFor is how old the last answer may be for a lease to count. The database
	// ends a silent session after sessionLife, and gives its locks to others.
	aliveFor    = 20 * time.Second
	sessionLife = 30 * time.Second
	// readLimit bounds one read, which may be a million rows.
	readLimit = 2 * time.Minute
)

// session is the one connection through which all writes of the process go, with
// the locks that are its leases. The writer alone uses the connection.
type session struct {
	conn   *pgx.Conn
	number int64 // of those of this process, from 1
	pulse
	over chan struct{} // closed when it is lost
}

// settings of every session. The writing one also ends when it is silent: then its
// client is gone, or its machine sleeps.
const (
	commonSettings  = "SET search_path = popferry; SET idle_in_transaction_session_timeout = '30s'; SET default_transaction_isolation = 'read committed'; SET lock_timeout = '15s'; SET "
	writingSettings = commonSettings + "statement_timeout = '15s'; SET idle_session_timeout = '30s'; SET tcp_user_timeout = '30s'; SET tcp_keepalives_idle = '10s'; SET tcp_keepalives_interval = '5s'; SET tcp_keepalives_count = 3"
	readingSettings = commonSettings + "statement_timeout = '2min'; SET default_transaction_read_only = on"
)

// ask sends statements and reads all their answers. After an error the session may
// be lost: see lost.
func (s *session) ask(b *pgx.Batch) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	asked := time.Now()
	err := s.conn.SendBatch(ctx, b).Close()
	if err == nil || isAnswer(err) && !s.lost() {
		s.answered(asked)
	}
	return s.reason(ctx, err)
}

// do runs statements without arguments.
func (s *session) do(statements string) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	asked := time.Now()
	_, err := s.conn.PgConn().Exec(ctx, statements).ReadAll()
	if err == nil {
		s.answered(asked)
	}
	return s.reason(ctx, err)
}

// ping asks for the time of the database.
func (s *session) ping() error {
	var clock time.Time
	b := &pgx.Batch{}
	b.Queue("SELECT clock_timestamp()").QueryRow(func(row pgx.Row) error { return row.Scan(&clock) })
	asked := time.Now()
	if err := s.ask(b); err != nil {
		return err
	}
	s.told(clock, asked, time.Now())
	return nil
}

// lost reports whether the connection is closed.
func (s *session) lost() bool { return s.conn.IsClosed() }

// end closes what is left of it.
func (s *session) end() {
	close(s.over)
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.conn.Close(ctx)
}

// alive reports whether the locks of the session are surely its own still.
func (s *session) alive() bool {
	select {
	case <-s.over:
		return false
	default:
		return s.age(time.Now()) <= aliveFor
	}
}

// reason tells apart why a connection was closed: without an answer in time, or
// by the other side.
func (s *session) reason(ctx context.Context, err error) error {
	switch {
	case err == nil || !s.lost():
		return err
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %v", server.ErrNoAnswer, answerLimit)
	case isAnswer(err):
		return err
	default:
		return fmt.Errorf("%w: %w", server.ErrGone, err)
	}
}

// isAnswer reports whether the database has answered, with an error.
func isAnswer(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer)
}

// pulse is when the database was last known to keep a session.
type pulse struct {
	mu     sync.Mutex
	asked  time.Time     // when the last question was put that it has answered
	offset time.Duration // its clock less ours
}

// answered notes that a question of that time has an answer.
func (p *pulse) answered(asked time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked = asked
}

// told notes what its clock said between these times of ours.
func (p *pulse) told(clock, asked, answered time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.offset = clock.Sub(asked.Add(answered.Sub(asked) / 2))
}

// age is how long ago that was, by the clock that has gone further: the monotonic
// one stands still while a machine sleeps, and the wall clock can be set.
func (p *pulse) age(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return max(now.Sub(p.asked), now.Round(0).Sub(p.asked.Round(0)))
}

func (p *pulse) ahead() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.offset
}
