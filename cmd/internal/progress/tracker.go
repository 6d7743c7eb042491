package progress

import (
	"cmp"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher"
)

// View shows polls. One goroutine calls its methods.
type View interface {
	// Interval is how often it is told, and after how long the first time: polls
	// that end sooner are not shown.
	Interval() (gap, patience time.Duration)
	Show(Status)
	// Done tells that a poll has ended that was shown.
	Done(account string)
	// Close ends it: whatever is still shown goes.
	Close()
}

// Tracker knows the polls that are under way. A nil one takes no notice of them.
type Tracker struct {
	view     View
	patience time.Duration

	mu    sync.Mutex
	polls map[string]*poll // by account
	gone  []string         // that were shown, and have ended since

	stop  func()
	ended sync.WaitGroup
}

// poll is one that is under way.
type poll struct {
	account string
	began   time.Time
	counts  fetcher.Progress
	pace    pace
	shown   bool
}

// Watch shows polls, and closes the view when Stop is called.
func Watch(v View) *Tracker {
	gap, patience := v.Interval()
	stop := make(chan struct{})
	b := &Tracker{view: v, patience: patience, polls: make(map[string]*poll), stop: sync.OnceFunc(func() { close(stop) })}
	b.ended.Go(func() {
		defer v.Close()
		tick := time.NewTicker(gap)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				b.look(now)
			case <-stop:
				return
			}
		}
	})
	return b
}

// Stop ends it. It may be called again.
func (b *Tracker) Stop() {
	if b == nil {
		return
	}
	b.stop()
	b.ended.Wait()
}

// Start tells that a poll begins, which is to count in what is returned, and
// end when it has ended.
func (b *Tracker) Start(account string) (counts *fetcher.Progress, end func()) {
	if b == nil {
		return nil, func() {}
	}
	now := time.Now()
	p := &poll{account: account, began: now, pace: pace{at: now}}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.polls[account] == nil { // else the account is leased, and this one ends at once
		b.polls[account] = p
	}
	return &p.counts, func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.polls[account] == p {
			delete(b.polls, account)
		}
		if p.shown {
			b.gone = append(b.gone, account)
		}
	}
}

// look has the view show what has changed.
func (b *Tracker) look(now time.Time) {
	long, gone := b.changes(now)
	for _, account := range gone {
		b.view.Done(account)
	}
	for _, s := range long {
		b.view.Show(s)
	}
}

// changes are the polls to be shown, the oldest first, and those that no longer
// are.
func (b *Tracker) changes(now time.Time) (long []Status, gone []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	oldest := func(x, y *poll) int { return cmp.Or(x.began.Compare(y.began), cmp.Compare(x.account, y.account)) }
	for _, p := range slices.SortedFunc(maps.Values(b.polls), oldest) {
		t := p.counts.Tally()
		p.pace.note(now, t.Fetched)
		if now.Sub(p.began) >= b.patience {
			p.shown = true
			long = append(long, newStatus(p.account, t, p.pace.rate()))
		}
	}
	gone, b.gone = b.gone, nil
	return long, gone
}
