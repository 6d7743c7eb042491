package trust

import (
	"fmt"
	"io/fs"
	"os"
)

// file judges a file, or a folder that belongs to a ledger.
func (g *Guard) file(path string, info fs.FileInfo, ledger bool) *Error {
	uid, gid, ok := Owner(info)
	if !ok {
		return nil
	}
	if !g.owner(uid, ledger) {
		return g.foreign(path, path, uid, gid)
	}
	if info.Mode()&(fs.ModeCharDevice|fs.ModeSymlink) != 0 {
		return nil // a terminal, or a link, whose mode means nothing
	}
	if who := g.writers(info, uid, gid); who.text != "" {
		return g.writable(path, path, who, info.Mode())
	}
	return nil
}

// folders judges the way to a file, from the top.
func (g *Guard) folders(path string, w way, ledger bool) *Error {
	for i, s := range w.steps {
		uid, gid, ok := Owner(s.info)
		if !ok {
			continue
		}
		above := i < len(w.steps)-1
		if !g.owner(uid, ledger) && !(above && uid == g.hidden) {
			return g.foreign(path, s.path, uid, gid)
		}
		if who := g.writers(s.info, uid, gid); s.info.IsDir() && who.text != "" {
			return g.writable(path, s.path, who, s.info.Mode())
		}
	}
	return nil
}

// shared judges the folder of a ledger, where the sticky bit is of no help: whoever
// can make files there can make what SQLite takes for the ledger's own, at the moment
// at which it looks.
func (g *Guard) shared(path, dir string) *Error {
	info, err := os.Stat(dir)
	if err != nil {
		return nil //nolint:nilerr // it is to be made, or the ledger cannot be opened either
	}
	uid, gid, ok := Owner(info)
	if !ok {
		return nil
	}
	if who := g.permitted(info, uid, gid); who.text != "" {
		return &Error{
			Path:    path,
			Culprit: dir,
			Text:    fmt.Sprintf("%s put files beside it in %s (mode %s), and SQLite would take some for the ledger's own", who.text, dir, octalMode(info.Mode())),
			Remedy:  "if nobody has done so, move it to a folder of its own that only popferry's user can write to, and change `state`",
		}
	}
	return nil
}

// owner reports whether files of a user are trusted.
func (g *Guard) owner(uid int, ledger bool) bool {
	return uid == 0 || uid == g.user || ledger && g.user == 0 && isService(uid)
}

// class is a class of users, in words and as chmod has it.
type class struct{ text, letter string }

// writers are those who can write to a file or folder though they are not trusted;
// zero if there are none.
func (g *Guard) writers(info fs.FileInfo, uid, gid int) class {
	if info.IsDir() && info.Mode()&fs.ModeSticky != 0 {
		return class{}
	}
	return g.permitted(info, uid, gid)
}

// permitted is writers without regard to the sticky bit.
func (g *Guard) permitted(info fs.FileInfo, uid, gid int) class {
	mode := info.Mode()
	group, others := mode.Perm()&0o020 != 0, mode.Perm()&0o002 != 0
	if g.container && info.IsDir() && uid == 0 {
		others = false
	}
	if g.container || g.ownGroup(gid, uid) {
		group = false
	}
	switch {
	case group && others:
		return class{"other users can", "go"}
	case others:
		return class{"other users can", "o"}
	case group:
		return class{"the group " + groupName(gid) + " can", "g"}
	}
	return class{}
}

// ownGroup reports whether a group has nobody in it but the owner of the file, the
// user, or root.
func (g *Guard) ownGroup(gid, owner int) bool {
	for _, uid := range []int{owner, g.user, 0} {
		if isOwnGroup(gid, uid) {
			return true
		}
	}
	return false
}

// octalMode is a mode as chmod has it, with the sticky bit.
func octalMode(mode fs.FileMode) string {
	bits := uint32(mode.Perm())
	if mode&fs.ModeSticky != 0 {
		bits |= 0o1000
	}
	return fmt.Sprintf("%04o", bits)
}
