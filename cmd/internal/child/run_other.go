//go:build !unix

package child

import "os/exec"

// Run runs a program. Only the program itself is killed when its context ends.
func Run(cmd *exec.Cmd) error { return cmd.Run() }

func start(cmd *exec.Cmd) error { return cmd.Start() }

func ended(*exec.Cmd) {}

func killGroup(cmd *exec.Cmd) error { return cmd.Process.Kill() }
