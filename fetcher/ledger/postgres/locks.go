package postgres

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
)

// lock is the lock or the unlock of one key on the writing session.
type lock struct {
	key     int64
	release bool
	got     bool     // the answer to a lock
	session *session // on which it is
}

// key is that of a lock, by the ledger's id, what it is for, and which one. Locks
// are everybody's in the database, so two keys could be the same by chance (one in
// 2^63): then one waits as if the other were leased.
func (s *Store) key(kind string, names ...string) int64 {
	sum := hash(append([]string{"popferry", s.id, kind}, names...)...)
	return int64(binary.BigEndian.Uint64([]byte(sum[:8])))
}

func (s *Store) accountKey(account int64) int64 {
	return s.key("account", strconv.FormatInt(account, 10))
}

// take asks for a lock, without waiting for it. PostgreSQL gives a session the same
// lock as often as it asks, so what this process has is noted here, until it is
// given back: also a lock that was lost meanwhile, whose holder has not noticed.
func (s *Store) take(ctx context.Context, key int64) (*session, error) {
	s.mu.Lock()
	if s.held[key] {
		s.mu.Unlock()
		return nil, ledger.ErrLeased
	}
	s.held[key] = true
	s.mu.Unlock()
	l := &lock{key: key}
	err := s.writer.do(ctx, &request{lock: l})
	if err == nil && !l.got {
		err = ledger.ErrLeased
	}
	if err != nil {
		s.forget(key)
		return nil, err
	}
	return l.session, nil
}

// giveBack gives a lock back. One that was lost is nobody's business any more.
func (s *Store) giveBack(key int64, on *session) error {
	defer s.forget(key)
	err := s.writer.do(context.Background(), &request{lock: &lock{key: key, release: true, session: on}})
	if errors.Is(err, ErrClosed) || errors.Is(err, ledger.ErrUnavailable) {
		return nil // it goes, or went, with its session
	}
	return err
}

func (s *Store) forget(key int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.held, key)
}

// Slot is one of a few locks of a kind.
type Slot struct {
	store   *Store
	session *session
	key     int64
	once    sync.Once
	err     error // of Release
}

// Slot takes one of n slots of a kind, or returns ledger.ErrLeased at once. Whoever
// takes them does so in another order, so that the first try mostly finds a free one.
func (s *Store) Slot(ctx context.Context, kind string, n int) (ledger.Slot, error) {
	first := rand.IntN(max(1, n))
	for i := range n {
		key := s.key("slot", kind, strconv.Itoa((first+i)%n))
		on, err := s.take(ctx, key)
		if err == nil {
			return &Slot{store: s, session: on, key: key}, nil
		}
		if !errors.Is(err, ledger.ErrLeased) {
			return nil, err
		}
	}
	return nil, ledger.ErrLeased
}

// Lost is closed when the slot is lost for sure.
func (l *Slot) Lost() <-chan struct{} { return l.session.over }

// Release gives the slot back. A second call does nothing.
func (l *Slot) Release() error {
	l.once.Do(func() { l.err = l.store.giveBack(l.key, l.session) })
	return l.err
}

// serveLocks serves locks and unlocks in one round trip.
func (w *writer) serveLocks(s *session, group []*request) {
	err := w.askLocks(s, group)
	if err != nil && !s.lost() {
		// Which of them are there is not known: give all back, and ask one by one.
		for _, r := range group {
			_ = w.askLocks(s, []*request{{lock: &lock{key: r.lock.key, release: true, session: s}}})
		}
		for _, r := range group {
			r.answer <- w.store.db.Explain("lock in the ledger's database", w.askLocks(s, []*request{r}))
		}
		return
	}
	answer(group, w.store.db.Explain("lock in the ledger's database", err))
}

func (w *writer) askLocks(s *session, group []*request) error {
	b := &pgx.Batch{}
	for _, r := range group {
		l := r.lock
		switch {
		case l.release && l.session == s:
			b.Queue("SELECT pg_advisory_unlock($1)", l.key).QueryRow(func(row pgx.Row) error { return row.Scan(new(bool)) })
		case !l.release:
			l.session = s
			b.Queue("SELECT pg_try_advisory_lock($1)", l.key).QueryRow(func(row pgx.Row) error { return row.Scan(&l.got) })
		}
	}
	if b.Len() == 0 {
		return nil
	}
	return s.ask(b)
}
