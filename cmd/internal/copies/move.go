package copies

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/retained"
)

// Open opens a copy by the name that the ledger has for it. Errors are of type
// *retained.Error.
func Open(dir, name string) (*os.File, error) { return retained.Folder{Dir: dir}.Open(name) }

// Present returns those of an account's copies whose files are there. A name that
// popferry does not write is nobody's.
func Present(dir string, all []ledger.Copy, account int64) (list []ledger.Copy) {
	for _, c := range all {
		if c.Account != account || ledger.CheckCopyName(c.File) != nil {
			continue
		}
		if _, err := os.Lstat(filepath.Join(dir, c.File)); err == nil {
			list = append(list, c)
		}
	}
	return list
}

// Aside is the folder for the copies of an account that is forgotten. It is below
// the folder with all copies, so that moving needs no room.
func Aside(dir, account string, now time.Time) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@-_.", r) {
			return r
		}
		return '_'
	}, account)
	return filepath.Join(dir, "forgotten", now.Format("20060102-150405")+"-"+name)
}

// Move moves copies from their folder to another one, which is below it. Those that
// cannot be moved stay where they are.
func Move(dir, to string, list []ledger.Copy) (err error) {
	below, err := filepath.Rel(dir, to)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := root.MkdirAll(below, 0o700); err != nil {
		return err
	}
	var errs []error
	for _, c := range list {
		err := ledger.CheckCopyName(c.File)
		if err == nil {
			err = root.Rename(c.File, filepath.Join(below, c.File))
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Save writes copies that a ledger keeps to files in a folder, which are on disk when it
// returns nil.
func Save(ctx context.Context, from ledger.Keeper, to string, list []ledger.Copy) error {
	return SaveBy(ctx, from.OpenCopy, to, list)
}

// Opener opens a copy of an account's message, by the name that the ledger has for it.
type Opener = func(ctx context.Context, account int64, name string) (io.WriterTo, error)

// SaveBy is Save for copies that may be files. Without any, no folder is made.
func SaveBy(ctx context.Context, open Opener, to string, list []ledger.Copy) (err error) {
	if len(list) == 0 {
		return nil
	}
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	for _, c := range list {
		err := ledger.CheckCopyName(c.File)
		if err == nil {
			err = save(ctx, open, root, c)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.File, err)
		}
	}
	return syncDir(root)
}

func save(ctx context.Context, open Opener, root *os.Root, c ledger.Copy) error {
	octets, err := open(ctx, c.Account, c.File)
	if err != nil {
		return err
	}
	if closer, ok := octets.(io.Closer); ok {
		defer closer.Close() // it was only read
	}
	f, err := root.OpenFile(c.File, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = octets.WriteTo(f)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDir has the names in a folder on disk. Windows cannot, and need not.
func syncDir(root *os.Root) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	dir, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
