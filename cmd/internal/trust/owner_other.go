//go:build !unix

package trust

import "io/fs"

// Owner: files have no numbers of an owner here.
func Owner(fs.FileInfo) (uid, gid int, ok bool) { return 0, 0, false }
