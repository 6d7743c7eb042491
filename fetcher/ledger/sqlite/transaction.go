package sqlite

import (
	"errors"
	"fmt"
)

// change is what one request does inside a transaction. After an error
// nothing of it stays. It may be run a second time, after what it did the
// first time was taken back.
type change func(*session) error

// transaction runs changes and commits once. The first result holds what
// became of each; the second is an error that took the whole transaction with
// it.
//
// Nearly always all of them succeed, and a savepoint for each would cost a copy
// of every page that it touches. So they are first run without; if one fails,
// all is taken back and done again, each in a savepoint of its own.
func (c *session) transaction(changes ...change) (own []error, all error) {
	if err := c.attempt(func() error { return c.plainly(changes) }); err == nil {
		return make([]error, len(changes)), nil
	} else if e := (*changeError)(nil); !errors.As(err, &e) {
		return nil, err
	} else if len(changes) == 1 {
		return []error{e.err}, nil
	}
	own = make([]error, len(changes))
	return own, c.attempt(func() (err error) {
		for i, do := range changes {
			if own[i], err = c.savepoint(do); err != nil {
				return err
			}
		}
		return nil
	})
}

// attempt is one transaction around run. After an error nothing of it stays.
func (c *session) attempt(run func() error) error {
	// IMMEDIATE takes the lock for writing now, where waiting for other
	// processes is possible; a lock that is widened later fails at once.
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	c.number++
	c.counts = c.counts[:0]
	err := run()
	if err == nil {
		err = c.putCounts()
	}
	if err != nil {
		return c.rollback(err)
	}
	// If the fsync in COMMIT fails, the transaction is undone here, but its
	// octets may survive in the log and come back after a crash. That does no
	// harm: each change tells of something that did happen or was about to.
	if _, err := c.exec("COMMIT"); err != nil {
		return c.rollback(err)
	}
	return nil
}

// changeError is the failure of one change.
type changeError struct{ err error }

func (e *changeError) Error() string { return e.err.Error() }

func (e *changeError) Unwrap() error { return e.err }

// plainly runs changes up to the first that fails: a *changeError.
func (c *session) plainly(changes []change) error {
	for _, do := range changes {
		if err := do(c); err != nil {
			return &changeError{err}
		}
	}
	return nil
}

// savepoint runs one change so that its failure leaves the transaction as it
// was before. Some failures, as a full disk, can make SQLite roll back all of
// the transaction by itself; the savepoint is gone then too, and that is
// returned as the second error.
func (c *session) savepoint(do change) (own, all error) {
	if _, err := c.exec("SAVEPOINT request"); err != nil {
		return nil, err
	}
	counted := len(c.counts)
	own = do(c)
	if own != nil {
		c.counts = c.counts[:counted]
		if _, err := c.exec("ROLLBACK TO request"); err != nil {
			return nil, fmt.Errorf("the transaction is lost: %w", own)
		}
	}
	if _, err := c.exec("RELEASE request"); err != nil {
		return nil, errors.Join(err, own)
	}
	return own, nil
}

// rollback ends a transaction that failed with err, and returns err.
func (c *session) rollback(err error) error {
	// SQLite may have done it already; then this fails, and that is all right.
	_, _ = c.exec("ROLLBACK")
	return err
}
