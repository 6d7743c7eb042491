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

// missing is the error for a ledger that does not exist or has no tables. The
// catalogue of causes says what to do.
func missing(path string) error {
	return fmt.Errorf("%s: %w", path, ledger.ErrMissing)
}

// locksDir is the folder of the lock files.
func locksDir(path string) string { return path + ".locks" }

// lockOpening keeps other processes from opening the database until unlock.
// For them, creating it, migrating it and switching it to WAL is one step.
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

// createFile makes an empty file that only its owner can read, unless the file
// exists. It does not even open one that exists: closing it would drop the
// locks that SQLite may hold on it in this process (POSIX record locks).
func createFile(path string) error {
	switch info, err := os.Stat(path); {
	case err == nil && !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a file; set `state` to the path of a file", path)
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// SQLite deletes a log that belongs to no database.
	if info, err := os.Stat(path + "-wal"); err == nil && info.Size() > 0 {
		return fmt.Errorf("%s is missing, but its log %s-wal exists and may hold the last entries; "+
			"restore the database beside it, or move the log away", path, path)
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
