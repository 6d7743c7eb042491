//go:build unix

package config

import (
	"os/exec"
	"syscall"
)

// endWithChildren gives a command a process group of its own, which is killed when
// the command's context ends, and by end: call that after the command.
func endWithChildren(cmd *exec.Cmd) (end func()) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return func() {
		if cmd.Process != nil {
			_ = cmd.Cancel() // mostly ESRCH: nothing is left
		}
	}
}
