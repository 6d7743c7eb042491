//go:build !unix

package main

import "os"

// There are no such signals here: to read the configuration again, restart.
var reloadSignals, pollSignals []os.Signal
