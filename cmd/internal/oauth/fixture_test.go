package oauth_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

const user = "leo@example.net"

// store is a ledger as package oauth wants it. put, if set, decides about each
// write: it writes by calling write, or fails.
type store struct {
	*sqlite.Store
	put func(row ledger.Token, room int, write func() error) error
}

func (s store) LeaseToken(ctx context.Context, key ledger.TokenKey) (oauth.Lease, error) {
	l, err := s.Store.LeaseToken(ctx, key)
	if err != nil {
		return nil, err
	}
	return lease{l, s.put}, nil
}

type lease struct {
	ledger.TokenLease
	put func(ledger.Token, int, func() error) error
}

func (l lease) Put(ctx context.Context, row ledger.Token, room int) error {
	write := func() error { return l.TokenLease.Put(ctx, row, room) }
	if l.put == nil {
		return write()
	}
	return l.put(row, room, write)
}

// open opens a ledger until the end of the test.
func open(t *testing.T, path string) store {
	t.Helper()
	s, err := sqlite.Open(context.Background(), path, sqlite.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return store{Store: s}
}

func newStore(t *testing.T) store {
	t.Helper()
	return open(t, filepath.Join(t.TempDir(), "popferry.db"))
}

// clock is a time that the test moves.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Now().Truncate(time.Millisecond)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) move(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// client is popferry at the provider.
func client(p *oauthtest.Provider) oauth.Client { return clientAt(p.URL) }

func clientAt(base string) oauth.Client {
	return oauth.Client{
		ID: oauthtest.Client, User: user, Scopes: []string{"mail", "offline_access"},
		Endpoints: oauth.Endpoints{Auth: base + "/authorize", Token: base + "/token", Device: base + "/device"},
	}
}

// signIn signs in by a browser elsewhere.
func signIn(t *testing.T, c oauth.Client) oauth.SignIn {
	t.Helper()
	r, err := c.Paste(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := r.Finish(t.Context(), oauthtest.Browse(t, r.URL))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keep signs in and writes it to the ledger.
func keep(t *testing.T, tokens *oauth.Tokens, s oauth.Store, c oauth.Client) {
	t.Helper()
	if err := tokens.Keep(t.Context(), s, c, signIn(t, c)); err != nil {
		t.Fatal(err)
	}
}

// wantToken fails unless there is an access token that the provider takes.
func wantToken(t *testing.T, tokens *oauth.Tokens, s oauth.Store, c oauth.Client, p *oauthtest.Provider) string {
	t.Helper()
	token, err := tokens.Get(t.Context(), s, c)
	if err != nil {
		t.Fatal(err)
	}
	if who, ok := p.User(token); !ok || who != user {
		t.Fatalf("the provider takes the access token for %q, want %q", who, user)
	}
	return token
}

// wantReason fails unless err has this reason, and no secret in it.
func wantReason(t *testing.T, err error, want oauth.Reason, p *oauthtest.Provider) {
	t.Helper()
	var e *oauth.Error
	if !errors.As(err, &e) || e.Reason != want {
		t.Errorf("got %v, want reason %s", err, want.Code())
		return
	}
	wantNoSecret(t, err.Error(), p)
}

func wantNoSecret(t *testing.T, text string, p *oauthtest.Provider) {
	t.Helper()
	for _, secret := range p.Secrets() {
		_, random, _ := strings.Cut(secret, "-")
		if strings.Contains(text, random) {
			t.Errorf("%q shows a secret", text)
		}
	}
}
