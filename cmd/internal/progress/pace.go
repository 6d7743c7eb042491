package progress

import (
	"math"
	"time"
)

// paceWindow is how long what was fetched tells of the rate, roughly: that of
// mail of many sizes is uneven, and a line that has become slow should show.
const paceWindow = 10 * time.Second

// pace is a rate that forgets, an exponentially weighted moving average.
type pace struct {
	at     time.Time // of the last note
	octets int64     // then
	sum    float64
	weight float64 // of all that is in sum: 1 in the long run
}

// note tells how many octets there are now.
func (p *pace) note(now time.Time, octets int64) {
	gap := now.Sub(p.at)
	if gap <= 0 {
		return
	}
	fresh := 1 - math.Exp(-gap.Seconds()/paceWindow.Seconds())
	p.sum += fresh * (float64(octets-p.octets)/gap.Seconds() - p.sum)
	p.weight += fresh * (1 - p.weight)
	p.at, p.octets = now, octets
}

// rate is in octets a second.
func (p *pace) rate() float64 {
	if p.weight == 0 {
		return 0
	}
	return p.sum / p.weight
}
