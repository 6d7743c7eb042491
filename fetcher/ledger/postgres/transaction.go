package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// change is what one request does inside a transaction. After an error nothing of
// it stays. It may run a second time, after its first run was undone.
type change struct {
	// queue adds statements that all are sent at once, with what is to be done with
	// their answers.
	queue func(*pgx.Batch, *counts)
	// run asks more than once, instead of queue.
	run func(context.Context, *session, *counts) error
	// async: a crash of the database may undo it.
	async bool
	// alone: its only statement changes nothing where its answer is an error, so that
	// COMMIT can be sent with it. It counts nothing.
	alone bool
}

// maxTries is how often a transaction is run that gets in the way of another one.
const maxTries = 4

// transact runs changes and commits once. It returns the result of each change, or
// an error that undid the whole transaction.
//
// Nearly always all changes succeed. So they are first sent without savepoints, at
// once. If one fails, all are undone and run again, each in a savepoint of its own.
func transact(s *session, changes []*change) (results []error, err error) {
	for range maxTries {
		err = together(s, changes)
		switch {
		case err == nil:
			return make([]error, len(changes)), nil
		case s.lost():
			return nil, err
		case len(changes) == 1 && !conflict(err):
			return []error{err}, nil
		}
		if results, err = apart(s, changes); err == nil || s.lost() || !conflict(err) {
			return results, err
		}
	}
	return nil, err
}

// conflict reports whether a transaction failed because of another one: a deadlock
// or a serialization failure. Each process writes rows of its own; those of routes
// are everybody's.
func conflict(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && (answer.Code == "40P01" || answer.Code == "40001")
}

// begin queues the begin of a transaction. Where one change has to be on disk, all
// are: they are committed at once.
func begin(b *pgx.Batch, changes []*change) {
	sync := "off"
	for _, c := range changes {
		if !c.async {
			sync = "on"
		}
	}
	b.Queue("BEGIN")
	b.Queue("SET LOCAL synchronous_commit = " + sync)
}

// together runs all changes in one transaction without savepoints.
func together(s *session, changes []*change) error {
	var n counts
	b := &pgx.Batch{}
	begin(b, changes)
	atOnce, talk := true, false
	for _, c := range changes {
		atOnce = atOnce && c.alone
		if c.queue == nil {
			talk = true
			continue
		}
		c.queue(b, &n)
	}
	if atOnce {
		queueCommit(b)
		return undo(s, s.ask(b))
	}
	if err := s.ask(b); err != nil {
		return undo(s, err)
	}
	if talk {
		for _, c := range changes {
			if c.run == nil {
				continue
			}
			if err := s.talk(c, &n); err != nil {
				return undo(s, err)
			}
		}
	}
	return finish(s, &n)
}

// apart runs each change in a savepoint of its own.
func apart(s *session, changes []*change) (results []error, err error) {
	var n counts
	b := &pgx.Batch{}
	begin(b, changes)
	if err := s.ask(b); err != nil {
		return nil, undo(s, err)
	}
	results = make([]error, len(changes))
	for i, c := range changes {
		if err := s.do("SAVEPOINT request"); err != nil {
			return nil, undo(s, err)
		}
		var own counts
		if results[i] = s.runOne(c, &own); results[i] != nil {
			if conflict(results[i]) {
				return nil, undo(s, results[i])
			}
			if err := s.do("ROLLBACK TO request"); err != nil {
				return nil, undo(s, errors.Join(results[i], err))
			}
			own = nil
		}
		if err := s.do("RELEASE request"); err != nil {
			return nil, undo(s, err)
		}
		n = append(n, own...)
	}
	return results, finish(s, &n)
}

func (s *session) runOne(c *change, n *counts) error {
	if c.queue == nil {
		return s.talk(c, n)
	}
	b := &pgx.Batch{}
	c.queue(b, n)
	if b.Len() == 0 {
		return nil
	}
	return s.ask(b)
}

// talk runs a change that asks more than once. Its context is for what it does not
// ask by way of the session, which has limits of its own.
func (s *session) talk(c *change, n *counts) error {
	ctx, cancel := context.WithTimeout(context.Background(), answerLimit)
	defer cancel()
	return s.reason(ctx, c.run(ctx, s, n))
}

// finish writes what was counted and commits.
func finish(s *session, n *counts) error {
	b := &pgx.Batch{}
	n.queue(b)
	queueCommit(b)
	return undo(s, s.ask(b))
}

// queueCommit queues COMMIT. In a transaction that has failed its answer is ROLLBACK.
func queueCommit(b *pgx.Batch) {
	b.Queue("COMMIT").Exec(func(tag pgconn.CommandTag) error {
		if tag.String() != "COMMIT" {
			return fmt.Errorf("COMMIT was answered with %s", tag)
		}
		return nil
	})
}

// undo rolls a transaction back after an error, which it returns.
func undo(s *session, err error) error {
	if err != nil && !s.lost() && s.conn.PgConn().TxStatus() != 'I' {
		_ = s.do("ROLLBACK") // fails only with the session
	}
	return err
}
