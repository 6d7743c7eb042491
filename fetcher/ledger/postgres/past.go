package postgres

import (
	"context"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/popferry/popferry/fetcher/ledger/postgres/server"
)

// Failover is a change of the timeline: another server has become the primary, or a
// backup was restored, and what was committed last before may be missing.
type Failover struct {
	Was, Is string // server.Timeline.String
}

// past is which histories the ledger has had.
type past struct {
	mu     sync.Mutex
	origin string // when the ledger was made
	now    server.Timeline
	list   []Failover // that were noticed here
	tell   func(Failover)
}

// follow compares the timeline of a new session with that of the last one, and notes it
// in the ledger unless it is only looked at.
func (p *past) follow(ctx context.Context, conn *pgx.Conn, look bool) error {
	is, err := server.TimelineOf(ctx, conn)
	if err != nil || is == (server.Timeline{}) {
		return err
	}
	var origin, was string
	if err := conn.QueryRow(ctx, "SELECT origin, timeline FROM ledger").Scan(&origin, &was); err != nil {
		return err
	}
	if !look {
		if err := note(ctx, conn, is.String()); err != nil {
			return err
		}
	}
	if origin == "" {
		origin = is.String()
	}
	if tell, f := p.moveTo(is, origin, was); tell != nil {
		tell(f)
	}
	return nil
}

// note writes the timeline to the ledger.
func note(ctx context.Context, conn *pgx.Conn, is string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL synchronous_commit = on"); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE ledger SET timeline = $1, origin = CASE origin WHEN '' THEN $1 ELSE origin END WHERE timeline <> $1", is)
		return err
	})
}

// moveTo makes that the timeline. was is the one before in the ledger, which another
// process may have changed since this one was told. It returns who is to be told of a
// failover, if there was one.
func (p *past) moveTo(is server.Timeline, origin, was string) (tell func(Failover), f Failover) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.now != (server.Timeline{}) {
		was = p.now.String()
	}
	p.origin, p.now = origin, is
	if was == "" || was == is.String() {
		return nil, Failover{}
	}
	f = Failover{Was: was, Is: is.String()}
	p.list = append(p.list, f)
	return p.tell, f
}

func (p *past) timelines() (made, now string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.origin, p.now.String()
}

// OnFailover has each failover told to a function, also those that were noticed before.
// It replaces the function of an earlier call.
func (s *Store) OnFailover(tell func(Failover)) {
	p := &s.past
	p.mu.Lock()
	first := p.tell == nil
	p.tell = tell
	list := slices.Clone(p.list)
	p.mu.Unlock()
	if first {
		for _, f := range list {
			tell(f)
		}
	}
}

// Asynchronous reports whether the database has standbys that it does not wait for at a
// commit: after a failover, what was committed last may be missing.
func (s *Store) Asynchronous(ctx context.Context) (yes bool, err error) {
	err = s.read.AcquireFunc(ctx, func(conn *pgxpool.Conn) (err error) {
		yes, err = server.Asynchronous(ctx, conn.Conn())
		return err
	})
	return yes, s.db.Explain("ask the ledger's database for its standbys", err)
}

// Timeline is the number of the timeline that the database writes, 0 if it does not
// tell, and how many failovers were noticed since the ledger was opened.
func (s *Store) Timeline() (number int64, failovers int) {
	s.past.mu.Lock()
	defer s.past.mu.Unlock()
	return s.past.now.Number, len(s.past.list)
}
