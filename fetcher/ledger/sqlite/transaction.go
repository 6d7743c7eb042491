package sqlite

import (
	"errors"
	"fmt"
)

// change is what one request does inside a transaction. After an error nothing
// of it stays. It may run a second time, after its first run was undone.
type change func(*writeConn) error

// changeError is the failure of one change.
type changeError struct{ err error }

func (e *changeError) Error() string { return e.err.Error() }

func (e *changeError) Unwrap() error { return e.err }

// transaction runs changes and commits once. It returns the result of each
// change, or an error that undid the whole transaction.
//
// Nearly always all changes succeed, and a savepoint for each would cost a copy
// of every page that it touches. So they first run without savepoints. If one
// fails, all are undone and run again, each in a savepoint of its own.
func (c *writeConn) transaction(changes ...change) (results []error, err error) {
	err = c.commit(func() error {
		for _, do := range changes {
			if err := do(c); err != nil {
				return &changeError{err}
			}
		}
		return nil
	})
	results = make([]error, len(changes))
	var failed *changeError
	switch {
	case err == nil:
		return results, nil
	case !errors.As(err, &failed):
		return nil, err
	case len(changes) == 1:
		return []error{failed.err}, nil
	}
	return results, c.commit(func() (err error) {
		for i, do := range changes {
			if results[i], err = c.savepoint(do); err != nil {
				return err
			}
		}
		return nil
	})
}

// commit is one transaction around run. After an error nothing of it stays.
func (c *writeConn) commit(run func() error) error {
	// IMMEDIATE takes the lock for writing now, when SQLite can still wait for
	// other processes. Upgrading a lock later would fail at once.
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	c.number++
	c.counts = c.counts[:0]
	var err error
	if c.verify != nil {
		err = c.verify()
	}
	if err == nil {
		err = run()
	}
	if err == nil {
		err = c.putCounts()
	}
	if err == nil {
		// If the fsync in COMMIT fails, the transaction is undone here, but its
		// octets may survive in the log and come back after a crash. That does no
		// harm: each change records something that has happened or was about to.
		_, err = c.exec("COMMIT")
	}
	if err != nil {
		_, _ = c.exec("ROLLBACK") // fails if SQLite has already rolled back by itself
	}
	return err
}

// savepoint runs one change so that its failure leaves the transaction as it
// was before. After some failures, such as a full disk, SQLite may roll back
// the whole transaction by itself, and the savepoint with it; savepoint returns
// that as err.
func (c *writeConn) savepoint(do change) (result, err error) {
	if _, err := c.exec("SAVEPOINT request"); err != nil {
		return nil, err
	}
	counted := len(c.counts)
	result = do(c)
	if result != nil {
		c.counts = c.counts[:counted]
		if _, err := c.exec("ROLLBACK TO request"); err != nil {
			return nil, fmt.Errorf("the transaction was rolled back: %w", result)
		}
	}
	if _, err := c.exec("RELEASE request"); err != nil {
		return nil, errors.Join(err, result)
	}
	return result, nil
}
