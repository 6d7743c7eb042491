// Package pace measures how long a server lets messages wait, and judges by that
// whether BDAT (RFC 3030) is worth while.
//
// The measure is the quickest answer to the last octet of a message. It may be late
// for those that have their session to themselves, and quick for those that are sent
// one behind the other, as a held back acknowledgement makes it (package ack): then
// only the former count.
package pace

import (
	"slices"
	"time"
)

// Answer is how long the server let a message wait that it accepted.
type Answer struct {
	// Envelope is the time until the last reply to the envelope, if the message waited
	// for that; Final is that from its last octet until the final reply. 0: not known.
	Envelope, Final time.Duration

	Shared bool // others were in front of it on the session, or behind it
	BDAT   bool // it was sent by BDAT
}

// whole is the time that one message takes after the other.
func (a Answer) whole() time.Duration { return a.Envelope + a.Final }

const (
	// late is how much longer than the best an answer takes that is late: systems delay
	// acknowledgements for 40 ms or more, and few busy servers vary as much.
	late = 30 * time.Millisecond
	// few is how many late answers in a row count. One may be late for any reason.
	few = 4
	// trial is how many messages show whether BDAT is slower than DATA.
	trial = 32
)

// Pace is what was measured. The zero value has nothing.
type Pace struct {
	best   time.Duration   // the quickest of the last answers; 0: none yet
	bdat   bool            // it is one to BDAT
	slow   bool            // it was late, compared with those before
	slower []time.Duration // late answers in a row, of messages that were alone

	data     Answer    // the quickest one to DATA alone
	left     int       // messages until BDAT is judged; 0: it is not on trial
	end      time.Time // when DATA would have taken them, one after the other
	slowBDAT bool
}

// Best is the quickest answer of the last ones; 0: none yet.
func (p *Pace) Best() time.Duration { return p.best }

// SlowBDAT reports whether messages were accepted more slowly by BDAT than by
// DATA.
func (p *Pace) SlowBDAT() bool { return p.slowBDAT }

// Note learns from an answer that came now. A quicker one counts at once, late
// ones when there are a few.
func (p *Pace) Note(a Answer, now time.Time) {
	p.judge(now)
	if a.Final <= 0 {
		return
	}
	if !a.BDAT && !a.Shared && (p.data.Final == 0 || a.whole() < p.data.whole()) {
		p.data = a
	}
	switch {
	case p.slowBDAT && a.BDAT: // sent before that was known
	case p.slow && a.Shared: // it may be quick only because it was
	case p.slow && p.bdat && !a.BDAT: // the first message of a session, which always goes by DATA
	case p.best == 0 || a.Final < p.best:
		p.best, p.bdat, p.slow, p.slower, p.left = a.Final, a.BDAT, false, nil, 0
	case !a.Shared:
		p.noteSlower(a, now)
	}
}

// noteSlower is Note for the answer to a message that was alone, and no quicker. BDAT
// goes on trial where a whole message by DATA would be quicker.
func (p *Pace) noteSlower(a Answer, now time.Time) {
	if a.Final < p.best+late {
		p.slower = nil
		return
	}
	p.slower = append(p.slower, a.Final)
	if len(p.slower) < few {
		return
	}
	p.best, p.bdat, p.slow, p.slower = slices.Min(p.slower), a.BDAT, true, nil
	if data := p.data.whole(); p.bdat && data > 0 && p.best > data && p.left == 0 {
		p.left, p.end = trial, now.Add(trial*data)
	}
}

// judge counts a message of the trial. Many are on the wire now, and what counts is
// how long all take together.
func (p *Pace) judge(now time.Time) {
	if p.left == 0 {
		return
	}
	p.left--
	if p.left == 0 && now.After(p.end) {
		p.slowBDAT = true
		p.best, p.bdat, p.slow, p.slower = p.data.Final, false, false, nil
	}
}
