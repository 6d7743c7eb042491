package fetcher_test

import (
	"sync/atomic"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// smtpFaults is a destination that misbehaves once in so many events, and always
// refuses some messages or a recipient while it is strict.
type smtpFaults struct {
	chaos  *chaos
	rng    *rng
	in     int
	strict *strictness
}

// strictness is what a destination that works refuses all the same.
type strictness struct {
	on        atomic.Bool
	limit     int64           // messages that are larger; 0: none
	recipient string          // this one; "": none
	stage     forwarder.Stage // of the refusal by size
	reply     smtptest.Fault
}

func newStrictness(r *rng) *strictness {
	no := func(code int, enhanced ...int) smtptest.Fault { return reply(code, enhanced...) }
	s := &strictness{
		stage: oneOf(r, forwarder.StageMail, forwarder.StageRcpt, forwarder.StageDot),
		reply: oneOf(r, no(452, 4, 2, 2), no(552, 5, 2, 2), no(552, 5, 3, 4), no(452, 4, 3, 1)),
	}
	if s.stage == forwarder.StageDot && r.one(2) {
		s.reply = oneOf(r, no(554, 5, 7, 1), no(550), no(451, 4, 7, 1), no(500), no(421, 4, 5, 0))
		if s.reply.Code == 500 || s.reply.Code == 421 {
			s.reply.Text = "line too long"
		}
	}
	if r.one(2) {
		s.limit = int64(1000 + r.n(3000))
	}
	if r.one(3) {
		s.recipient = "you@example.org"
	}
	return s
}

// refuses reports whether it refuses a message of that size for a recipient.
func (s *strictness) refuses(size int64, recipient string) bool {
	return s.limit > 0 && size > s.limit || recipient == s.recipient && recipient != ""
}

func (s *strictness) at(e smtptest.Event) smtptest.Fault {
	switch {
	case !s.on.Load():
	case e.Stage == s.stage && s.limit > 0 && e.Size > s.limit:
		return s.reply
	case e.Stage == forwarder.StageRcpt && e.Address == s.recipient:
		return reply(550, 5, 1, 1)
	}
	return smtptest.Fault{}
}

func (f *smtpFaults) at(e smtptest.Event) smtptest.Fault {
	r := f.rng
	if s := f.strict.at(e); s != (smtptest.Fault{}) {
		return s
	}
	if !f.chaos.on.Load() || !r.one(f.in) {
		return smtptest.Fault{}
	}
	code := oneOf(r, 421, 450, 451, 452, 500, 503, 550, 552, 554)
	reply := smtptest.Fault{Code: code, Text: "made to fail"}
	if r.one(2) {
		reply.Enhanced = forwarder.EnhancedCode{code / 100, r.n(8), r.n(9)}
	}
	faults := []smtptest.Fault{reply, reply, {Close: true}}
	if r.one(4) && f.chaos.inbox == nil { // what stalls is in doubt for a while, in which an inbox says nothing
		faults = append(faults, smtptest.Fault{Stall: true})
	}
	switch e.Stage {
	case forwarder.StageBody:
		return smtptest.Fault{Close: true, After: int64(r.n(3000))}
	case forwarder.StageDot: // accepted, and the reply is lost
		faults = append(faults, smtptest.Fault{Close: true, Keep: true}, smtptest.Fault{Stall: r.one(4) && f.chaos.inbox == nil, Close: true, Keep: true})
	}
	return oneOf(r, faults...)
}
