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
	Doing string // "writing"
	Path  string
	Err   error
}

// Error says what failed on which path, why, and what to do if that is known.
func (e *Error) Error() string {
	msg := fmt.Sprintf("%s %s: %v", e.Doing, e.Path, bare(e.Err))
	if h := e.Hint(); h != "" {
		msg += "; " + h
	}
	return msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what a person can do; "" if there is nothing special to do.
func (e *Error) Hint() string {
	switch {
	case errors.Is(e.Err, syscall.ENOSPC), errors.Is(e.Err, syscall.EDQUOT):
		return "free some space or raise the quota"
	case errors.Is(e.Err, syscall.EROFS):
		return "mount its file system read-write, or choose another folder"
	case errors.Is(e.Err, fs.ErrPermission):
		return "let popferry's user read and write there, or choose another folder"
	case errors.Is(e.Err, syscall.ENOTDIR):
		return "a file is where a folder should be: move it away, or choose another folder"
	case errors.Is(e.Err, syscall.EIO):
		return "look at the system's log for errors of the disk"
	default:
		return ""
	}
}

// bare takes off what the operating system's errors say of the path.
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
