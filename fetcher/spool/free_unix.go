//go:build linux || darwin

package spool

import "golang.org/x/sys/unix"

// freeOctets is the room that a user has on the file system of a folder. ok is false
// where that is not known: some file systems do not say.
func freeOctets(dir string) (free int64, ok bool) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil || st.Blocks == 0 {
		return 0, false
	}
	return int64(st.Bavail) * int64(st.Bsize), true //nolint:unconvert // their types differ between systems
}
