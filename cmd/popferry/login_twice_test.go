package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/oauthtest"
	"github.com/popferry/popferry/cmd/internal/testworld"
)

// TestTwoProcessesWithOneLedgerOfTokens: two popferrys with one ledger poll two
// mailboxes at once into one inbox. All take access tokens alone, and at each poll
// those of the last one have ended. No poll fails, and each sign-in is renewed once:
// the provider would end one whose refresh token is used twice.
func TestTwoProcessesWithOneLedgerOfTokens(t *testing.T) {
	t.Parallel()
	const rounds, life = 10, 30 * time.Second
	began := time.Now()
	var elapsed atomic.Int64 // by the one clock of the provider and popferry
	w := newSignedIn(t, oauthtest.Options{Life: life, Now: func() time.Time { return began.Add(time.Duration(elapsed.Load())) }})
	w.addAccount("eve")
	mailboxes := map[string]string{"isp": "leo", "eve": "eve"} // by account
	for name, user := range mailboxes {
		w.signIn(name, user+"@isp.test")
	}
	w.signIn("inbox", "me@home.test")
	for round := range rounds {
		elapsed.Add(int64(life))
		var processes sync.WaitGroup
		for name, user := range mailboxes {
			w.dovecot.Seed(user, []byte(strings.ReplaceAll(testworld.OneMail, "one", fmt.Sprint(user, round))))
			processes.Go(func() {
				if code, shown := w.run(nil, "run", "--once", name); code != exitOK {
					t.Errorf("round %d of %s: exit %d\n%s", round, name, code, shown)
				}
			})
		}
		processes.Wait()
	}
	if n := w.dovecot.Count("me"); n != 2*rounds {
		t.Errorf("%d messages have arrived, want %d", n, 2*rounds)
	}
	if n := w.provider.Renewals(); n != 3*rounds || w.provider.Revoked() != 0 {
		t.Errorf("%d renewals of three sign-ins, want %d; %d sign-ins revoked", n, 3*rounds, w.provider.Revoked())
	}
	wantHidden(t, w.provider, w.shown.String())
}

// TestTokensThatEndBeforeTheirTime: a server that refuses an access token which is
// valid by the clock gets a new one in the same poll. Once the user has withdrawn
// what was allowed, the poll says that, and not that a token was refused.
func TestTokensThatEndBeforeTheirTime(t *testing.T) {
	t.Parallel()
	began := time.Now()
	var elapsed atomic.Int64
	w := newSignedIn(t, oauthtest.Options{Now: func() time.Time { return began.Add(time.Duration(elapsed.Load())) }})
	w.dovecot.Seed("leo", []byte(testworld.OneMail))
	w.signIn("isp", "leo@isp.test")
	w.signIn("inbox", "me@home.test")
	elapsed.Add(int64(2 * time.Minute))
	w.provider.EndAccess()
	if code, shown := w.run(nil, "run", "--once"); code != exitOK || !strings.Contains(shown, "1 forwarded") {
		t.Errorf("exit %d\n%s", code, shown)
	}
	if n := w.provider.Renewals(); n != 2 {
		t.Errorf("%d renewals of two sign-ins, want 2", n)
	}
	elapsed.Add(int64(2 * time.Minute))
	w.provider.RevokeAll()
	if code, shown := w.run(nil, "run", "--once"); code != exitAgain || !strings.Contains(shown, "the provider has ended the sign-in") {
		t.Errorf("after the end of the sign-in: exit %d\n%s", code, shown)
	}
	wantHidden(t, w.provider, w.shown.String())
}
