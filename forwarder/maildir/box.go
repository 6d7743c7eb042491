package maildir

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
)

// Box is one Maildir. It may be used from several goroutines.
type Box struct {
	dir  string
	disk disk
	turn chan struct{} // full while a Store is at work
}

// New returns the Maildir in dir. It does no I/O.
func New(dir string) *Box {
	return &Box{dir: dir, disk: system{}, turn: make(chan struct{}, 1)}
}

// Store keeps what r gives and returns the file's path. The folders are made
// if they are missing; they and the file are for their owner only.
//
// name has to be the same whenever the same message is stored, and another one
// for any other; it may have any octets. If a file of that name with the same
// octets is in new/ or cur/, it counts as stored. One with other octets stays,
// and the message gets a name beside it.
//
// Failures of the file system are *Error. Those of r and of ctx, which is
// looked at until the message is written, are returned as what they are. After
// an error the message may be there all the same; storing it again is safe.
func (b *Box) Store(ctx context.Context, name string, r io.Reader) (path string, err error) {
	// One at a time: then a file in tmp/ is free for the next try, and nobody
	// takes a name between the look whether it is free and the rename.
	select {
	case b.turn <- struct{}{}:
		defer func() { <-b.turn }()
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	if err := b.folders(); err != nil {
		return "", err
	}
	base := fileName(name)
	tmp := filepath.Join(b.dir, "tmp", base)
	defer os.Remove(tmp) // gone already if all is well
	sum, err := b.write(ctx, tmp, r)
	if err != nil {
		return "", err
	}
	if path, err = b.publish(tmp, base, sum); err != nil {
		return "", err
	}
	// Also if it was there already: the process before may have ended here.
	if err := errors.Join(b.sync(filepath.Dir(path)), b.sync(filepath.Dir(tmp))); err != nil {
		return "", err
	}
	return path, nil
}

// folders makes what is missing of the Maildir.
func (b *Box) folders() error {
	for _, name := range []string{"tmp", "new", "cur"} {
		if err := b.folder(filepath.Join(b.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// folder makes a folder, and those above it, if it is missing.
func (b *Box) folder(path string) error {
	parent := filepath.Dir(path)
	err := b.disk.Mkdir(path)
	if errors.Is(err, os.ErrNotExist) && parent != path {
		if err := b.folder(parent); err != nil {
			return err
		}
		err = b.disk.Mkdir(path)
	}
	switch {
	case errors.Is(err, os.ErrExist): // if it is no folder, the next step says so
		return nil
	case err != nil:
		return &Error{Doing: "making the folder", Path: path, Err: err}
	}
	return b.sync(parent)
}

// write puts a message into a new file, on disk, and returns its hash.
func (b *Box) write(ctx context.Context, path string, r io.Reader) (sum hash, err error) {
	f, err := b.disk.Create(path)
	if err != nil {
		return sum, &Error{Doing: "making", Path: path, Err: err}
	}
	src, h := &source{ctx: ctx, r: r}, sha256.New()
	_, err = io.Copy(io.MultiWriter(f, h), src)
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	switch {
	case src.err != nil:
		return sum, src.err
	case err != nil:
		return sum, &Error{Doing: "writing", Path: path, Err: err}
	}
	return hash(h.Sum(nil)), nil
}

// publish moves a message that is on disk to new/, unless it is there or in
// cur/ already.
func (b *Box) publish(tmp, base string, sum hash) (path string, err error) {
	for n := 1; ; n++ {
		name := numbered(base, n)
		found, err := b.find(name)
		if err != nil {
			return "", err
		}
		if found == "" {
			path = filepath.Join(b.dir, "new", name)
			if err := b.disk.Rename(tmp, path); err != nil {
				return "", &Error{Doing: "moving a message to", Path: path, Err: err}
			}
			return path, nil
		}
		if is, err := hashFile(found); err != nil || is == sum {
			return found, err
		}
	}
}

// find returns the path of a message by its name, "" if there is none.
func (b *Box) find(name string) (string, error) {
	path := filepath.Join(b.dir, "new", name)
	switch _, err := os.Lstat(path); {
	case err == nil:
		return path, nil
	case !errors.Is(err, os.ErrNotExist):
		return "", &Error{Doing: "looking for", Path: path, Err: err}
	}
	// Only then in cur/, for messages move from new/ to there.
	cur := filepath.Join(b.dir, "cur")
	seen, err := withFlags(cur, name)
	if err != nil {
		return "", &Error{Doing: "looking into", Path: cur, Err: err}
	}
	if seen == "" {
		return "", nil
	}
	return filepath.Join(cur, seen), nil
}

// sync puts a folder's entries on disk.
func (b *Box) sync(folder string) error {
	if err := b.disk.SyncFolder(folder); err != nil {
		return &Error{Doing: "putting on disk the folder", Path: folder, Err: err}
	}
	return nil
}
