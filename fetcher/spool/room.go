package spool

import (
	"os"
	"syscall"
)

// Room reports, as an *Error, that a message of so many octets finds no room now. It is
// an estimate: others may take the room, and a quota shows only when it is used up.
func (s *Spool) Room(octets int64) error {
	if octets < memoryLimit && octets <= s.free.Load()-chunkSize {
		return nil
	}
	f, err := os.CreateTemp(s.dir, "popferry-*.spool")
	if err != nil {
		return s.fail("making a temporary file", err)
	}
	closeFile(f)
	if free, ok := freeOctets(s.folder()); ok && free < octets {
		return s.fail("writing a temporary file", syscall.ENOSPC)
	}
	return nil
}

// folder is where the files are.
func (s *Spool) folder() string {
	if s.dir == "" {
		return os.TempDir()
	}
	return s.dir
}
