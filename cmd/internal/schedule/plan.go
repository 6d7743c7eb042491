package schedule

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/robfig/cron/v3"
)

const (
	// spreadShare is the largest share of the interval that is added to each
	// time, so that not all accounts are polled at once.
	spreadShare = 0.1
	// maxSpread bounds that: eight o'clock every day still means about eight.
	maxSpread = 10 * time.Minute
)

// Check returns an error for an invalid expression. Valid are the five fields of
// cron, a descriptor such as @hourly, and @every with a duration, each also after
// TZ=ZONE.
func Check(expression string) error {
	_, err := parse(expression)
	return err
}

func parse(expression string) (cron.Schedule, error) {
	zone, _, behind := strings.Cut(expression, " ")
	if !behind && strings.Contains(zone, "TZ=") { // the parser would panic
		return nil, errors.New("a time zone without a schedule")
	}
	s, err := cron.ParseStandard(expression)
	if err != nil {
		return nil, err
	}
	if every, ok := s.(cron.ConstantDelaySchedule); ok {
		return s, checkEvery(expression, every.Delay)
	}
	if s.Next(time.Now()).IsZero() {
		return nil, errors.New("it never occurs")
	}
	return s, nil
}

// checkEvery reports a duration that the parser would round up to one second.
func checkEvery(expression string, parsed time.Duration) error {
	_, text, _ := strings.Cut(expression, "@every ")
	if asked, err := time.ParseDuration(text); err != nil || asked < parsed {
		return fmt.Errorf("%s is less than a second", text)
	}
	return nil
}

// plan is when a job is due. Only the timekeeper changes it.
type plan struct {
	job   *job
	base  cron.Schedule
	rand  func() float64
	first time.Duration // delay from Start to the first time
	begun bool          // the first time was planned
	// counted reports that next is so long after the time at which it was planned,
	// and not a time of day.
	counted bool

	mu   sync.Mutex
	next time.Time // zero before the start, and if there is no next time
}

// plan sets the next time after now: the first time, or that of the schedule.
func (p *plan) plan(now time.Time) {
	next := p.after(now)
	_, p.counted = p.base.(cron.ConstantDelaySchedule)
	if !p.begun {
		next, p.begun, p.counted = now.Add(p.first), true, true
	}
	p.set(next)
}

// replan sets the next time again after the clock was set back by this much. What
// is a time of day follows from the clock; anything else is as far away as before.
func (p *plan) replan(now time.Time, back time.Duration) {
	if p.counted && !p.next.IsZero() {
		p.set(p.next.Add(-back))
		return
	}
	p.set(p.after(now))
}

func (p *plan) set(next time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.next = next
}

// isDue reports whether the next time has come.
func (p *plan) isDue(now time.Time) bool { return !p.next.IsZero() && !p.next.After(now) }

// latest is when a job that was planned before now has to be due. It is zero if
// the schedule has no time after now.
func (p *plan) latest(now time.Time) time.Time {
	next := p.base.Next(now)
	if next.IsZero() {
		return next
	}
	return next.Add(max(maxSpread, maxStartSpread))
}

// after returns the base's next time with the spread added.
func (p *plan) after(now time.Time) time.Time {
	next := p.base.Next(now)
	if next.IsZero() {
		return next
	}
	spread := time.Duration(0)
	if second := p.base.Next(next); !second.IsZero() {
		spread = min(maxSpread, time.Duration(spreadShare*float64(second.Sub(next))))
	}
	return next.Add(part(spread, p.rand()))
}

// part returns a share of d in whole seconds, so that the times of many jobs
// coincide and the timekeeper wakes at most once a second.
func part(d time.Duration, share float64) time.Duration {
	return time.Duration(share * float64(d)).Truncate(time.Second)
}
