//go:build failpoint

package failpoint

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
)

// failpoints are the places between any two steps of a message's way at which
// a test lets the process die; see Hit.
var failpoints = [...]string{
	"listed",    // the listing is read, nothing is written
	"fetched",   // a message is in the spool
	"kept",      // its copy is on disk, its row is not
	"intended",  // its row says sending, nothing is sent
	"answered",  // the destination has answered, the row does not tell yet
	"refused",   // the row tells of a refusal, the message is to be sent wrapped
	"written",   // the row tells
	"forwarded", // all transactions are over, nothing is deleted
	"dele",      // a DELE was answered
	"quit",      // QUIT was answered, the row does not tell yet
	"deleted",   // the row tells that it is deleted
}

// reached counts how often each point was passed. This file is for tests only:
// it is built with the tag failpoint.
var reached [len(failpoints)]atomic.Int64

// Hit kills the process, as kill -9 does, when the point that
// $POPFERRY_FAILPOINT names is reached for the n-th time: NAME:N.
func Hit(name string) {
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
