package maildir

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"runtime"
	"syscall"
	"time"
)

// disk is what Store asks of the file system. Tests let each step fail.
type disk interface {
	// Mkdir makes a folder for its owner only.
	Mkdir(path string) error
	// Create makes a file for its owner only, and replaces one that an earlier
	// process has left.
	Create(path string) (file, error)
	Rename(from, to string) error
	// Remove removes a file, if it is there.
	Remove(path string)
	// GiveFolder makes a new folder one of the owner of the folder around it, if
	// popferry runs as root.
	GiveFolder(path, around string) error
	// SyncFolder puts a folder's entries on disk. It succeeds where the file system
	// does not support that.
	SyncFolder(path string) error
}

// file is a file to write. Sync puts it on disk.
type file interface {
	io.WriteCloser
	Sync() error
	// SetDate sets the time that readers take for that of the message's reception.
	SetDate(time.Time) error
	// Give makes the file one of the owner of a folder, if it is not. It fails if the
	// owner could not read it.
	Give(folder string) error
}

// diskFile is a file of the operating system's disk.
type diskFile struct{ *os.File }

func (f diskFile) SetDate(date time.Time) error { return os.Chtimes(f.Name(), time.Time{}, date) }

// system is the operating system's disk.
type system struct{}

func (system) Mkdir(path string) error { return os.Mkdir(path, 0o700) }

func (system) Rename(from, to string) error { return os.Rename(from, to) }

func (system) Remove(path string) { _ = os.Remove(path) }

func (system) GiveFolder(path, around string) error {
	return giveFolder(around, func(uid, gid int) error { return os.Lchown(path, uid, gid) })
}

func (system) Create(path string) (file, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (system) SyncFolder(path string) error {
	if runtime.GOOS == "windows" { // does not support it
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	err = f.Sync()
	// Some file systems (FUSE, SMB) do not support it either. Any other error means
	// that the entry may be lost at a power failure.
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EINVAL) {
		return nil
	}
	return err
}

// source reads a message until ctx is done. It keeps its error, so that it can be
// told from the disk's.
type source struct {
	ctx context.Context
	r   io.Reader
	err error
}

func (s *source) Read(p []byte) (int, error) {
	if s.ctx.Err() != nil {
		s.err = context.Cause(s.ctx)
		return 0, s.err
	}
	n, err := s.r.Read(p)
	if err != nil && err != io.EOF {
		s.err = err
	}
	return n, err
}

// hash identifies a message's octets.
type hash [sha256.Size]byte

// hashFile is the hash of a whole file.
func hashFile(path string) (hash, error) {
	f, err := os.Open(path)
	if err != nil {
		return hash{}, &Error{Doing: "opening", Path: path, Err: err}
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return hash{}, &Error{Doing: "reading", Path: path, Err: err}
	}
	return hash(h.Sum(nil)), nil
}
