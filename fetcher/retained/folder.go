package retained

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/spool"
)

// Folder has the copies of one account in files. The folder is made when it is needed.
type Folder struct {
	Dir     string
	Account int64 // of the ledger
}

// Keep implements Copies: the file is on disk when it returns nil. If only the folder
// cannot be synced the file stays all the same, for the server may not give the message
// again.
func (f Folder) Keep(rec *ledger.Record, b *message.Body) (name, digest string, err error) {
	name, digest, err = f.write(rec, b)
	if err != nil {
		return "", "", &Error{keeping, f.Dir, err}
	}
	return name, digest, nil
}

func (f Folder) write(rec *ledger.Record, b *message.Body) (name, digest string, err error) {
	if err := os.MkdirAll(f.Dir, 0o700); err != nil {
		return "", "", err
	}
	file, err := os.CreateTemp(f.Dir, fmt.Sprintf("%d-*.tmp", f.Account))
	if err != nil {
		return "", "", err
	}
	defer func() {
		if err != nil {
			_ = file.Close()
			_ = os.Remove(file.Name())
		}
	}()
	sum := sha256.New()
	if _, err := b.WriteTo(io.MultiWriter(file, sum)); err != nil {
		return "", "", err
	}
	if err := file.Sync(); err != nil {
		return "", "", err
	}
	if err := file.Close(); err != nil {
		return "", "", err
	}
	digest = message.Digest(sum.Sum(nil))
	name = Name(Prefix(f.Account, rec.UID, rec.Generation), digest)
	if err := os.Rename(file.Name(), filepath.Join(f.Dir, name)); err != nil {
		return "", "", err
	}
	return name, digest, syncDir(f.Dir)
}

// syncDir makes a new name in a folder durable. File systems that cannot sync a
// folder refuse it as invalid, unsupported or, on Windows, denied, and do it by
// themselves; any other error means that the copy may be lost.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	if errors.Is(err, syscall.EINVAL) || errors.Is(err, errors.ErrUnsupported) || errors.Is(err, fs.ErrPermission) {
		err = nil
	}
	return errors.Join(err, d.Close())
}

// List implements Copies. Where there is no folder there are none.
func (f Folder) List(context.Context) ([]Copy, error) {
	paths, _ := filepath.Glob(filepath.Join(f.Dir, fmt.Sprintf("%d-*.eml", f.Account)))
	var list []Copy
	for _, path := range paths {
		if info, err := os.Lstat(path); err == nil { // else it has gone meanwhile
			list = append(list, Copy{filepath.Base(path), path, info.ModTime()})
		}
	}
	return list, nil
}

// Read implements Copies.
func (f Folder) Read(name string, item *spool.Item) (*message.Body, error) {
	file, err := f.Open(name)
	if err != nil {
		item.Release()
		return nil, err
	}
	defer file.Close()
	return read(file, item, name, f.Dir)
}

// Open opens the file of a copy. No name leads out of the folder. Errors are of type
// *Error.
func (f Folder) Open(name string) (*os.File, error) {
	err := ledger.CheckCopyName(name)
	if err == nil {
		var file *os.File
		if file, err = os.OpenInRoot(f.Dir, name); err == nil {
			return file, nil
		}
	}
	return nil, &Error{reading(name), f.Dir, err}
}

// Drop implements Copies.
func (f Folder) Drop(name string) {
	if ledger.CheckCopyName(name) != nil { // "", or a path
		return
	}
	if root, err := os.OpenRoot(f.Dir); err == nil {
		_, _ = root.Remove(name), root.Close()
	}
}
