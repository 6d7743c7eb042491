package main

import (
	"os"
	"os/signal"
)

// signals are those that a daemon takes beside TERM and INT.
type signals struct {
	reload, pollNow <-chan os.Signal
	end             func() // gives them back
}

// takeSignals takes them. Until then one ends the process, so this comes before
// all else: whoever starts a service may reload it at once.
func takeSignals() signals {
	reload, endReload := notify(reloadSignals)
	pollNow, endPoll := notify(pollSignals)
	return signals{reload, pollNow, func() {
		endReload()
		endPoll()
	}}
}

// notify returns a channel for these signals, and what ends it.
func notify(sigs []os.Signal) (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	if len(sigs) > 0 { // none would mean all of them
		signal.Notify(c, sigs...)
	}
	return c, func() { signal.Stop(c) }
}
