package maildir

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Box is one Maildir. It may be used from several goroutines.
type Box struct {
	dir   string
	disk  disk
	busy  chan struct{} // full while a message is being stored
	shelf shelf         // under busy
	// given: what is stored belongs to the owner of the folder that it is put into.
	given bool
}

// New returns the Maildir in dir. It does no I/O.
func New(dir string) *Box {
	return newBox(dir, baseOf)
}

// newBox returns the Maildir in dir, where files have these keys.
func newBox(dir string, keyOf func(file string) string) *Box {
	return &Box{dir: dir, disk: system{}, busy: make(chan struct{}, 1), shelf: newShelf(dir, keyOf)}
}

// item is a message to be stored.
type item struct {
	key    string                  // identifies it; valid in a file's name
	name   func(key string) string // of its file
	date   time.Time               // of its file; zero: now
	octets io.Reader
}

// Store stores the octets of r and returns the file's path. Missing folders are
// made; they and the file are readable by their owner only.
//
// name identifies the message and may have any octets. If a file of that name
// with the same octets is in new/ or cur/, the message counts as stored. One with
// other octets stays, and the message gets a numbered name.
//
// Failures of the file system are *Error. Those of r are returned unchanged, and
// so is the cause of ctx, which counts until the message is written. After an
// error the message may be there nevertheless; storing it again is safe.
func (b *Box) Store(ctx context.Context, name string, r io.Reader) (path string, err error) {
	if err := b.enter(ctx); err != nil {
		return "", err
	}
	defer b.leave()
	if err := b.folders(); err != nil {
		return "", err
	}
	same := func(key string) string { return key }
	return b.put(ctx, item{key: fileName(name), name: same, octets: r})
}

// enter waits until no other message is being stored: then a file in tmp/ is left
// over and may be replaced, and a name that was free is still free at the rename.
func (b *Box) enter(ctx context.Context) error {
	select {
	case b.busy <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (b *Box) leave() { <-b.busy }

// put stores a message in folders that are there, and returns its path.
func (b *Box) put(ctx context.Context, it item) (path string, err error) {
	tmp := filepath.Join(b.dir, "tmp", it.key)
	defer b.disk.Remove(tmp) // moved already if all is well
	sum, err := b.write(ctx, tmp, it)
	if err != nil {
		return "", err
	}
	if path, err = b.publish(tmp, it, sum); err != nil {
		return "", err
	}
	// Also if it was there already: an earlier process may have ended here.
	for _, folder := range []string{filepath.Dir(path), filepath.Dir(tmp)} {
		if err := b.disk.SyncFolder(folder); err != nil {
			return "", &Error{Doing: "syncing the folder", Path: folder, Err: err, Placed: true}
		}
	}
	return path, nil
}

// ready reports whether all folders of the Maildir are there. nil: they are. As root,
// popferry follows no links that the Maildir's owner may have made.
func (b *Box) ready(subfolder bool) *Error {
	parts, stat, root := folders(), os.Stat, os.Geteuid() == 0
	if root {
		stat = os.Lstat
	}
	if root && subfolder {
		parts = append(parts, ".")
	}
	for _, part := range parts {
		path := filepath.Join(b.dir, part)
		info, err := stat(path)
		switch {
		case err != nil:
			return &Error{Doing: "looking for", Path: path, Err: err}
		case info.Mode()&os.ModeSymlink != 0:
			return &Error{Doing: "using", Path: path, Err: errors.New("it is a symbolic link"),
				Remedy: "as root, popferry follows none in a Maildir: run popferry as the owner of the Maildir, or put a folder there"}
		case !info.IsDir():
			return &Error{Doing: "using", Path: path, Err: syscall.ENOTDIR}
		}
	}
	return nil
}

// folders are those that make a Maildir.
func folders() []string { return []string{"tmp", "new", "cur"} }

// folders makes the Maildir's folders that are missing.
func (b *Box) folders() error {
	for _, name := range folders() {
		if err := b.folder(filepath.Join(b.dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// folder makes a folder and its parents, if they are missing.
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
	case errors.Is(err, os.ErrExist): // if it is a file, the next step says so
		return nil
	case err != nil:
		return &Error{Doing: "creating the folder", Path: path, Err: err}
	}
	if b.given {
		if err := b.disk.GiveFolder(path, parent); err != nil {
			return &Error{Doing: "changing the owner of", Path: path, Err: err}
		}
	}
	if err := b.disk.SyncFolder(parent); err != nil {
		return &Error{Doing: "syncing the folder", Path: parent, Err: err}
	}
	return nil
}

// write writes a message to a new file, with fsync, and returns its hash.
func (b *Box) write(ctx context.Context, path string, it item) (sum hash, err error) {
	f, err := b.disk.Create(path)
	if err != nil {
		return sum, &Error{Doing: "creating", Path: path, Err: err}
	}
	src, h := &source{ctx: ctx, r: it.octets}, sha256.New()
	if b.given {
		err = f.Give(filepath.Join(b.dir, "new"))
	}
	if err == nil {
		_, err = io.Copy(io.MultiWriter(f, h), src)
	}
	if err == nil {
		if !it.date.IsZero() {
			_ = f.SetDate(it.date) // a file system without dates still keeps the mail
		}
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

// try writes a file to tmp/ and removes it.
func (b *Box) try(ctx context.Context) error {
	if err := b.enter(ctx); err != nil {
		return err
	}
	defer b.leave()
	path := filepath.Join(b.dir, "tmp", "check.popferry")
	defer b.disk.Remove(path)
	_, err := b.write(ctx, path, item{octets: strings.NewReader("popferry check\r\n")})
	return err
}

// publish moves a message from tmp/ to new/, unless it is there or in cur/
// already.
func (b *Box) publish(tmp string, it item, sum hash) (path string, err error) {
	for n := 1; ; n++ {
		key := numbered(it.key, n)
		found, other, err := b.look(key)
		switch {
		case err != nil:
			return "", err
		case found == "":
			return b.move(tmp, key, it.name(key))
		case other == sum:
			return found, nil
		}
	}
}

// move gives the file at tmp its name in new/.
func (b *Box) move(tmp, key, name string) (path string, err error) {
	path = filepath.Join(b.dir, "new", name)
	if err := b.disk.Rename(tmp, path); err != nil {
		_, gone := os.Lstat(path) // on a network file system it may have been moved all the same
		return "", &Error{Doing: "moving a message to", Path: path, Err: err, Placed: !errors.Is(gone, os.ErrNotExist)}
	}
	b.shelf.added(key, name)
	return path, nil
}

// look returns the path and the hash of the message with a key; the path is "" if
// there is none.
func (b *Box) look(key string) (path string, sum hash, err error) {
	const tries = 3
	for range tries {
		if path, err = b.shelf.find(key); err != nil || path == "" {
			return "", hash{}, err
		}
		if sum, err = hashFile(path); !errors.Is(err, os.ErrNotExist) {
			return path, sum, err
		}
		b.shelf.forget() // a reader has moved or removed it
	}
	return "", hash{}, err
}
