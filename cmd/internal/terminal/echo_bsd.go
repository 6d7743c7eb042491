//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package terminal

import "golang.org/x/sys/unix"

// The requests of termios (tty(4)).
const readTermios, writeTermios = unix.TIOCGETA, unix.TIOCSETA

// dropInput leaves out what was typed and not read yet: FREAD of sys/fcntl.h is 1.
func dropInput(fd int) error { return unix.IoctlSetPointerInt(fd, unix.TIOCFLUSH, 1) }
