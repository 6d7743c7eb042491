//go:build unix

package main

import (
	"os"
	"syscall"
)

// The signals of a running daemon beside TERM and INT.
var (
	reloadSignals = []os.Signal{syscall.SIGHUP}
	pollSignals   = []os.Signal{syscall.SIGUSR1}
)
