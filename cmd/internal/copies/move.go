package copies

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// Present returns those of an account's copies whose files are there.
func Present(dir string, all []ledger.Copy, account int64) (list []ledger.Copy) {
	for _, c := range all {
		if c.Account != account {
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

// Move moves copies from their folder to another one. After an error those that
// were not moved are where they were.
func Move(dir, to string, list []ledger.Copy) error {
	if err := os.MkdirAll(to, 0o700); err != nil {
		return fmt.Errorf("moving retained copies: %w", err)
	}
	for _, c := range list {
		if err := os.Rename(filepath.Join(dir, c.File), filepath.Join(to, c.File)); err != nil {
			return fmt.Errorf("moving retained copies: %w", err)
		}
	}
	return nil
}
