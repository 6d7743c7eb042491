package fetcher

import (
	"sync/atomic"

	"github.com/popferry/popferry/fetcher/identify"
)

// Progress is how far the poll of an account has come, for whoever looks on:
// they read it when they like, and the poll, which only counts, never waits for
// them. The zero value is ready to use, and a nil one counts nothing.
type Progress struct {
	messages, done, octets, fetched atomic.Int64
}

// Tally is a reading of a Progress. While Messages is 0, nothing to fetch is
// known yet.
type Tally struct {
	Messages, Done  int   // to deal with, and dealt with, whatever came of them
	Octets, Fetched int64 // as the server lists them, which may be wrong, and as they came
}

// Tally reads the counts, each for itself.
func (p *Progress) Tally() Tally {
	return Tally{
		Messages: int(p.messages.Load()), Done: int(p.done.Load()),
		Octets: p.octets.Load(), Fetched: p.fetched.Load(),
	}
}

// expect says what is still to come, all else being done.
func (p *Progress) expect(due []identify.Candidate) {
	if p == nil {
		return
	}
	octets := p.fetched.Load()
	for _, c := range due {
		if c.Known.CopyFile == "" { // else a copy is at hand
			octets += max(0, c.Size)
		}
	}
	p.octets.Store(octets)
	p.messages.Store(p.done.Load() + int64(len(due)))
}

// came counts octets of messages.
func (p *Progress) came(octets int) {
	if p != nil {
		p.fetched.Add(int64(octets))
	}
}

// settled counts a message.
func (p *Progress) settled() {
	if p != nil {
		p.done.Add(1)
	}
}
