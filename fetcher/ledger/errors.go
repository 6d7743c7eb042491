package ledger

import "errors"

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
