package terminal

import "golang.org/x/sys/windows"

// hideInput has a terminal not show what is typed. Ctrl-C works.
func hideInput(fd int) error {
	var mode uint32
	if err := windows.GetConsoleMode(windows.Handle(fd), &mode); err != nil {
		return err
	}
	return windows.SetConsoleMode(windows.Handle(fd), mode&^windows.ENABLE_ECHO_INPUT)
}

// dropInput leaves out what was typed and not read yet.
func dropInput(fd int) error { return windows.FlushConsoleInputBuffer(windows.Handle(fd)) }
