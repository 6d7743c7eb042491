package schedule

import "time"

const (
	// What is due at the start is spread over startSpread each, at most maxStartSpread
	// in all.
	startSpread    = 50 * time.Millisecond
	maxStartSpread = time.Minute
)

// plan is when a job is due. The lock of the timetable guards it.
type plan struct {
	job   *job
	rule  Rule
	began time.Time // the last run, here or elsewhere, as far as it is known; zero: there was none
	look  bool      // at the start it is due in any case
	next  time.Time // zero before the start, and if there is no next time
	// counted reports that next is so long after the time at which it was set, and does
	// not follow from the rule.
	counted bool
	index   int // in the heap
}

// startNow reports whether the job is due at the start.
func (p *plan) startNow(now time.Time) bool {
	if p.look || p.began.IsZero() || p.began.After(now.Add(wakeUp)) { // noted under a wrong clock
		return true
	}
	next := p.rule.After(p.began)
	return !next.IsZero() && !next.After(now)
}

// ran plans the next time after a run that began then.
func (p *plan) ran(began time.Time) {
	p.began, p.next, p.counted = began, p.rule.After(began), false
}

// waits has the job due at this time at the latest, whatever the rule says.
func (p *plan) waits(at time.Time) {
	if p.next.IsZero() || at.Before(p.next) {
		p.next, p.counted = at, true
	}
}

// replan sets the next time again after the clock was set back by this much: the
// last run was as long ago as before.
func (p *plan) replan(back time.Duration) {
	next, counted := p.next.Add(-back), p.counted && !p.next.IsZero()
	if !p.began.IsZero() {
		p.began = p.began.Add(-back)
	}
	p.ran(p.began)
	if counted {
		p.next, p.counted = next, true
	}
}

// isDue reports whether the next time has come.
func (p *plan) isDue(now time.Time) bool { return !p.next.IsZero() && !p.next.After(now) }

// plans is a heap, ordered by their next time; those without one are last.
type plans []*plan

func (t plans) Len() int { return len(t) }

func (t plans) Less(i, j int) bool {
	if t[i].next.IsZero() || t[j].next.IsZero() {
		return !t[i].next.IsZero()
	}
	return t[i].next.Before(t[j].next)
}

func (t plans) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

func (t *plans) Push(x any) { *t = append(*t, x.(*plan)) }

func (t *plans) Pop() any {
	old := *t
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	return last
}
