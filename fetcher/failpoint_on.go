//go:build failpoint

package fetcher

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// reached counts how often each point was passed. This file is for tests only:
// it is built with the tag failpoint.
var reached [len(failpoints)]atomic.Int64

// failpoint kills the process, as kill -9 does, when the point that
// $POPFERRY_FAILPOINT names is reached for the n-th time: NAME:N.
func failpoint(name string) {
	want, n, _ := strings.Cut(os.Getenv("POPFERRY_FAILPOINT"), ":")
	if want != name {
		return
	}
	for i, p := range failpoints {
		if p == name && strconv.FormatInt(reached[i].Add(1), 10) == n {
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {}
		}
	}
}
