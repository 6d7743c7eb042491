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
func writable(path, culprit string, who class, mode fs.FileMode) *Error {
	what := "write to it"
	if culprit != path {
		what = "replace what is in its folder " + culprit
	}
	return &Error{
		Path:    path,
		Culprit: culprit,
		Text:    fmt.Sprintf("%s %s (mode %04o), so popferry does not use it", who.text, what, mode.Perm()),
		Remedy:  fmt.Sprintf("if nobody has changed it, run chmod %s-w %s", who.letter, quote(culprit)),
	}
}

// foreign is the error about a file for which a culprit belongs to another user.
func (g *Guard) foreign(path, culprit string, uid int) *Error {
	owner, user := userName(uid), userName(g.user)
	e := &Error{Path: path, Culprit: culprit}
	if g.user == 0 {
		e.Text = fmt.Sprintf("%s belongs to %s, but root runs popferry", subject(path, culprit), owner)
		e.Remedy = fmt.Sprintf("run popferry as %s, or if you trust what is in there, run chown root %s", owner, quote(culprit))
		return e
	}
	e.Text = fmt.Sprintf("%s belongs to %s, neither to %s, who runs popferry, nor to root", subject(path, culprit), owner, user)
	e.Remedy = fmt.Sprintf("if you trust what is in there, run sudo chown %s %s", chownName(g.user), quote(culprit))
	return e
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
