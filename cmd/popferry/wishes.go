package main

import (
	"sync"

	"github.com/popferry/popferry/fetcher"
)

// wishes are the polls that people have asked for and that have not begun,
// whichever service does them. The zero value has none.
type wishes struct {
	mu      sync.Mutex
	waiting map[string][]chan<- fetcher.Result // by account: who wants to know what comes of it
}

// add asks for a poll of an account. Each channel gets its result, and has room
// for it.
func (w *wishes) add(account string, who ...chan<- fetcher.Result) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.waiting == nil {
		w.waiting = make(map[string][]chan<- fetcher.Result)
	}
	w.waiting[account] = append(w.waiting[account], who...)
}

// take is for a poll that begins: was it asked for, and who waits for it? Who
// asks from now on is for the next one.
func (w *wishes) take(account string) (who []chan<- fetcher.Result, asked bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	who, asked = w.waiting[account]
	delete(w.waiting, account)
	return who, asked
}

// keep gives up what was asked of accounts that are polled no more.
func (w *wishes) keep(accounts map[string]fetcher.Account, reason error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for name, who := range w.waiting {
		if _, ok := accounts[name]; !ok {
			delete(w.waiting, name)
			tell(who, fetcher.Result{Account: name, Err: reason})
		}
	}
}

func tell(who []chan<- fetcher.Result, res fetcher.Result) {
	for _, c := range who {
		c <- res
	}
}
