package oauth_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/popferry/popferry/cmd/internal/oauth"
	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
)

// The environment of a process that is to be killed.
const (
	childLedger   = "POPFERRY_TEST_LEDGER"
	childProvider = "POPFERRY_TEST_PROVIDER"
	childHolds    = "POPFERRY_TEST_HOLDS" // it stops once it has the answer, before it is on disk
)

func TestMain(m *testing.M) {
	if path := os.Getenv(childLedger); path != "" {
		os.Exit(child(path))
	}
	goleak.VerifyTestMain(m)
}

// child asks for an access token. It prints a line when it has one, and when it
// has the answer and goes no further.
func child(path string) int {
	s, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		fmt.Println(err)
		return 1
	}
	held := store{s, func(row ledger.Token, _ int, write func() error) error {
		if row.Asked.IsZero() && os.Getenv(childHolds) != "" {
			fmt.Println("answered")
			select {}
		}
		return write()
	}}
	if _, err := new(oauth.Tokens).Get(context.Background(), held, clientAt(os.Getenv(childProvider))); err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("done")
	return 0
}

// TestKilled: popferry is killed fifty times between the provider's answer and the
// ledger's. A sign-in that renewals cannot end goes on; of another the user is told
// to sign in again; the provider never sees a refresh token that it has replaced.
func TestKilled(t *testing.T) {
	t.Parallel()
	const kills = 50
	for name, keeps := range map[string]bool{"replaced": false, "kept": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			victims := make(chan *exec.Cmd, 1) // to be killed before the answer is out
			var killing atomic.Bool
			dead := make(chan struct{})
			p := oauthtest.New(t, oauthtest.Options{Keeps: keeps, Life: time.Hour, Granted: func(form url.Values) {
				if killing.Load() && form.Get("grant_type") == "refresh_token" {
					_ = (<-victims).Process.Kill()
					<-dead
				}
			}})
			path := filepath.Join(t.TempDir(), "popferry.db")
			s, c, tokens := open(t, path), client(p), new(oauth.Tokens)
			for i := range kills / 2 {
				for _, holds := range []bool{false, true} {
					keepIfNeeded(t, tokens, s, c)
					makeOld(t, s, c)
					cmd := exec.Command(os.Args[0])
					cmd.Env = append(os.Environ(), childLedger+"="+path, childProvider+"="+p.URL)
					if holds {
						cmd.Env = append(cmd.Env, childHolds+"=1")
					}
					out, err := cmd.StdoutPipe()
					if err != nil {
						t.Fatal(err)
					}
					killing.Store(!holds)
					if err := cmd.Start(); err != nil {
						t.Fatal(err)
					}
					if !holds {
						victims <- cmd
					}
					line, _ := bufio.NewReader(out).ReadString('\n')
					_ = cmd.Process.Kill()
					_ = cmd.Wait()
					if killing.Swap(false) {
						dead <- struct{}{}
					}
					if want := map[bool]string{true: "answered\n"}[holds]; line != want {
						t.Fatalf("kill %d: the process said %q, want %q", i, line, want)
					}
					wantNoSecret(t, line, p)
					_, err = tokens.Get(t.Context(), s, c)
					if keeps && err != nil {
						t.Fatalf("kill %d: %v", i, err)
					}
					if !keeps {
						wantReason(t, err, oauth.InDoubt, p)
					}
				}
			}
			if p.Revoked() != 0 {
				t.Errorf("%d sign-ins were revoked", p.Revoked())
			}
		})
	}
}

// keepIfNeeded signs in where popferry asks for it, and renews once, so that it is
// known whether the refresh token is replaced.
func keepIfNeeded(t *testing.T, tokens *oauth.Tokens, s store, c oauth.Client) {
	t.Helper()
	_, err := tokens.Look(t.Context(), s, c)
	if err == nil {
		return
	}
	if e, ok := errors.AsType[*oauth.Error](err); !ok || e.Reason != oauth.Needed && e.Reason != oauth.InDoubt || !strings.Contains(err.Error(), user) {
		t.Fatal(err)
	}
	keep(t, tokens, s, c)
	makeOld(t, s, c)
	if _, err := tokens.Get(t.Context(), s, c); err != nil {
		t.Fatal(err)
	}
}

// makeOld ends the access token of a sign-in.
func makeOld(t *testing.T, s store, c oauth.Client) {
	t.Helper()
	changeToken(t, s, c, func(row *ledger.Token) { row.Ends = row.Obtained })
}

// changeToken changes a sign-in in the ledger.
func changeToken(t *testing.T, s store, c oauth.Client, do func(*ledger.Token)) {
	t.Helper()
	l, err := s.Store.LeaseToken(t.Context(), c.Key())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Release() }()
	row, err := l.Token(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	do(&row)
	if err := l.Put(t.Context(), row, 0); err != nil {
		t.Fatal(err)
	}
}
