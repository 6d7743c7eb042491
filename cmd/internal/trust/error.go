package trust

import (
	"fmt"
	"io/fs"
	"strings"
)

// Error says why a file is not trusted, and how to change that.
type Error struct {
	Path    string // of the file
	Culprit string // the path of what has to be changed: the file, a folder or a link on the way to it
	Text    string // what is wrong
	Remedy  string // what to type
}

// Error is the path, what is wrong, and what to type.
func (e *Error) Error() string { return e.Path + ": " + e.Reason() }

// Reason is Error without the path.
func (e *Error) Reason() string { return e.Text + "; " + e.Remedy }

// subject is how a sentence about the culprit begins, in an error about a file.
func subject(path, culprit string) string {
	if culprit == path {
		return "it"
	}
	return culprit + ", on the way to it,"
}

// writable is the error about a file for which a culprit can be written by others.
func (g *Guard) writable(path, culprit string, who class, mode fs.FileMode) *Error {
	what := "write to it"
	if culprit != path {
		what = "replace what is in its folder " + culprit
	}
	e := &Error{
		Path:    path,
		Culprit: culprit,
		Text:    fmt.Sprintf("%s %s (mode %04o), so popferry does not use it", who.text, what, mode.Perm()),
		Remedy:  fmt.Sprintf("if nobody has changed it, run chmod %s-w %s", who.letter, quote(culprit)),
	}
	if g.image && culprit != path {
		e.Remedy += fmt.Sprintf(", on the host for the folder that is mounted there; where that changes nothing, as in a shared folder of a NAS, "+
			"mount a folder below it that only %s can use (mkdir -m 700)", userName(g.user))
	}
	return e
}

// foreign is the error about a file for which a culprit belongs to another user.
func (g *Guard) foreign(path, culprit string, uid, gid int) *Error {
	owner, user := userName(uid), userName(g.user)
	e := &Error{Path: path, Culprit: culprit}
	if g.user == 0 && !g.image && !g.pod {
		e.Text = fmt.Sprintf("%s belongs to %s, but root runs popferry", subject(path, culprit), owner)
		e.Remedy = fmt.Sprintf("run popferry as %s, or if you trust what is in there, run chown root %s", owner, quote(culprit))
		return e
	}
	e.Text = fmt.Sprintf("%s belongs to %s, neither to %s, who runs popferry, nor to root", subject(path, culprit), owner, user)
	if g.user == 0 {
		e.Text = fmt.Sprintf("%s belongs to %s, but root runs popferry", subject(path, culprit), owner)
	}
	e.Remedy = "if you trust what is in there, " + g.takeOver(culprit, uid, gid)
	return e
}

// takeOver is what to do so that what another user owns is the user's own. In
// popferry's image that is mostly to run the container as another user.
func (g *Guard) takeOver(path string, uid, gid int) string {
	chown := fmt.Sprintf("run sudo chown %s %s", chownName(g.user), quote(path))
	switch {
	case g.pod:
		return fmt.Sprintf("set runAsUser: %d, or give the volume to uid %d", uid, g.user)
	case !g.image:
		return chown
	case uid == 0: // who is the user, where podman runs rootless
		return chown + ", on the host for the folder that is mounted there. With rootless podman run the container as root instead, which is you: " +
			"PUID=0 and PGID=0 in the file .env beside compose.yaml, or --user 0"
	}
	return fmt.Sprintf("run the container as that user: PUID=%d and PGID=%d in the file .env beside compose.yaml, or --user %[1]d:%d. "+
		"Or %s, on the host for the folder that is mounted there", uid, gid, chown)
}

// quote writes a path so that a shell takes it for one word.
func quote(path string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+@:,=", r)
	}
	if path != "" && strings.TrimFunc(path, plain) == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
