//go:build !unix

package daemon

import "os"

// There are no such signals on this system: restart popferry to reload.
var reloadSignals, pollSignals []os.Signal
