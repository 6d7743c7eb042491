//go:build failpoint

package doubt

import "time"

// settleTime is short enough for a test that kills the process. This file is for
// tests only: it is built with the tag failpoint.
const settleTime = time.Second
