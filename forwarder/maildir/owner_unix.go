//go:build unix

package maildir

import (
	"os"
	"syscall"
)

// Give implements file. Only root can give files away. Anyone else may let a group
// read them that the folder is open to.
func (f diskFile) Give(folder string) error {
	like, err := os.Stat(folder)
	if err != nil {
		return err
	}
	mine, err := f.Stat()
	if err != nil {
		return err
	}
	const group = 0o070
	from, to := ownerOf(mine), ownerOf(like)
	switch {
	case from == to:
		return nil
	case os.Geteuid() == 0:
		return f.Chown(to.uid, to.gid)
	case from.uid == to.uid:
		return nil
	case like.Mode().Perm()&group != group:
		return &ownerError{to.uid}
	case from.gid != to.gid:
		if err := f.Chown(-1, to.gid); err != nil {
			return &ownerError{to.uid}
		}
	}
	return f.Chmod(0o660)
}

// giveFolder has a new folder given to the owner of the folder around it, if popferry
// runs as root.
func giveFolder(around string, give func(uid, gid int) error) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(around)
	if err != nil {
		return err
	}
	to := ownerOf(info)
	return give(to.uid, to.gid)
}

type owner struct{ uid, gid int }

func ownerOf(info os.FileInfo) owner {
	s, ok := info.Sys().(*syscall.Stat_t)
	if !ok { // cannot be, on Unix
		return owner{}
	}
	return owner{int(s.Uid), int(s.Gid)}
}
