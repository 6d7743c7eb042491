//go:build !unix

package config

import "os/exec"

// runWithChildren runs a command. Only the command itself is killed when its
// context ends.
func runWithChildren(cmd *exec.Cmd) error { return cmd.Run() }
