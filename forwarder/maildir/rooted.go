package maildir

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// rooted is the operating system's disk for root, who puts mail into somebody else's
// Maildir. Its owner can replace folders by links at any time, also between
// a look and the step after it, and would be given a file in any folder of the
// machine. So what is made or moved within the Maildir never leaves it (os.Root).
type rooted struct {
	system
	dir string // the Maildir
}

// within does a step on a path within the Maildir: by its name there.
func (r rooted) within(path string, do func(root *os.Root, name string) error) error {
	name, err := filepath.Rel(r.dir, path)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return err
	}
	defer root.Close()
	return do(root, name)
}

// above reports whether a path is the Maildir or a folder around it.
func (r rooted) above(path string) bool {
	name, err := filepath.Rel(path, r.dir)
	return err == nil && name != ".." && !strings.HasPrefix(name, ".."+string(filepath.Separator))
}

func (r rooted) Mkdir(path string) error {
	if r.above(path) {
		return r.system.Mkdir(path)
	}
	return r.within(path, func(root *os.Root, name string) error { return root.Mkdir(name, 0o700) })
}

func (r rooted) Create(path string) (f file, err error) {
	err = r.within(path, func(root *os.Root, name string) error {
		if err := root.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		created, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		f = rootedFile{diskFile{created}, r, path}
		return err
	})
	return f, err
}

// rootedFile is a file of such a disk.
type rootedFile struct {
	diskFile
	r    rooted
	path string
}

// SetDate sets the date of what is at the file's path, which may be another file by
// now.
func (f rootedFile) SetDate(date time.Time) error {
	return f.r.within(f.path, func(root *os.Root, name string) error { return root.Chtimes(name, time.Time{}, date) })
}

func (r rooted) Remove(path string) {
	_ = r.within(path, func(root *os.Root, name string) error { return root.Remove(name) })
}

func (r rooted) Rename(from, to string) error {
	target, err := filepath.Rel(r.dir, to)
	if err != nil {
		return err
	}
	return r.within(from, func(root *os.Root, name string) error { return root.Rename(name, target) })
}

func (r rooted) GiveFolder(path, around string) error {
	if r.above(path) {
		return r.system.GiveFolder(path, around)
	}
	return r.within(path, func(root *os.Root, name string) error {
		return giveFolder(around, func(uid, gid int) error { return root.Lchown(name, uid, gid) })
	})
}
