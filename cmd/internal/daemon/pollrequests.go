package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/popferry/popferry/fetcher"
)

// pollRequests are the polls that users have requested and that have not begun.
// They outlive generations. The zero value has none.
type pollRequests struct {
	mu      sync.Mutex
	waiting map[string][]chan<- fetcher.Result // by account: who waits for the result
}

// add requests a poll of an account. Each channel gets the result and must have
// room for it.
func (p *pollRequests) add(account string, waiting ...chan<- fetcher.Result) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting == nil {
		p.waiting = make(map[string][]chan<- fetcher.Result)
	}
	p.waiting[account] = append(p.waiting[account], waiting...)
}

// take ends the requests for an account whose poll begins: it returns whether
// there were any, and who waits for the result. Later requests are for the next
// poll.
func (p *pollRequests) take(account string) (waiting []chan<- fetcher.Result, requested bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	waiting, requested = p.waiting[account]
	delete(p.waiting, account)
	return waiting, requested
}

// names returns the accounts for which there are requests.
func (p *pollRequests) names() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Keys(p.waiting))
}

// retain ends the requests for accounts that are not polled any more, with an
// error.
func (p *pollRequests) retain(polled func(account string) bool, reason error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, waiting := range p.waiting {
		if !polled(name) {
			delete(p.waiting, name)
			reply(waiting, fetcher.Result{Account: name, Err: reason})
		}
	}
}

func reply(waiting []chan<- fetcher.Result, res fetcher.Result) {
	for _, c := range waiting {
		c <- res
	}
}

var (
	errNoConfig  = errors.New("popferry has no usable configuration; its log says why")
	errNotPolled = errors.New("the configuration was read again meanwhile, and has no account of this name now, or has it disabled")
)

// requestPolls has accounts polled now, or all of them if none is named. It
// returns how many they are, and the channel that their results come to. As a
// user asks for it, back-offs do not count. That holds while a generation is
// being replaced, too: the next one polls them.
func (d *daemon) requestPolls(accounts ...string) (results <-chan fetcher.Result, n int, err error) {
	g := d.running()
	if g == nil {
		return nil, 0, errNoConfig
	}
	for _, name := range accounts {
		if !g.app.Polls(name) {
			return nil, 0, fmt.Errorf("there is no account %q that is polled", name)
		}
	}
	names := accounts
	if len(names) == 0 {
		names = g.app.Names()
	}
	if d.shared != nil { // others may be polling it, or come first
		ctx, cancel := context.WithTimeout(d.stop.Context, exchangeTimeout/2)
		defer cancel()
		if err := d.shared.Request(ctx, g.app.IDs(names)...); err != nil {
			return nil, 0, err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == nil {
		return nil, 0, errNoConfig
	}
	each := make(chan fetcher.Result, len(names))
	for _, name := range names {
		d.requests.add(name, each)
	}
	d.current.sched.Queue(accounts...)
	return each, len(names), nil
}
