package sqlite

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"

	"github.com/popferry/popferry/fetcher/ledger"
)

// lockRetry is the pause between two tries for the lock for opening, while
// another process has it.
const lockRetry = 5 * time.Millisecond

// locate returns the path of the database without symbolic links, so that all
// processes find the same lock files beside it. If the file does not exist,
// locate makes its folder, or returns ledger.ErrMissing unless create.
func locate(path string, create bool) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	resolved, err := filepath.EvalSymlinks(path)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	case !create:
		return "", missing(path)
	default:
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return "", err
		}
		dir, err := filepath.EvalSymlinks(filepath.Dir(path))
		if err != nil {
			return "", err
		}
		resolved = filepath.Join(dir, filepath.Base(path))
	}
	name, err := networkFS(filepath.Dir(resolved))
	if err != nil {
		return "", err
	}
	if name != "" {
		return "", fmt.Errorf("%s is on %s: %w, where locks and syncs cannot be trusted; set `state` to a path on a local disk", resolved, name, ledger.ErrNetworkFS)
	}
	return resolved, nil
}

// missing is the error for a ledger that does not exist. The catalogue of causes
// says what to do.
func missing(path string) error {
	return fmt.Errorf("%s: %w", path, ledger.ErrMissing)
}

// locksDir is the folder of the lock files.
func locksDir(path string) string { return path + ".locks" }

// lockOpening keeps other processes from opening the database until unlock.
// For them, creating it, migrating it and switching it to WAL is one step.
func lockOpening(ctx context.Context, path string) (unlock func(), err error) {
	if err := makeLocksDir(path); err != nil {
		return nil, err
	}
	lock := newLock(path, "open")
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return nil, err
	}
	return func() { _ = lock.Unlock() }, nil
}

// makeLocksDir makes the folder of the lock files unless it is there.
func makeLocksDir(path string) error {
	if err := os.Mkdir(locksDir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return nil
}

// newLock is a lock file of the database. It is opened for writing, though
// nothing is written: a read-only file system shows here, with its own error.
func newLock(path, name string) *flock.Flock { return lockFile(path, name, 0) }

// freshLock is a lock file that must not exist yet: nobody can have held it.
func freshLock(path, name string) *flock.Flock { return lockFile(path, name, os.O_EXCL) }

func lockFile(path, name string, flags int) *flock.Flock {
	return flock.New(filepath.Join(locksDir(path), name), flock.SetFlag(os.O_CREATE|os.O_RDWR|flags), flock.SetPermissions(0o600))
}

// exists reports whether the database exists, and is a file with something in it.
// It does not open the file: closing it would drop the locks that SQLite may hold
// on it in this process (POSIX record locks).
func exists(path string) (bool, error) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case !info.Mode().IsRegular():
		return false, fmt.Errorf("%s is not a file; set `state` to the path of a file", path)
	case info.Size() == 0:
		return false, empty(path)
	}
	return true, nil
}

// empty is the error for a ledger with nothing in it.
func empty(path string) error {
	return fmt.Errorf("%s: %w", path, ledger.ErrEmpty)
}

// build makes a new ledger, complete and on disk before it has its name: whatever
// ends popferry meanwhile, there is a ledger at the path or none. The caller has
// the lock for opening.
func build(ctx context.Context, path string) (err error) {
	if err := clearWay(path); err != nil {
		return err
	}
	unfinished := filepath.Join(locksDir(path), "new")
	remove := func() { // also what a crash has left
		_, _ = os.Remove(unfinished), os.Remove(unfinished+"-journal")
	}
	remove()
	defer remove()
	f, err := os.OpenFile(unfinished, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) // SQLite would let others read it
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	if err := writeTables(ctx, unfinished); err != nil {
		return err
	}
	if err := os.Rename(unfinished, path); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// writeTables makes the tables of the newest schema in an empty file.
func writeTables(ctx context.Context, path string) error {
	db, err := connect(path, "rw", defaultBusy, writing...)
	if err != nil {
		return err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	c := newWriteConn(conn)
	steps, err := migrations()
	if err == nil {
		err = migrate(c, path, steps, true)
	}
	return errors.Join(err, c.close(), db.Close())
}

// clearWay removes what SQLite would take for the log of a new database, or
// refuses if that may hold entries: SQLite deletes a log that belongs to no
// database.
func clearWay(path string) error {
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("%w: %s-wal", ledger.ErrLogLeft, path)
	}
	for _, name := range []string{path + "-wal", path + "-shm"} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// files are the database and its log as they were opened. A file that is removed
// or replaced stays open without a name: what is written there is lost when the
// process ends.
type files struct{ database, log os.FileInfo }

// statFiles looks at the files of a database that is open.
func statFiles(path string) (f files, err error) {
	if f.database, err = os.Stat(path); err != nil {
		return f, err
	}
	f.log, err = os.Stat(path + "-wal")
	return f, err
}

// verify returns errMoved unless the path still names the database.
func (f files) verify(path string) error {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: no such file", errMoved)
	case err != nil:
		return err
	case !os.SameFile(info, f.database):
		return errMoved
	}
	return nil
}

// setLogAside renames the log of a database that was replaced, once all of it is in
// that database. SQLite would take it for the log of the file that is there now,
// and so mix the two. It is kept: where that file is a copy without its log, this is
// the rest of it.
func (f files) setLogAside(path string) error {
	other, err := os.Stat(path)
	if err != nil || os.SameFile(other, f.database) {
		return nil //nolint:nilerr // SQLite has done what there is to do, or the log may be all that is left
	}
	if now, err := os.Stat(path + "-wal"); err != nil || !os.SameFile(now, f.log) {
		return nil //nolint:nilerr // without a log there is nothing to mix
	}
	return errors.Join(os.Rename(path+"-wal", path+"-wal.replaced"), os.Remove(path+"-shm"))
}

// syncFolder puts a new file's entry in its folder on disk. An error is
// returned, not ignored: without the entry a power failure could take the whole
// ledger, and the next run would forward everything again. As this runs only
// when a ledger is made, a file system that cannot do it is found before any
// message depends on it.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
