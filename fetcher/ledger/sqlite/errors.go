package sqlite

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/popferry/popferry/fetcher/ledger"
)

var (
	// ErrReleased: a lease was used after its Release.
	ErrReleased = errors.New("the account's lease was released")
	// ErrLost: the lock file of a lease was replaced, so that another process may
	// hold the account by now.
	ErrLost = fmt.Errorf("%w: its lock file was replaced", ledger.ErrLost)
	// ErrClosed: the store was used after its Close.
	ErrClosed = errors.New("the ledger is closed")

	errMoved = errors.New("its path no longer leads to it")
)

// Kind says what is wrong with the database, where the operator can mend it.
type Kind uint8

const (
	// Other: any other failure.
	Other Kind = iota
	// Full: the disk or a quota is full.
	Full
	// ReadOnly: the file system or the file is read-only.
	ReadOnly
	// Denied: no permission for the file or its folder, or no such folder.
	Denied
	// Corrupt: the database is damaged.
	Corrupt
	// Foreign: the file is not a database, or another program's.
	Foreign
	// Busy: another program keeps the database locked.
	Busy
	// Moved: the file was removed or replaced while it is in use.
	Moved
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
		return "this is not a popferry ledger"
	case Busy:
		return "another program keeps it locked"
	case Moved:
		return "the file was removed or replaced while popferry uses it"
	case IO:
		return "the disk fails"
	default:
		return "unexpected"
	}
}

// Hint says what the operator can do about it; "" for Other.
func (k Kind) Hint() string {
	switch k {
	case Full:
		return "free some space or raise the quota; popferry then continues where it stopped"
	case ReadOnly:
		return "mount its file system read-write, or set `state` to a writable path"
	case Denied:
		return "check that the folder exists and that popferry's user may write to it and to the file"
	case Corrupt:
		return "stop popferry, copy the file and its -wal to a safe place, then restore a backup or save the rows with `sqlite3 FILE .recover`; " +
			"with an empty ledger, popferry forwards all mail that is still on the servers again"
	case Foreign:
		return "nothing was changed; set `state` to another path"
	case Busy:
		return "find the program that has it open (`fuser FILE`) and end it"
	case Moved:
		return "put the same file back, and popferry goes on by itself; to go on with the one that is there now, restart popferry; until then nothing is sent"
	case IO:
		return "check the system log for disk errors"
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

// OfLedger marks it for ledger.Failed.
func (*Error) OfLedger() {}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Is reports whether the failure is one that can pass (ledger.ErrUnavailable).
func (e *Error) Is(target error) bool {
	switch e.Kind {
	case Full, ReadOnly, Denied, Busy, Moved, IO:
		return target == ledger.ErrUnavailable
	default:
		return false
	}
}

// explain wraps a failure of SQLite or of the operating system in an *Error. It
// returns any other error, such as ledger.ErrNotFound, unchanged.
func explain(doing, path string, err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	var e *driver.Error
	var errno syscall.Errno
	if !errors.As(err, &e) && !errors.As(err, &errno) && !errors.Is(err, errMoved) {
		return err
	}
	return &Error{Doing: doing, Path: path, Kind: kindOf(err), Err: err}
}

// kindOf says what a failure means.
func kindOf(err error) Kind {
	var e *driver.Error
	switch {
	case errors.As(err, &e):
		return kindOfCode(e.Code())
	case errors.Is(err, errMoved):
		return Moved
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
		if code == codes.SQLITE_IOERR_SHMSIZE { // no space for the shared memory file
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
