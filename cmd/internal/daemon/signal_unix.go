//go:build unix

package daemon

import (
	"os"
	"syscall"
)

// The signals of a running daemon besides TERM and INT.
var (
	reloadSignals = []os.Signal{syscall.SIGHUP}
	pollSignals   = []os.Signal{syscall.SIGUSR1}
)
