package ledger

import (
	"errors"
	"fmt"
)

var (
	// ErrLeased: another process, or another poll of this process, holds the
	// account's lease.
	ErrLeased = errors.New("another process is polling this account")
	// ErrLost: the account's lease was lost, so that another process may hold it by
	// now. Nothing is written under it any more.
	ErrLost = errors.New("the account's lease was lost")
	// ErrMissing: the ledger does not exist, and creating it was not allowed.
	ErrMissing = errors.New("the ledger does not exist")
	// ErrEmpty: the ledger's file is there, but has nothing in it. It may be what is
	// left of a ledger after a crash or a copy that failed.
	ErrEmpty = errors.New("the ledger is an empty file")
	// ErrLogLeft: the ledger is missing, but what SQLite had still to move into it is there.
	ErrLogLeft = errors.New("the ledger is missing, but its log is there")
	// ErrNetworkFS: the ledger is on a network file system, where locks and syncs
	// cannot be trusted.
	ErrNetworkFS = errors.New("the ledger is on a network file system")
	// ErrNewer: the ledger was written by a newer version of popferry.
	ErrNewer = errors.New("the ledger was written by a newer version")
	// ErrUnavailable: the ledger cannot be used now, for a reason that can pass: its
	// disk is full, another program keeps it locked ...
	ErrUnavailable = errors.New("the ledger cannot be used now")
	// ErrNameTaken: another account has that name.
	ErrNameTaken = errors.New("another account has that name")
	// ErrNotFound: no such row.
	ErrNotFound = errors.New("not in the ledger")
)

// MovedError: the ledger was copied to another place, and is not used here any more.
type MovedError struct {
	Where, To string
}

func (e *MovedError) Error() string {
	return fmt.Sprintf("the ledger at %s has moved to %s (popferry state copy): set `state` to that. What was polled since is known only there, so nothing is sent by this one; to go back, copy that one to a new place", e.Where, e.To)
}

// OlderError: the ledger has the schema of an older version, and is only to be looked at.
type OlderError struct {
	Where           string
	Version, Newest int
}

func (e *OlderError) Error() string {
	return fmt.Sprintf("%s has the tables of an older popferry (version %d of the schema, this one has %d), and a command that only looks does not change them", e.Where, e.Version, e.Newest)
}

// Failed reports whether an error is a failure of the store: of its file, or of its
// database.
func Failed(err error) bool {
	var failure interface{ OfLedger() }
	return errors.As(err, &failure)
}
