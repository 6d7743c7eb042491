package daemon

import (
	"os"
	"os/signal"
)

// Signals are those that a daemon takes besides TERM and INT.
type Signals struct {
	Reload, PollNow <-chan os.Signal
	stop            func()
}

// TakeSignals takes the signals, which before would end the process. Call it
// first of all: a service may be reloaded as soon as it was started.
func TakeSignals() Signals {
	reload, stopReload := notify(reloadSignals)
	pollNow, stopPollNow := notify(pollSignals)
	return Signals{reload, pollNow, func() {
		stopReload()
		stopPollNow()
	}}
}

// Close gives the signals back.
func (s Signals) Close() { s.stop() }

// notify returns a channel for these signals, and what ends it.
func notify(sigs []os.Signal) (<-chan os.Signal, func()) {
	c := make(chan os.Signal, 1)
	if len(sigs) > 0 { // none would mean all of them
		signal.Notify(c, sigs...)
	}
	return c, func() { signal.Stop(c) }
}
