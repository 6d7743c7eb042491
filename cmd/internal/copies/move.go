package copies

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Present returns those of an account's copies whose files are there. A name that
// leads out of the folder is nobody's: popferry writes none.
func Present(dir string, all []ledger.Copy, account int64) (list []ledger.Copy) {
	for _, c := range all {
		if c.Account != account || filepath.Base(c.File) != c.File {
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

// Move moves copies from their folder to another one. Those that cannot be moved
// stay where they are.
func Move(dir, to string, list []ledger.Copy) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return err
	}
	var errs []error
	for _, c := range list {
		errs = append(errs, os.Rename(filepath.Join(dir, c.File), filepath.Join(to, c.File)))
	}
	return errors.Join(errs...)
}
