package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
)

const (
	// replicaLife is how long the row of a process that was killed is shown.
	replicaLife = time.Hour
	// sightingLife is how long a server that one process could not reach is held
	// against it by another one.
	sightingLife = 10 * time.Minute
	// newsOverlap is how far back the news of polls go beyond the beat before: a commit
	// takes its time, and so may a poll after it was noted when it began.
	newsOverlap = time.Minute
)

// Beat tells the others of this process, and it of them. News are polls that ended
// since about the last beat. It need not wait for the disk.
func (s *Store) Beat(ctx context.Context, r ledger.Replica) (news ledger.News, err error) {
	now := s.Now()
	leases, _ := s.Leases()
	last := s.lastBeat.Swap(now.UnixMilli())
	since := now.Add(-newsOverlap)
	if last != 0 {
		since = time.UnixMilli(last).Add(-newsOverlap)
	}
	err = s.write(ctx, &change{async: true, queue: func(b *pgx.Batch, _ *counts) {
		news = ledger.News{} // it may run a second time
		b.Queue(`INSERT INTO replicas (id, name, version, started, beat, leases, sick, session) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
			ON CONFLICT (id) DO UPDATE SET (beat, leases, sick, session) = (excluded.beat, excluded.leases, excluded.sick, excluded.session)`,
			s.process, text(r.Name), text(r.Version), moment(r.Started), moment(now), leases, text(r.Sick), s.sessions.Load())
		b.Queue("DELETE FROM replicas WHERE beat < $1", moment(now.Add(-replicaLife)))
		b.Queue("DELETE FROM sightings WHERE at < $1", moment(now.Add(-sightingLife)))
		b.Queue("SELECT account, at FROM requests ORDER BY at").Query(func(rows pgx.Rows) (err error) {
			news.Requests, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (q ledger.Request, err error) {
				return q, row.Scan(&q.Account, (*moment)(&q.At))
			})
			return err
		})
		b.Queue("SELECT id, began FROM accounts WHERE last_poll >= $1", moment(since)).Query(func(rows pgx.Rows) (err error) {
			news.Polled, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (p ledger.Polled, err error) {
				return p, row.Scan(&p.Account, (*moment)(&p.Began))
			})
			return err
		})
	}})
	return news, err
}

// Replicas returns the processes of the last hour that have not ended, by name.
func (s *Store) Replicas(ctx context.Context) ([]ledger.Replica, error) {
	fields := func(r *ledger.Replica) []any {
		return []any{&r.Name, &r.Version, (*moment)(&r.Started), (*moment)(&r.Beat), &r.Leases, &r.Sick}
	}
	return query(ctx, s, fields, "SELECT name, version, started, beat, leases, sick FROM replicas WHERE beat >= $1 ORDER BY name, started", moment(s.Now().Add(-replicaLife)))
}

// Leave takes this process out of them.
func (s *Store) Leave(ctx context.Context) error {
	return s.write(ctx, queued(func(b *pgx.Batch, _ *counts) { b.Queue("DELETE FROM replicas WHERE id = $1", s.process) }))
}

// Leases are how many accounts this process has leased, and how many leases it has
// lost so far with a session.
func (s *Store) Leases() (now, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leases, s.lost
}

func (s *Store) countLeases(now, lost int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leases += now
	s.lost += lost
}

// Request asks for polls of these accounts.
func (s *Store) Request(ctx context.Context, accounts ...int64) error {
	return s.write(ctx, queued(func(b *pgx.Batch, _ *counts) {
		b.Queue(`INSERT INTO requests (account, at) SELECT id, $2 FROM accounts WHERE id = ANY ($1) ORDER BY id
			ON CONFLICT (account) DO UPDATE SET at = greatest(requests.at, excluded.at)`, accounts, moment(s.Now()))
	}))
}

// Requested returns the request for an account, or ledger.ErrNotFound.
func (s *Store) Requested(ctx context.Context, account int64) (r ledger.Request, err error) {
	r.Account = account
	err = s.scan(ctx, "SELECT at FROM requests WHERE account = $1", []any{account}, (*moment)(&r.At))
	if errors.Is(err, pgx.ErrNoRows) {
		return r, ledger.ErrNotFound
	}
	return r, err
}

// Answered ends a request. One that was made again meanwhile stays.
func (s *Store) Answered(ctx context.Context, r ledger.Request) error {
	return s.write(ctx, queued(func(b *pgx.Batch, _ *counts) {
		b.Queue("DELETE FROM requests WHERE account = $1 AND at <= $2", r.Account, moment(r.At))
	}))
}

// Unreached notes that this process could not connect to a server. It reports whether
// another process has seen the same lately, or there is no other one.
func (s *Store) Unreached(ctx context.Context, server string) (confirmed bool, err error) {
	now := s.Now()
	err = s.write(ctx, queued(func(b *pgx.Batch, _ *counts) {
		b.Queue("INSERT INTO sightings (server, process, at) VALUES ($1, $2, $3) ON CONFLICT (server, process) DO UPDATE SET at = excluded.at",
			text(server), s.process, moment(now))
		b.Queue(`SELECT EXISTS (SELECT FROM sightings WHERE server = $1 AND process <> $2 AND at >= $3)
			OR NOT EXISTS (SELECT FROM replicas WHERE id <> $2 AND beat >= $4)`,
			text(server), s.process, moment(now.Add(-sightingLife)), moment(now.Add(-ledger.Silent))).QueryRow(func(row pgx.Row) error { return row.Scan(&confirmed) })
	}))
	return confirmed, err
}

// Reached takes that back.
func (s *Store) Reached(ctx context.Context, server string) error {
	return s.write(ctx, queued(func(b *pgx.Batch, _ *counts) {
		b.Queue("DELETE FROM sightings WHERE server = $1 AND process = $2", text(server), s.process)
	}))
}
