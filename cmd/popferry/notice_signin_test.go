package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestNoticeBeforeASignInEnds: the user reads once that the provider ends a sign-in,
// and what to do; not of one that lasts.
func TestNoticeBeforeASignInEnds(t *testing.T) {
	t.Parallel()
	sink := testworld.SMTP(t, smtptest.Options{})
	const url = "http://127.0.0.1:1/token" // nobody is asked
	config := testworld.Config(t, `
log: {level: error}
state: popferry.db
notify: {to: [admin@example.org]}
defaults: {host: 127.0.0.1, port: 1, tls: none, oauth2: {client_id: x, token_url: "http://127.0.0.1:1/token", auth_url: "http://127.0.0.1:1/auth"}}
accounts:
  - {name: soon, username: leo@example.net}
  - {name: long, username: ada@example.net}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, sink.Addr().String()))
	store, err := sqlite.Open(t.Context(), filepath.Join(filepath.Dir(config), "popferry.db"), sqlite.Options{Create: true})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	for user, left := range map[string]time.Duration{"leo@example.net": 2 * 24 * time.Hour, "ada@example.net": 30 * 24 * time.Hour} {
		l, err := store.LeaseToken(t.Context(), ledger.TokenKey{Provider: url, Client: "x", User: user})
		if err != nil {
			t.Fatal(err)
		}
		row := ledger.Token{Access: "a", Refresh: "r", URL: url, Signed: now, Obtained: now, Ends: now.Add(time.Hour), Until: now.Add(left)}
		if err := errors.Join(l.Put(t.Context(), row, 0), l.Release()); err != nil {
			t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if code, out, errs := popferry(t, "run", "--once", "--now", "--config", config); code != exitAgain {
			t.Fatalf("exit %d\n%s%s", code, out, errs)
		}
	}
	mail := sink.Messages()
	if len(mail) != 1 {
		t.Fatalf("%d notices, want one", len(mail))
	}
	text := string(mail[0].Data)
	for _, want := range []string{"the sign-in of soon ends soon", "leo@example.net", "popferry login soon"} {
		if !strings.Contains(strings.ReplaceAll(text, "=\r\n", ""), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "ada@") {
		t.Errorf("a sign-in that lasts is in\n%s", text)
	}
}
