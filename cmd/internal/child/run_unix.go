//go:build unix

package child

import (
	"errors"
	"os"
	"os/exec"
	"sync"
	"syscall"
)

// running is held by each program while it runs. It is one for the whole process,
// because the process's children are.
var running sync.RWMutex

// Run runs a program in a process group of its own, which is killed when the
// command's context ends, and when the program has ended.
func Run(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return killGroup(cmd) }
	running.RLock()
	err := cmd.Run()
	ended(cmd)
	return err
}

// start starts a program in a session of its own: it cannot ask at the terminal.
func start(cmd *exec.Cmd) error {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	running.RLock()
	err := cmd.Start()
	if err != nil {
		running.RUnlock()
	}
	return err
}

// ended cleans up after a program that has ended, or that could not be started.
func ended(cmd *exec.Cmd) {
	if cmd.Process != nil {
		_ = killGroup(cmd) // mostly ESRCH: nothing is left
		reap(-cmd.Process.Pid, 0)
	}
	running.RUnlock()
	reapOrphans()
}

// killGroup kills a program and all that it started and that has not left its group.
func killGroup(cmd *exec.Cmd) error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

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

// reapOrphans waits for those that had left the group of their program, such as
// gpg-agent. It does so only while no program runs: os/exec waits for these.
func reapOrphans() {
	if os.Getpid() == 1 && running.TryLock() {
		defer running.Unlock()
		reap(-1, syscall.WNOHANG)
	}
}
