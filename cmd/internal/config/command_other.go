//go:build !unix

package config

import "os/exec"

// endWithChildren does nothing: only the command itself is killed when its context
// ends.
func endWithChildren(*exec.Cmd) (end func()) { return func() {} }
