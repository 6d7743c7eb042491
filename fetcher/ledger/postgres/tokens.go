package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/popferry/popferry/fetcher/ledger"
)

// tokenColumns are scanned into tokenFields.
const tokenColumns = `provider, client, username, access, refresh, url, header, scopes, signed, obtained, ends, until, rotation, asked,
	cause_code, cause_text, refused, refusals, told`

func tokenFields(t *ledger.Token) []any {
	return []any{&t.Provider, &t.Client, &t.User, (*octets)(&t.Access), (*octets)(&t.Refresh), &t.URL, &t.Header, &t.Scopes, (*moment)(&t.Signed), (*moment)(&t.Obtained),
		(*moment)(&t.Ends), (*moment)(&t.Until), &t.Rotation, (*moment)(&t.Asked), &t.Refusal.Code, &t.Refusal.Text, (*moment)(&t.Refusal.At), &t.Refusal.Count, (*moment)(&t.Told)}
}

func tokenHash(key ledger.TokenKey) octets { return hash(key.Provider, key.Client, key.User) }

// Token returns a sign-in, or ledger.ErrNotFound. The error of tokens that cannot be
// unsealed is an *seal.Error.
func (s *Store) Token(ctx context.Context, key ledger.TokenKey) (t ledger.Token, err error) {
	err = s.scan(ctx, "SELECT "+tokenColumns+" FROM tokens WHERE key = $1", []any{tokenHash(key)}, tokenFields(&t)...)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return ledger.Token{}, ledger.ErrNotFound
	case err != nil:
		return ledger.Token{}, err
	}
	return t, s.unseal(&t)
}

// Tokens returns all sign-ins, by key, including those that are no longer
// configured. Those that cannot be unsealed have no tokens.
func (s *Store) Tokens(ctx context.Context) ([]ledger.Token, error) {
	list, err := query(ctx, s, tokenFields, "SELECT "+tokenColumns+" FROM tokens ORDER BY provider, client, username")
	for i := range list {
		if s.unseal(&list[i]) != nil {
			list[i].Access, list[i].Refresh = "", ""
		}
	}
	return list, err
}

func (s *Store) unseal(t *ledger.Token) (err error) {
	if t.Access, err = s.seal.Open(t.Access, t.TokenKey, "access"); err == nil {
		t.Refresh, err = s.seal.Open(t.Refresh, t.TokenKey, "refresh")
	}
	return err
}

// sealed is a sign-in with its tokens sealed.
func (s *Store) sealed(t ledger.Token) (ledger.Token, error) {
	access, err := s.seal.Seal(t.Access, t.TokenKey, "access")
	if err != nil {
		return t, err
	}
	refresh, err := s.seal.Seal(t.Refresh, t.TokenKey, "refresh")
	t.Access, t.Refresh = access, refresh
	return t, err
}

const putToken = `INSERT INTO tokens (key, ` + tokenColumns + `, room) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
	ON CONFLICT (key) DO UPDATE SET (access, refresh, url, header, scopes, signed, obtained, ends, until, rotation, asked, cause_code, cause_text, refused, refusals, told, room) =
	(excluded.access, excluded.refresh, excluded.url, excluded.header, excluded.scopes, excluded.signed, excluded.obtained, excluded.ends, excluded.until, excluded.rotation,
	excluded.asked, excluded.cause_code, excluded.cause_text, excluded.refused, excluded.refusals, excluded.told, excluded.room)`

// tokenValues are those of putToken, for a sealed sign-in; so many octets are kept free.
func tokenValues(t ledger.Token, room int) []any {
	return []any{tokenHash(t.TokenKey), text(t.Provider), text(t.Client), text(t.User), octets(t.Access), octets(t.Refresh), text(t.URL), t.Header, text(t.Scopes),
		moment(t.Signed), moment(t.Obtained), moment(t.Ends), moment(t.Until), int(t.Rotation), moment(t.Asked),
		text(t.Refusal.Code), text(t.Refusal.Text), moment(t.Refusal.At), t.Refusal.Count, moment(t.Told), make([]byte, room)}
}

// TokenLease is the right to change one sign-in. It is for one goroutine.
type TokenLease struct {
	store   *Store
	session *session
	key     ledger.TokenKey
	lock    int64
	over    bool // it was given back
}

// tokenRetry is the pause between two tries for a lease that another holder has:
// renewing takes as long as the provider does.
const tokenRetry = 50 * time.Millisecond

// LeaseToken takes the lease of a sign-in, which need not exist yet. It waits for
// other holders, in this process or another, until ctx ends: then the error is
// that of ctx. Release it at the end.
func (s *Store) LeaseToken(ctx context.Context, key ledger.TokenKey) (ledger.TokenLease, error) {
	l := &TokenLease{store: s, key: key, lock: s.key("token", key.Provider, key.Client, key.User)}
	wait := time.NewTicker(tokenRetry)
	defer wait.Stop()
	for {
		var err error
		if l.session, err = s.take(ctx, l.lock); !errors.Is(err, ledger.ErrLeased) {
			if err != nil {
				return nil, err
			}
			return l, nil
		}
		select {
		case <-wait.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Token returns the sign-in as the last holder left it, or ledger.ErrNotFound.
func (l *TokenLease) Token(ctx context.Context) (ledger.Token, error) {
	return l.store.Token(ctx, l.key)
}

// Put writes the sign-in, and returns when it is on disk. room octets are written
// with it, and go with the next Put: so a disk that is nearly full shows before
// something comes that must not be lost.
func (l *TokenLease) Put(ctx context.Context, t ledger.Token, room int) error {
	t.TokenKey = l.key
	t, err := l.store.sealed(t)
	if err != nil {
		return err
	}
	return l.write(ctx, func(b *pgx.Batch, _ *counts) { b.Queue(putToken, tokenValues(t, room)...) })
}

// Delete removes the sign-in. One that does not exist is no error. The database
// keeps its octets, sealed, until VACUUM, and in its backups.
func (l *TokenLease) Delete(ctx context.Context) error {
	return l.write(ctx, func(b *pgx.Batch, _ *counts) { b.Queue("DELETE FROM tokens WHERE key = $1", tokenHash(l.key)) })
}

// write runs a change if the lease still holds.
func (l *TokenLease) write(ctx context.Context, queue func(*pgx.Batch, *counts)) error {
	if l.over {
		return fmt.Errorf("the right to renew the sign-in of %s was given back", l.key.User)
	}
	return l.store.writer.do(ctx, &request{change: queued(queue), under: &Lease{session: l.session}})
}

// Release gives the lease back. A second call does nothing.
func (l *TokenLease) Release() error {
	if l.over {
		return nil
	}
	l.over = true
	return l.store.giveBack(l.lock, l.session)
}
