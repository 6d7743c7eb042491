package schedule

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
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

// Rule says when a job is due. It follows from the expression, the name and when the
// last run began, and so is the same for all processes. The zero value is never due
// again.
type Rule struct {
	name  string
	base  cron.Schedule
	share func(name string, at time.Time) float64
}

// NewRule returns the rule of a job by that name. Valid expressions are those that
// Check accepts.
func NewRule(name, expression string) (Rule, error) { return newRule(name, expression, hashed) }

func newRule(name, expression string, share func(string, time.Time) float64) (Rule, error) {
	base, err := parse(expression)
	if err != nil {
		return Rule{}, fmt.Errorf("the schedule %q of %s: %w", expression, name, err)
	}
	return Rule{name: name, base: base, share: share}, nil
}

// After returns when the job is due after a run that began then: with @every so much
// later, else at the next time of day, a share of the gap to the one that follows
// added. It is zero if there is no such time.
func (r Rule) After(began time.Time) time.Time {
	if r.base == nil {
		return time.Time{}
	}
	next := r.base.Next(began.Local()) // its times of day are local ones
	if next.IsZero() {
		return next
	}
	spread := time.Duration(0)
	if second := r.base.Next(next); !second.IsZero() {
		spread = min(maxSpread, time.Duration(spreadShare*float64(second.Sub(next))))
	}
	return next.Add(part(spread, r.share(r.name, next)))
}

// latest is when a job that last ran before now has to be due, zero if the schedule
// has no time after now.
func (r Rule) latest(now time.Time) time.Time {
	next := r.base.Next(now)
	if next.IsZero() {
		return next
	}
	return next.Add(max(maxSpread, maxStartSpread))
}

// hashed is a number in [0, 1) that is the same wherever it is asked for.
func hashed(name string, at time.Time) float64 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s", at.Unix(), name))
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// part returns a share of d in whole seconds, so that the times of many jobs
// coincide and the timekeeper wakes at most once a second.
func part(d time.Duration, share float64) time.Duration {
	return time.Duration(share * float64(d)).Truncate(time.Second)
}
