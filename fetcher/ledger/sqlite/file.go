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

// lockRetry is how often the lock for opening is asked for while another
// process has it.
const lockRetry = 5 * time.Millisecond

// locate returns the path of the database without symbolic links, so that all
// processes find the same lock files beside it. Where create is false and the
// file is not there, that is ledger.ErrMissing; else its folder is made.
func locate(path string, create bool) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	real, err := filepath.EvalSymlinks(path)
	switch {
	case err == nil:
	case !errors.Is(err, fs.ErrNotExist):
		return "", err
	case !create:
		return "", missing(path)
	default:
		if real, err = makeFolder(path); err != nil {
			return "", err
		}
	}
	name, err := networkFS(filepath.Dir(real))
	if err != nil {
		return "", err
	}
	if name != "" {
		return "", fmt.Errorf("%s is on %s: %w, where locks and syncs cannot be trusted; set `state` to a path on a local disk", real, name, ledger.ErrNetworkFS)
	}
	return real, nil
}

// missing is the error for a ledger that is not there, or was never filled.
func missing(path string) error {
	return fmt.Errorf("%s: %w", path, ledger.ErrMissing) // what to do is in the catalogue of causes
}

// makeFolder makes the folder for a database and returns the database's path
// without symbolic links.
func makeFolder(path string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path))
	return filepath.Join(dir, filepath.Base(path)), err
}

// locksDir is the folder of the lock files.
func locksDir(path string) string { return path + ".locks" }

// lockOpening keeps other processes from opening the database until unlock:
// making it, migrating it and switching it to WAL is one step to all others.
func lockOpening(ctx context.Context, path string) (unlock func(), err error) {
	if err := os.Mkdir(locksDir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	lock := newLock(path, "open")
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return nil, err
	}
	return func() { _ = lock.Unlock() }, nil
}

// newLock is a lock file of the database. It is opened for writing, though
// nothing is written: a read-only file system shows here, with its own error.
func newLock(path, name string) *flock.Flock {
	return flock.New(filepath.Join(locksDir(path), name), flock.SetFlag(os.O_CREATE|os.O_RDWR), flock.SetPermissions(0o600))
}

// createFile makes an empty file, for its owner only, if there is none. One
// that is there is not even opened: to close it again would drop the locks
// that SQLite may hold on it in this process (POSIX record locks).
func createFile(path string) error {
	switch info, err := os.Stat(path); {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is no file; set `state` to the path of one", path)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// SQLite would drop a log that belongs to no database.
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("%s is gone, but its log %s-wal is still there and may hold the last entries; "+
			"bring the database back beside it, or move the log away", path, path)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return syncFolder(filepath.Dir(path))
}

// syncFolder puts a new file's entry in its folder on disk.
func syncFolder(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
