//go:build unix

package trust

import (
	"io/fs"
	"syscall"
)

// Owner returns the numbers of a file's owner and group, if it has them.
func Owner(info fs.FileInfo) (uid, gid int, ok bool) {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, 0, false
	}
	return int(s.Uid), int(s.Gid), true
}
