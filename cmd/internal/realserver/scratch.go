package realserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// mailID is the user and group id that owns mailboxes when the tests run as root:
// Debian's nobody. Dovecot does not serve root's mail.
const mailID = 65534

// owner returns the user and group id of the mailboxes.
func owner() (uid, gid int) {
	if os.Getuid() == 0 {
		return mailID, mailID
	}
	return os.Getuid(), os.Getgid()
}

// scratch is the folder of a server. Unlike testing.TB.TempDir its path is short
// enough for a unix socket (108 octets, with what the servers append), and its
// users may enter it.
type scratch struct {
	tb  testing.TB
	dir string
}

func newScratch(tb testing.TB) scratch {
	tb.Helper()
	parent := os.TempDir()
	if len(parent) > 40 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "popferry-")
	check(tb, err)
	check(tb, os.Chmod(dir, 0o755))
	tb.Cleanup(func() { check(tb, os.RemoveAll(dir)) })
	return scratch{tb, dir}
}

func (s scratch) path(name string) string { return filepath.Join(s.dir, name) }

// write writes a file with an earlier time: Postfix waits before it reads a file
// that has just changed, because someone may still be editing it.
func (s scratch) write(name, text string) {
	s.tb.Helper()
	check(s.tb, os.WriteFile(s.path(name), []byte(text), 0o644))
	earlier := time.Now().Add(-time.Hour)
	check(s.tb, os.Chtimes(s.path(name), earlier, earlier))
}

// mkdir creates a folder owned by uid and gid.
func (s scratch) mkdir(name string, mode os.FileMode, uid, gid int) {
	s.tb.Helper()
	check(s.tb, os.MkdirAll(s.path(name), mode))
	check(s.tb, os.Chmod(s.path(name), mode)) // regardless of the umask
	check(s.tb, os.Chown(s.path(name), uid, gid))
}

// waitEmpty waits until there are no files below these folders. It returns an error
// at the end of ctx.
func (s scratch) waitEmpty(ctx context.Context, folders ...string) error {
	s.tb.Helper()
	const enough = 3 // times: a file that is moved while they are read can be missed once
	for empty := 0; empty < enough; {
		left := ""
		for _, folder := range folders {
			left = cmp.Or(left, s.anyFile(folder))
		}
		if left != "" {
			empty = 0
		} else {
			empty++
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("mail is left in the queue, such as %s: %w", left, ctx.Err())
		case <-time.After(tick):
		}
	}
	return nil
}

// anyFile returns the path of a file below a folder, or "" if there is none.
func (s scratch) anyFile(folder string) (found string) {
	s.tb.Helper()
	err := filepath.WalkDir(s.path(folder), func(path string, entry fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil // it has just been moved
		case err != nil || entry.IsDir():
			return err
		}
		found = path
		return fs.SkipAll
	})
	check(s.tb, err)
	return found
}

// loopback returns a random one of the sixteen million loopback addresses (RFC 1122
// 3.2.1.3), so that every server can use the same ports.
func loopback() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
