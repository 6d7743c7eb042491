package realserver

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// mailID is the user and group id that mailboxes belong to when the tests run
// as root: nobody's on Debian. Dovecot does not serve root's mail.
const mailID = 65534

// owner is the user and group id of the mailboxes.
func owner() (uid, gid int) {
	if os.Getuid() == 0 {
		return mailID, mailID
	}
	return os.Getuid(), os.Getgid()
}

// scratch is a server's folder, at a path that fits into the address of a
// unix socket (108 octets, with what the servers append) and that its users
// may enter, unlike testing.TB.TempDir.
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

// write writes a file and dates it back: Postfix waits with a file that was
// changed a moment ago, since somebody may still be editing it.
func (s scratch) write(name, text string) {
	s.tb.Helper()
	check(s.tb, os.WriteFile(s.path(name), []byte(text), 0o644))
	earlier := time.Now().Add(-time.Hour)
	check(s.tb, os.Chtimes(s.path(name), earlier, earlier))
}

// mkdir makes a folder that belongs to uid and gid.
func (s scratch) mkdir(name string, mode os.FileMode, uid, gid int) {
	s.tb.Helper()
	check(s.tb, os.MkdirAll(s.path(name), mode))
	check(s.tb, os.Chmod(s.path(name), mode)) // in spite of the umask
	check(s.tb, os.Chown(s.path(name), uid, gid))
}

// loopback picks one of the sixteen million addresses that are this machine
// (RFC 1122 3.2.1.3), so that every server can have the ports it likes.
func loopback() string {
	return fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}
