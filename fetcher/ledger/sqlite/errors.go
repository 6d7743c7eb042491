package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"
)

var (
	// ErrReleased: a lease was used after its Release.
	ErrReleased = errors.New("the account's lease was given back")
	// ErrLost: the lock file of a lease was removed or replaced, so that
	// another process may hold the account by now.
	ErrLost = errors.New("the account's lease was lost: its lock file was removed")
	// ErrClosed: the store was used after its Close.
	ErrClosed = errors.New("the ledger is closed")
)

// Kind says what is wrong with the database, as far as a person can mend it.
type Kind uint8

const (
	// Other: nothing that is known here.
	Other Kind = iota
	// Full: the disk or a quota is full.
	Full
	// ReadOnly: the file system or the file cannot be written.
	ReadOnly
	// Denied: no permission for the file or its folder, or no such folder.
	Denied
	// Corrupt: the database is damaged.
	Corrupt
	// Foreign: not a database, or one of another program.
	Foreign
	// Busy: another program keeps the database locked.
	Busy
	// IO: the disk fails.
	IO
)

// String says in a few words what is wrong.
func (k Kind) String() string {
	switch k {
	case Full:
		return "the disk is full"
	case ReadOnly:
		return "it is read-only"
	case Denied:
		return "it cannot be opened"
	case Corrupt:
		return "the database is damaged"
	case Foreign:
		return "this is no ledger of popferry"
	case Busy:
		return "another program keeps it locked"
	case IO:
		return "the disk fails"
	default:
		return "unexpected"
	}
}

// Hint says what a person can do about it; "" if there is nothing to say.
func (k Kind) Hint() string {
	switch k {
	case Full:
		return "free some space or raise the quota; popferry then goes on where it stopped"
	case ReadOnly:
		return "mount its file system read-write, or set `state` to a place that can be written"
	case Denied:
		return "check that the folder is there and that popferry's user may write to it and to the file"
	case Corrupt:
		return "stop popferry, copy the file and its -wal to a safe place, then restore a backup or let `sqlite3 FILE .recover` save the rows; " +
			"without its ledger popferry forwards again what is still on the servers"
	case Foreign:
		return "nothing was changed; set `state` to another path"
	case Busy:
		return "find who has it open (`fuser FILE`) and end it"
	case IO:
		return "look at the system's log for errors of the disk"
	default:
		return ""
	}
}

// Error is a failure of the database.
type Error struct {
	Doing string // "write the ledger"
	Path  string // of the database, or of the file beside it that failed
	Kind  Kind
	Err   error
}

// Error says what was tried on which path, what happened and what to do.
func (e *Error) Error() string {
	msg := fmt.Sprintf("%s %s: ", e.Doing, e.Path)
	if e.Kind == Other {
		return msg + e.Err.Error()
	}
	return fmt.Sprintf("%s%s (%v): %s", msg, e.Kind, e.Err, e.Kind.Hint())
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// explain makes an *Error of a failure of SQLite or of the operating system.
// Any other error, as ledger.ErrNotFound, is returned as it is.
func explain(doing, path string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	var e *driver.Error
	var errno syscall.Errno
	if !errors.As(err, &e) && !errors.As(err, &errno) {
		return err
	}
	return &Error{Doing: doing, Path: path, Kind: kindOf(err), Err: err}
}

// kindOf is the one place that says what a failure means.
func kindOf(err error) Kind {
	var e *driver.Error
	switch {
	case errors.As(err, &e):
		return kindOfCode(e.Code())
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return Full
	case errors.Is(err, syscall.EROFS):
		return ReadOnly
	case errors.Is(err, fs.ErrPermission), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return Denied
	case errors.Is(err, syscall.EIO):
		return IO
	default:
		return Other
	}
}

// kindOfCode reads the primary part of one of SQLite's extended result codes.
func kindOfCode(code int) Kind {
	switch code & 0xff {
	case codes.SQLITE_FULL:
		return Full
	case codes.SQLITE_IOERR:
		if code == codes.SQLITE_IOERR_SHMSIZE { // no room for the memory that processes share
			return Full
		}
		return IO
	case codes.SQLITE_READONLY:
		return ReadOnly
	case codes.SQLITE_CANTOPEN, codes.SQLITE_PERM:
		return Denied
	case codes.SQLITE_CORRUPT:
		return Corrupt
	case codes.SQLITE_NOTADB:
		return Foreign
	case codes.SQLITE_BUSY, codes.SQLITE_PROTOCOL:
		return Busy
	default:
		return Other
	}
}
