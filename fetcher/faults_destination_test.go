package fetcher_test

import (
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// smtpFaults is a destination that misbehaves once in so many events.
type smtpFaults struct {
	chaos *chaos
	rng   *rng
	in    int
}

func (f *smtpFaults) at(e smtptest.Event) smtptest.Fault {
	r := f.rng
	if !f.chaos.on.Load() || !r.one(f.in) {
		return smtptest.Fault{}
	}
	code := oneOf(r, 421, 450, 451, 452, 500, 503, 550, 552, 554)
	reply := smtptest.Fault{Code: code, Text: "made to fail"}
	if r.one(2) {
		reply.Enhanced = forwarder.EnhancedCode{code / 100, r.n(8), r.n(9)}
	}
	faults := []smtptest.Fault{reply, reply, {Close: true}}
	if r.one(4) {
		faults = append(faults, smtptest.Fault{Stall: true})
	}
	switch e.Stage {
	case forwarder.StageBody:
		return smtptest.Fault{Close: true, After: int64(r.n(3000))}
	case forwarder.StageDot: // accepted, and the reply is lost
		faults = append(faults, smtptest.Fault{Close: true, Keep: true}, smtptest.Fault{Stall: r.one(4), Close: true, Keep: true})
	}
	return oneOf(r, faults...)
}
