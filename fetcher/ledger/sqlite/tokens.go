package sqlite

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"github.com/popferry/popferry/fetcher/ledger"
)

// tokenColumns are scanned into tokenFields and written from tokenValues.
const tokenColumns = `provider, client, user, access, refresh, url, header, scopes, signed, obtained, ends, until, rotation, asked,
	cause_code, cause_text, refused, refusals, told`

func tokenFields(t *ledger.Token) []any {
	return []any{&t.Provider, &t.Client, &t.User, &t.Access, &t.Refresh, &t.URL, &t.Header, &t.Scopes, (*millis)(&t.Signed), (*millis)(&t.Obtained),
		(*millis)(&t.Ends), (*millis)(&t.Until), &t.Rotation, (*millis)(&t.Asked), &t.Refusal.Code, &t.Refusal.Text, (*millis)(&t.Refusal.At), &t.Refusal.Count, (*millis)(&t.Told)}
}

func tokenValues(t ledger.Token) []any {
	return []any{t.Provider, t.Client, t.User, t.Access, t.Refresh, t.URL, t.Header, t.Scopes, millis(t.Signed), millis(t.Obtained),
		millis(t.Ends), millis(t.Until), int(t.Rotation), millis(t.Asked), t.Refusal.Code, t.Refusal.Text, millis(t.Refusal.At), t.Refusal.Count, millis(t.Told)}
}

// putToken writes tokenValues, and the octets that are kept free.
const putToken = "REPLACE INTO tokens (" + tokenColumns + ", room) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, zeroblob(?))"

// Token returns a sign-in, or ledger.ErrNotFound.
func (s *Store) Token(ctx context.Context, key ledger.TokenKey) (ledger.Token, error) {
	var t ledger.Token
	err := s.read.scan(ctx, "SELECT "+tokenColumns+" FROM tokens WHERE (provider, client, user) = (?, ?, ?)",
		[]any{key.Provider, key.Client, key.User}, tokenFields(&t)...)
	if errors.Is(err, sql.ErrNoRows) {
		err = ledger.ErrNotFound
	}
	return t, explain("read the ledger", s.path, err)
}

// Tokens returns all sign-ins, by key, including those that are no longer
// configured.
func (s *Store) Tokens(ctx context.Context) ([]ledger.Token, error) {
	list, err := query(ctx, s.read, tokenFields, "SELECT "+tokenColumns+" FROM tokens ORDER BY provider, client, user")
	return list, explain("read the ledger", s.path, err)
}

// ErrTokenLost: a sign-in's lease was released, or its lock file replaced, so that
// another process may renew it by now.
var ErrTokenLost = errors.New("the right to renew the sign-in was lost")

// TokenLease is the right to change one sign-in. It is for one goroutine.
type TokenLease struct {
	store *Store
	key   ledger.TokenKey
	lock  *flock.Flock
}

// tokenLockRetry is the pause between two tries for a lease that another holder
// has: renewing takes as long as the provider does.
const tokenLockRetry = 20 * time.Millisecond

// LeaseToken takes the lease of a sign-in, which need not exist yet. It waits for
// other holders, in this process or another, until ctx ends: then the error is
// that of ctx. Release it at the end.
func (s *Store) LeaseToken(ctx context.Context, key ledger.TokenKey) (ledger.TokenLease, error) {
	l, err := s.leaseToken(ctx, key)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func (s *Store) leaseToken(ctx context.Context, key ledger.TokenKey) (*TokenLease, error) {
	// Before anything is read: what follows from it must not be another file's.
	if err := s.files.verify(s.path); err != nil {
		return nil, explain("read the ledger", s.path, err)
	}
	if err := makeLocksDir(s.path); err != nil {
		return nil, explain("make the folder", locksDir(s.path), err)
	}
	l := &TokenLease{store: s, key: key, lock: newLock(s.path, tokenLock(key))}
	if _, err := l.lock.TryLockContext(ctx, tokenLockRetry); err != nil {
		return nil, explain("lock", l.lock.Path(), err)
	}
	return l, nil
}

// tokenLock is the name of a sign-in's lock file. Accounts have numbers.
func tokenLock(key ledger.TokenKey) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{key.Provider, key.Client, key.User}, "\x00")))
	return "token-" + hex.EncodeToString(sum[:8])
}

// Token returns the sign-in as the last holder left it, or ledger.ErrNotFound.
func (l *TokenLease) Token(ctx context.Context) (ledger.Token, error) {
	return l.store.Token(ctx, l.key)
}

// Put writes the sign-in, and returns when it is on disk. room octets are written
// with it, and go with the next Put: so a disk that is nearly full shows before
// something comes that must not be lost. After ErrTokenLost nothing was written.
func (l *TokenLease) Put(ctx context.Context, t ledger.Token, room int) error {
	t.TokenKey = l.key
	return l.write(ctx, func(c *writeConn) error {
		_, err := c.exec(putToken, append(tokenValues(t), room)...)
		return err
	})
}

// Delete removes the sign-in, whose octets are overwritten. One that does not
// exist is no error.
func (l *TokenLease) Delete(ctx context.Context) error {
	return l.write(ctx, func(c *writeConn) error {
		_, err := c.exec("DELETE FROM tokens WHERE (provider, client, user) = (?, ?, ?)", l.key.Provider, l.key.Client, l.key.User)
		return err
	})
}

// write runs a change if the lease still holds once the transaction has begun.
func (l *TokenLease) write(ctx context.Context, do change) error {
	return l.store.write(ctx, func(c *writeConn) error {
		if !l.lock.Locked() {
			return fmt.Errorf("%w: it was given back", ErrTokenLost)
		}
		ours, err := l.lock.Stat()
		if err != nil {
			return err
		}
		if theirs, err := os.Stat(l.lock.Path()); err != nil || !os.SameFile(ours, theirs) {
			return fmt.Errorf("%w: its lock file %s was replaced", ErrTokenLost, l.lock.Path())
		}
		return do(c)
	})
}

// Release gives the lease back. The lock file stays, as that of an account does.
func (l *TokenLease) Release() error {
	return explain("unlock", l.lock.Path(), l.lock.Unlock())
}
