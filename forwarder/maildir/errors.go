package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Error is a failure of the file system.
type Error struct {
	Doing string // such as "writing"
	Path  string
	Err   error
	// Placed: the message may be in the Maildir all the same.
	Placed bool
	// Alone: only this folder cannot be used, and the Maildir around it can.
	Alone bool
	// Remedy is what to do, where it does not follow from Err.
	Remedy string
}

// ownerError: a file would belong to one user, and the Maildir to another, who could
// not read it.
type ownerError struct {
	uid int // of the Maildir
}

func (e *ownerError) Error() string {
	return "the Maildir belongs to " + userName(e.uid) + ", who could not read it"
}

func (*ownerError) Is(target error) bool { return target == fs.ErrPermission }

// userName is the name of a user, or the number where there is none.
func userName(uid int) string {
	id := strconv.Itoa(uid)
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}

// Error says what failed on which path, why, and what to do, if that is known.
func (e *Error) Error() string {
	msg := fmt.Sprintf("%s %s: %v", e.Doing, e.Path, bare(e.Err))
	if h := e.Hint(); h != "" {
		msg += "; " + h
	}
	return msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint is what the operator can do; "" if nothing special is known.
func (e *Error) Hint() string {
	var owner *ownerError
	switch {
	case e.Remedy != "":
		return e.Remedy
	case errors.As(e.Err, &owner):
		return "run popferry as " + userName(owner.uid)
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "free some space, or raise the quota"
	case errors.Is(e.Err, syscall.EROFS):
		return "mount its file system read-write, or choose another folder"
	case errors.Is(e.Err, fs.ErrPermission):
		return "let popferry's user read and write there, or choose another folder"
	case errors.Is(e.Err, syscall.ENOTDIR):
		return "a file is in the way: move it away, or choose another folder"
	case errors.Is(e.Err, syscall.EIO):
		return "look for disk errors in the system's log"
	default:
		return ""
	}
}

// bare is the operating system's error without the path.
func bare(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	default:
		return err
	}
}

// mkdir is the command that makes a Maildir.
func mkdir(dir string) string {
	command := "mkdir -p -m 700"
	for _, part := range folders() {
		command += " " + quoted(filepath.Join(dir, part))
	}
	return command
}

// quoted is a path as a shell reads it.
func quoted(path string) string {
	const plain = "/._-+@0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	if strings.Trim(path, plain) == "" {
		return path
	}
	return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
}
