//go:build unix

package config

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// running is held by each command while it runs. It is one for the whole process,
// because the process's children are: popferry runs no other programs.
var running sync.RWMutex

// runWithChildren runs a command in a process group of its own, which is killed
// when the command's context ends, and when the command has ended.
func runWithChildren(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	running.RLock()
	err := cmd.Run()
	if cmd.Process != nil {
		_ = cmd.Cancel() // mostly ESRCH: nothing is left
		reap(-cmd.Process.Pid, 0)
	}
	running.RUnlock()
	reapOrphans()
	return err
}

// reap waits for ended children of this process (wait(2)), which otherwise stay as
// zombies: orphans become children of process 1, and in a container that is
// popferry.
func reap(pid, options int) {
	for {
		got, err := syscall.Wait4(pid, nil, options, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || got == 0 { // none is left, or none that has ended
			return
		}
	}
}

// reapOrphans waits for those that had left the group of their command, such as
// gpg-agent. It does so only while no command runs: os/exec waits for these.
func reapOrphans() {
	if os.Getpid() == 1 && running.TryLock() {
		defer running.Unlock()
		reap(-1, syscall.WNOHANG)
	}
}
