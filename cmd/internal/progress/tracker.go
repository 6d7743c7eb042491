package progress

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher"
)

// View shows polls. Its methods are called from one goroutine.
type View interface {
	// Interval returns how often polls are shown, and how long a poll must last to
	// be shown at all.
	Interval() (every, delay time.Duration)
	Show(Status)
	// Done is called when a poll that was shown has ended.
	Done(account string)
	// Close removes what is still shown.
	Close()
}

// Tracker keeps track of running polls. A nil Tracker does nothing.
type Tracker struct {
	view  View
	delay time.Duration // before a poll is shown

	mu    sync.Mutex
	polls map[string]*poll // by account
	ended []string         // accounts whose poll was shown and has ended

	stop    func()
	stopped sync.WaitGroup
}

// poll is a running poll.
type poll struct {
	account string
	began   time.Time
	counts  fetcher.Progress
	pace    pace
	shown   bool
}

// Watch returns a Tracker that shows polls on v until Stop, which also closes v.
func Watch(v View) *Tracker {
	every, delay := v.Interval()
	stop := make(chan struct{})
	t := &Tracker{view: v, delay: delay, polls: make(map[string]*poll), stop: sync.OnceFunc(func() { close(stop) })}
	t.stopped.Go(func() {
		defer v.Close()
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				t.update(now)
			case <-stop:
				return
			}
		}
	})
	return t
}

// Stop ends the tracking. It may be called more than once.
func (t *Tracker) Stop() {
	if t == nil {
		return
	}
	t.stop()
	t.stopped.Wait()
}

// Start is called when a poll starts. The poll has to count in counts, and to
// call done at its end.
func (t *Tracker) Start(account string) (counts *fetcher.Progress, done func()) {
	if t == nil {
		return nil, func() {}
	}
	now := time.Now()
	p := &poll{account: account, began: now, pace: pace{at: now}}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.polls[account] == nil { // otherwise the account is leased, and this poll ends at once
		t.polls[account] = p
	}
	return &p.counts, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.polls[account] == p {
			delete(t.polls, account)
		}
		if p.shown {
			t.ended = append(t.ended, account)
		}
	}
}

// Progress is how far the running poll of an account is, in words; "": none is running.
func (t *Tracker) Progress(account string) string {
	if t == nil {
		return ""
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.polls[account]
	if p == nil {
		return ""
	}
	tally := p.counts.Snapshot()
	return newStatus(account, tally, float64(tally.Fetched)/max(time.Since(p.began).Seconds(), 1)).String()
}

// update shows the current state on the view.
func (t *Tracker) update(now time.Time) {
	running, ended := t.changes(now)
	for _, account := range ended {
		t.view.Done(account)
	}
	for _, s := range running {
		t.view.Show(s)
	}
}

// changes returns the polls to show, oldest first, and the accounts of those that
// have ended.
func (t *Tracker) changes(now time.Time) (running []Status, ended []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	oldest := func(x, y *poll) int { return cmp.Or(x.began.Compare(y.began), cmp.Compare(x.account, y.account)) }
	for _, p := range slices.SortedFunc(maps.Values(t.polls), oldest) {
		tally := p.counts.Snapshot()
		p.pace.note(now, tally.Fetched)
		if now.Sub(p.began) >= t.delay {
			p.shown = true
			running = append(running, newStatus(p.account, tally, p.pace.rate()))
		}
	}
	ended, t.ended = t.ended, nil
	return running, ended
}
