package progress

import (
	"math"
	"time"
)

// paceWindow is the time constant of the average: long enough for mail of uneven
// sizes, short enough to show a connection that has become slow.
const paceWindow = 10 * time.Second

// pace is an exponentially weighted moving average of a rate.
type pace struct {
	at     time.Time // of the last note
	octets int64     // at that time
	sum    float64
	weight float64 // of what is in sum; approaches 1
}

// note records the number of octets at a time.
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

// rate returns the rate in octets a second.
func (p *pace) rate() float64 {
	if p.weight == 0 {
		return 0
	}
	return p.sum / p.weight
}
