package trust

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Guard knows who runs popferry, and so whom to trust.
type Guard struct {
	user      int  // a uid
	container bool // popferry runs in one
	image     bool // of popferry's own image
	pod       bool // of Kubernetes
	hidden    int  // the uid that stands for all users outside of a user namespace; -1: there is none
	everybody bool // is trusted
}

// Current is the guard for the user who runs this process.
func Current() *Guard {
	if os.Geteuid() < 0 { // Windows
		return Everybody()
	}
	return &Guard{user: os.Geteuid(), container: inContainer(), image: os.Getenv("container") == "oci", pod: os.Getenv("KUBERNETES_SERVICE_HOST") != "", hidden: hiddenUser()}
}

// As is the guard for another user, in a container or not.
func As(uid int, container bool) *Guard {
	return &Guard{user: uid, container: container, hidden: -1}
}

// Everybody trusts every file.
func Everybody() *Guard { return &Guard{everybody: true} }

// Open opens a file for reading. If the file or a folder on the way to it is not
// trusted the error is an *Error.
func (g *Guard) Open(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		err = g.judge(path, info)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// Root reports whether root runs popferry.
func (g *Guard) Root() bool { return !g.everybody && g.user == 0 }

// Check is Open for a file that is read later, or by somebody else: it only looks
// at the file. It need not exist yet.
func (g *Guard) Check(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		info = nil
	}
	return g.judge(path, info)
}

// judge looks at a file that is at a path, if there is one, and then at the way to it.
func (g *Guard) judge(path string, info fs.FileInfo) error {
	if g.everybody {
		return nil
	}
	if info != nil {
		if e := g.file(path, info, false); e != nil {
			return e
		}
	}
	way, err := follow(path)
	if err != nil {
		return err
	}
	if e := g.folders(path, way, false); e != nil {
		return e
	}
	return nil
}

// beside are the endings of the files and folders that belong to a ledger: SQLite's
// log, its index and its rollback journal, which it plays into the ledger, and
// popferry's locks and retained copies. The TLS sessions are not among them: who reads
// those looks at the file, and does without it.
var beside = []string{"-wal", "-shm", "-journal", ".locks", ".kept"}

// Ledger looks at a ledger, at what belongs to it, and at the way to it. Nothing of
// it need exist. If something is not trusted the error is an *Error.
func (g *Guard) Ledger(path string) error {
	if g.everybody {
		return nil
	}
	way, err := follow(path)
	if err != nil {
		return err
	}
	if e := g.folders(path, way, true); e != nil {
		return e
	}
	if e := g.shared(path, filepath.Dir(way.end)); e != nil {
		return e
	}
	for _, ending := range append([]string{""}, beside...) {
		name := way.end + ending
		info, err := os.Lstat(name)
		if err != nil {
			continue // it is not there, or the ledger cannot be opened either
		}
		if e := g.file(name, info, true); e != nil {
			return e
		}
	}
	return nil
}

// Peer reports whether the user at the other end of a ledger's socket is trusted.
func (g *Guard) Peer(uid int) bool { return g.everybody || g.owner(uid, true) }

// Exposed says who else can read a file with a secret, in words that begin a
// sentence; "" if nobody can. A file of root's that a group can read is meant to be
// read by it.
func (g *Guard) Exposed(info fs.FileInfo) string {
	uid, gid, ok := Owner(info)
	switch perm := info.Mode().Perm(); {
	case g.everybody || !ok:
	case perm&0o004 != 0:
		return "other users"
	case perm&0o040 != 0 && uid != 0 && !g.container && !g.ownGroup(gid, uid):
		return "the group " + groupName(gid)
	}
	return ""
}
