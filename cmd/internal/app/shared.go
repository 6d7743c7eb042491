package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/popferry/popferry/cmd/internal/cause"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/postgres"
)

// sharedLedger is a ledger that other processes use, too.
type sharedLedger interface {
	// Now is the time, by the clock that all of them go by.
	Now() time.Time
	// Ahead is by how much that is ahead of this machine's.
	Ahead() time.Duration
	// OnFailover has each failover of the ledger's database told.
	OnFailover(func(postgres.Failover))
	// Asynchronous reports whether a failover of the database can lose what it has
	// confirmed.
	Asynchronous(context.Context) (bool, error)
}

// mostAhead is how far the clock of a shared ledger may be from this machine's.
const mostAhead = time.Minute

// shared is what has to be watched of a shared ledger.
type shared struct {
	ledger sharedLedger // nil: nobody else uses it
	log    *slog.Logger

	mu  sync.Mutex
	off bool // the clocks differed when they were last compared
}

// watchShared logs what happens to a shared ledger.
func watchShared(store ledger.Store, log *slog.Logger) *shared {
	s := &shared{log: log}
	if s.ledger, _ = store.(sharedLedger); s.ledger == nil {
		return s
	}
	s.ledger.OnFailover(func(f postgres.Failover) {
		log.Error("the ledger's database had a failover, or was restored from a backup: what it had confirmed last may be lost. Inboxes that can be asked (IMAP) are asked before anything that looks new is sent; at others, what was forwarded just before comes twice",
			"timeline_before", f.Was, "timeline", f.Is)
	})
	s.clockOff()
	return s
}

// clockOff reports whether this machine's clock and that of the ledger's database
// differ by so much that one of them is wrong.
func (s *shared) clockOff() bool {
	if s.ledger == nil {
		return false
	}
	ahead := s.ledger.Ahead()
	off := ahead.Abs() > mostAhead
	s.mu.Lock()
	defer s.mu.Unlock()
	if off && !s.off {
		s.log.Warn("the clocks of the ledger's database and of this machine differ. popferry goes by the database's, and deletes nothing by its age: set the clock that is wrong", "database_ahead", ahead.Round(time.Second))
	}
	s.off = off
	return off
}

// LedgerWarnings says, a line each, what the database of a shared ledger may lose.
func LedgerWarnings(ctx context.Context, store ledger.Store) []string {
	s, ok := store.(sharedLedger)
	if !ok {
		return nil
	}
	switch lossy, err := s.Asynchronous(ctx); {
	case err != nil:
		return []string{cause.Line("state", err)}
	case lossy:
		return []string{"state: the database has standbys, and does not wait for any of them (synchronous_standby_names is empty). A failover to one can lose what was confirmed last: what was forwarded then comes twice, except at IMAP destinations, and messages that only the database has may be lost. Set synchronous_standby_names (popferry help postgresql)"}
	}
	return nil
}
