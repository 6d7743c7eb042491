package maildir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// Error is a failure of the file system.
type Error struct {
	Doing string // such as "writing"
	Path  string
	Err   error
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
	switch {
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
