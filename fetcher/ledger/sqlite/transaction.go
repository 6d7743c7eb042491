package sqlite

import (
	"errors"
	"fmt"
)

// change is what one request does inside a transaction. After an error
// nothing of it stays.
type change func(*session) error

// transaction runs changes, each in a savepoint of its own, and commits once.
// The first result holds what became of each; the second is an error that
// took the whole transaction with it.
func (c *session) transaction(changes ...change) (own []error, all error) {
	// IMMEDIATE takes the lock for writing now, where waiting for other
	// processes is possible; a lock that is widened later fails at once.
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	own = make([]error, len(changes))
	for i, do := range changes {
		if own[i], all = c.savepoint(do); all != nil {
			return nil, c.rollback(all)
		}
	}
	// If the fsync in COMMIT fails, the transaction is undone here, but its
	// octets may survive in the log and come back after a crash. That does no
	// harm: each change tells of something that did happen or was about to.
	if _, err := c.exec("COMMIT"); err != nil {
		return nil, c.rollback(err)
	}
	return own, nil
}

// savepoint runs one change so that its failure leaves the transaction as it
// was before. Some failures, as a full disk, can make SQLite roll back all of
// the transaction by itself; the savepoint is gone then too, and that is
// returned as the second error.
func (c *session) savepoint(do change) (own, all error) {
	if _, err := c.exec("SAVEPOINT request"); err != nil {
		return nil, err
	}
	own = do(c)
	if own != nil {
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
