package report

import (
	"context"
	"sync"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// whole is the task of telling Prometheus of all accounts. Of those that share a ledger
// one at a time has it, as long as it is asked: or each account would be counted as
// often as there are popferrys.
type whole struct {
	mu   sync.Mutex
	slot ledger.Slot // nil: another one has it
	idle *time.Timer // gives it back
}

// wholeLife is how long a popferry that is not asked any more keeps the task.
const wholeLife = 2 * time.Minute

// TellsAll implements web.Ledger.
func (v *LedgerView) TellsAll(ctx context.Context) bool {
	shared, ok := v.store.(ledger.Shared)
	if !ok {
		return true
	}
	w := &v.whole
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.slot != nil && isLost(w.slot) {
		w.giveBack()
	}
	if w.slot == nil {
		slot, err := shared.Slot(ctx, "task metrics", 1)
		if err != nil {
			return false
		}
		w.slot, w.idle = slot, time.AfterFunc(wholeLife, func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			if w.slot == slot {
				w.giveBack()
			}
		})
	}
	w.idle.Reset(wholeLife)
	return true
}

func (w *whole) giveBack() {
	w.idle.Stop()
	_ = w.slot.Release() // it fails only with the session that has it
	w.slot = nil
}

func isLost(s ledger.Slot) bool {
	select {
	case <-s.Lost():
		return true
	default:
		return false
	}
}
