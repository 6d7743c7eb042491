package realserver

import (
	"fmt"
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
