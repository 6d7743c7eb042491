package fetcher_test

import (
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// smtpFaults is a destination that misbehaves once in so many events.
type smtpFaults struct {
	storm *storm
	dice  *dice
	in    int
}

func (f *smtpFaults) at(e smtptest.Event) smtptest.Fault {
	d := f.dice
	if !f.storm.on.Load() || !d.one(f.in) {
		return smtptest.Fault{}
	}
	code := oneOf(d, 421, 450, 451, 452, 500, 503, 550, 552, 554)
	reply := smtptest.Fault{Code: code, Text: "made to fail"}
	if d.one(2) {
		reply.Enhanced = forwarder.EnhancedCode{code / 100, d.n(8), d.n(9)}
	}
	faults := []smtptest.Fault{reply, reply, {Close: true}}
	if d.one(4) {
		faults = append(faults, smtptest.Fault{Stall: true})
	}
	switch e.Stage {
	case forwarder.StageBody:
		return smtptest.Fault{Close: true, After: int64(d.n(3000))}
	case forwarder.StageDot: // accepted, but nobody hears of it
		faults = append(faults, smtptest.Fault{Close: true, Keep: true}, smtptest.Fault{Stall: d.one(4), Close: true, Keep: true})
	}
	return oneOf(d, faults...)
}
