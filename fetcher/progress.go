package fetcher

import (
	"sync/atomic"

	"github.com/popferry/popferry/fetcher/identify"
)

// Progress is how far the poll of an account has come. Observers read it when they
// like; the poll only counts and never waits for them. The zero value is ready to
// use, and a nil one counts nothing.
type Progress struct {
	messages, done, octets, fetched atomic.Int64
}

// Snapshot is a reading of a Progress. While Messages is 0, nothing to fetch is
// known yet.
type Snapshot struct {
	Messages, Done  int   // due, and dealt with, with whatever result
	Octets, Fetched int64 // as the server lists them, which may be wrong, and as they came
}

// Snapshot reads the counts, each by itself.
func (p *Progress) Snapshot() Snapshot {
	return Snapshot{
		Messages: int(p.messages.Load()), Done: int(p.done.Load()),
		Octets: p.octets.Load(), Fetched: p.fetched.Load(),
	}
}

// expect says which messages are still to come; all others are done.
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

// received counts octets of messages.
func (p *Progress) received(octets int) {
	if p != nil {
		p.fetched.Add(int64(octets))
	}
}

// finished counts a message.
func (p *Progress) finished() {
	if p != nil {
		p.done.Add(1)
	}
}
