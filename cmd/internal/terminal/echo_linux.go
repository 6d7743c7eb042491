package terminal

import "golang.org/x/sys/unix"

// The requests of termios (ioctl_tty(2)).
const readTermios, writeTermios = unix.TCGETS, unix.TCSETS

// dropInput leaves out what was typed and not read yet.
func dropInput(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIFLUSH) }
