//go:build unix

package terminal

import "golang.org/x/sys/unix"

// hideInput has a terminal not show what is typed. Ctrl-C works.
func hideInput(fd int) error {
	t, err := unix.IoctlGetTermios(fd, readTermios)
	if err != nil {
		return err
	}
	t.Lflag &^= unix.ECHO
	return unix.IoctlSetTermios(fd, writeTermios, t)
}
