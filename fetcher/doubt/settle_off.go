//go:build !failpoint

package doubt

import "time"

// settleTime is how long a message is looked for before it is sent again: a slow
// server stores what it had read some time after the connection was cut.
const settleTime = 5 * time.Minute
