package postgres

import (
	"context"
	"time"
)

// Settings are those of the writing session.
func Settings(s *Store, names ...string) (values []string, err error) {
	err = s.write(context.Background(), &change{run: func(ctx context.Context, s *session, _ *counts) error {
		for _, name := range names {
			var v string
			if err := s.conn.QueryRow(ctx, "SELECT current_setting($1)", name).Scan(&v); err != nil {
				return err
			}
			values = append(values, v)
		}
		return nil
	}})
	return values, err
}

// Age is how old a sign of the database is that came after asked, at a time.
func Age(asked, now time.Time) time.Duration {
	var p pulse
	p.answered(asked)
	return p.age(now)
}

// Collide makes a change that collides with another transaction for so many times,
// and returns how often it ran.
func Collide(s *Store, times int) (runs int, err error) {
	err = s.write(context.Background(), &change{run: func(ctx context.Context, s *session, _ *counts) error {
		if runs++; runs > times {
			return nil
		}
		_, err := s.conn.Exec(ctx, "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'serialization_failure'; END $$")
		return err
	}})
	return runs, err
}

// Readers are the process ids of the sessions that have answered so many questions.
func Readers(ctx context.Context, s *Store, questions int) (pids map[int]bool, err error) {
	pids = make(map[int]bool)
	for range questions {
		var pid int
		if err := s.scan(ctx, "SELECT pg_backend_pid()", nil, &pid); err != nil {
			return nil, err
		}
		pids[pid] = true
	}
	return pids, nil
}
