package smtp

import (
	"sync/atomic"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/facts"
)

// Facts are what was learnt of a server: where it does not do what it announces,
// and how much it takes. They are plain data with an end, so that they can be
// kept between processes. The zero value is a server that keeps its word.
type Facts struct {
	// NoPipelining: it loses or refuses commands that are sent before it has
	// answered those in front of them (RFC 2920).
	NoPipelining forwarder.Sighting `json:"no_pipelining,omitzero"`
	// NoPipeliningBehindDot: it does so with what is sent right behind the final
	// dot of a message.
	NoPipeliningBehindDot forwarder.Sighting `json:"no_pipelining_behind_dot,omitzero"`
	// NoBDAT: it refuses BDAT (RFC 3030), or its replies cannot be told apart.
	NoBDAT forwarder.Sighting `json:"no_bdat,omitzero"`
	// TakesSeveral: it has accepted messages while it had others.
	TakesSeveral forwarder.Sighting `json:"takes_several,omitzero"`
	facts.Common
}

// fact is one of the facts that are sightings.
type fact = facts.Fact[Facts]

func noPipelining(f *Facts) *forwarder.Sighting          { return &f.NoPipelining }
func noPipeliningBehindDot(f *Facts) *forwarder.Sighting { return &f.NoPipeliningBehindDot }
func noBDAT(f *Facts) *forwarder.Sighting                { return &f.NoBDAT }
func takesSeveral(f *Facts) *forwarder.Sighting          { return &f.TakesSeveral }

// quirks are the facts of a pool, which its sessions share.
type quirks struct {
	*facts.Book[Facts]
	// slowBDAT: BDAT is slower than DATA (window). That may be the way rather than the
	// server, so it is not a fact, and ends with the sessions.
	slowBDAT atomic.Bool
}

func newQuirks(o *Options) *quirks {
	return &quirks{Book: facts.NewBook(o.Facts, func(f *Facts) *facts.Common { return &f.Common }, o.Now)}
}

// suspicion is what a message may have failed for on one session: that it was
// sent as if a fact were not so.
type suspicion struct {
	fact    fact              // nil: none that could be named
	refusal forwarder.Outcome // the reply, if there was one
}

// exists reports whether there is one.
func (s suspicion) exists() bool { return s.fact != nil || s.refusal.Code != 0 }

// judge proves or dismisses what a message was suspected to have failed for, now
// that it has an outcome: the same reply as before is about the message, and any
// other shows that the last suspicion was right.
func (q *quirks) judge(suspicions []suspicion, out []forwarder.Outcome) {
	if len(suspicions) == 0 {
		return
	}
	last := suspicions[len(suspicions)-1]
	for _, o := range out {
		switch {
		case o.Kind != forwarder.Accepted && o.Kind != forwarder.Refused:
			return // nobody knows
		case o.Kind == forwarder.Refused && o.Code == last.refusal.Code:
			for _, s := range suspicions {
				if s.fact != nil {
					q.Dismiss(s.fact)
				}
			}
			return
		}
	}
	if last.fact != nil {
		q.Prove(last.fact)
	}
}
