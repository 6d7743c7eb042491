package trust

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Writable makes sure that the user can make files in a folder, which need not exist
// yet: it makes one and removes it again. Otherwise the error is an *Error.
func (g *Guard) Writable(dir string) error {
	there := dir
	var info fs.FileInfo
	for {
		var err error
		if info, err = os.Stat(there); err == nil || !errors.Is(err, fs.ErrNotExist) || there == filepath.Dir(there) {
			break
		}
		there = filepath.Dir(there)
	}
	f, err := os.CreateTemp(there, ".popferry-*")
	if err == nil {
		return errors.Join(f.Close(), os.Remove(f.Name()))
	}
	return g.unwritable(dir, there, info, err)
}

// unwritable is the error about a folder in which, or in the folder there above it, no
// file can be made.
func (g *Guard) unwritable(dir, there string, info fs.FileInfo, err error) *Error {
	reason := err
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		reason = e.Err
	}
	e := &Error{Path: dir, Culprit: there, Text: fmt.Sprintf("no file can be written there: %v", reason), Remedy: "choose another folder, or correct this one"}
	if there != dir {
		e.Text = fmt.Sprintf("it does not exist, and cannot be made in %s: %v", there, reason)
	}
	if errors.Is(err, syscall.EROFS) {
		e.Remedy = "mount it so that it can be written to"
		return e
	}
	if info == nil || g.everybody || !errors.Is(err, fs.ErrPermission) {
		return e
	}
	uid, gid, ok := Owner(info)
	if !ok {
		return e
	}
	if uid == g.user {
		if uid != 0 && info.Mode().Perm()&0o300 != 0o300 {
			e.Remedy = "run chmod u+rwx " + quote(there)
		}
		return e
	}
	e.Text += fmt.Sprintf(". It belongs to %s (mode %04o), and %s runs popferry", userName(uid), info.Mode().Perm(), userName(g.user))
	e.Remedy = g.takeOver(there, uid, gid)
	return e
}
