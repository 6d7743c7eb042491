package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// fixture is one account between two servers in memory.
type fixture struct {
	t      *testing.T
	pop    *pop3test.Server
	sink   *smtptest.Server
	refuse atomic.Bool // whether the destination refuses all messages
	config string
}

func newFixture(t *testing.T, mail ...string) *fixture {
	t.Helper()
	f := &fixture{t: t, pop: testworld.POP3(t, pop3test.Options{}, mail...)}
	f.sink = testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if f.refuse.Load() && e.Stage == forwarder.StageDot {
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "not that"}
		}
		return smtptest.Fault{}
	}})
	f.config = testworld.Config(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, f.pop.Addr()), testworld.HostPort(t, f.sink.Addr().String()))
	return f
}

// poll polls once, whatever backs off, with a destination that refuses all
// messages or accepts them.
func (f *fixture) poll(refuse bool) {
	f.t.Helper()
	f.refuse.Store(refuse)
	if code, out, errs := popferry(f.t, "run", "--once", "--now", "--config", f.config); code != exitOK {
		f.t.Fatalf("run: got exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
}

// do runs a command and checks its exit code and what it says: on stdout if it
// succeeds, else on stderr.
func (f *fixture) do(code int, say []string, args ...string) {
	f.t.Helper()
	got, out, errs := popferry(f.t, slices.Insert(args, 1, "--config", f.config)...)
	if code != exitOK {
		out = errs
	}
	if got != code {
		f.t.Errorf("%q: got exit %d, want %d\n%s", args, got, code, out)
	}
	for _, want := range say {
		if !strings.Contains(out, want) {
			f.t.Errorf("%q: got\n%s\nwant it to have %q", args, out, want)
		}
	}
}

// ledger opens the ledger for do.
func (f *fixture) ledger(do func(*sqlite.Store)) {
	f.t.Helper()
	store, err := sqlite.Open(f.t.Context(), filepath.Join(filepath.Dir(f.config), "popferry.db"), sqlite.Options{})
	if err != nil {
		f.t.Fatal(err)
	}
	do(store)
	if err := store.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// keepsMail has popferry know, before it polls for the first time, that the server
// keeps what was retrieved: no copies are made of what is not delivered.
func (f *fixture) keepsMail() {
	f.t.Helper()
	ctx := f.t.Context()
	cfg, err := app.Load(f.config)
	if err != nil {
		f.t.Fatal(err)
	}
	store, err := app.OpenLedger(ctx, cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	rows, err := app.Claim(ctx, store, app.Identities(cfg))
	if err != nil {
		f.t.Fatal(err)
	}
	for _, row := range rows {
		lease, err := store.Lease(ctx, row.ID)
		if err != nil {
			f.t.Fatal(err)
		}
		a, err := lease.Account(ctx)
		a.Server.RetrKeeps.Prove(true, time.Now())
		if err := errors.Join(err, lease.PutAccount(ctx, a), lease.Release()); err != nil {
			f.t.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// accounts reads the accounts by name.
func (f *fixture) accounts() (all map[string]ledger.Account) {
	f.t.Helper()
	all = make(map[string]ledger.Account)
	f.ledger(func(s *sqlite.Store) {
		list, err := s.Accounts(f.t.Context())
		if err != nil {
			f.t.Fatal(err)
		}
		for _, a := range list {
			all[a.Name] = a
		}
	})
	return all
}

// states are the messages as "UID state", sorted.
func (f *fixture) states() string {
	f.t.Helper()
	var all []string
	f.ledger(func(s *sqlite.Store) {
		if err := s.Messages(f.t.Context(), ledger.Filter{}, func(_ string, r *ledger.Record) error {
			all = append(all, fmt.Sprint(r.UID, " ", r.State))
			return nil
		}); err != nil {
			f.t.Fatal(err)
		}
	})
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// hasStates checks the states of the messages.
func (f *fixture) hasStates(want string) {
	f.t.Helper()
	if got := f.states(); got != want {
		f.t.Errorf("the messages are %s, want %s", got, want)
	}
}

// change changes every row of account isp.
func (f *fixture) change(edit func(*ledger.Record)) {
	f.t.Helper()
	f.ledger(func(s *sqlite.Store) {
		lease, err := s.Lease(f.t.Context(), f.accounts()["isp"].ID)
		if err != nil {
			f.t.Fatal(err)
		}
		defer func() { _ = lease.Release() }()
		if err := s.Messages(f.t.Context(), ledger.Filter{}, func(_ string, r *ledger.Record) error {
			edit(r)
			return lease.Put(context.WithoutCancel(f.t.Context()), r)
		}); err != nil {
			f.t.Fatal(err)
		}
	})
}

// later is a time that a test does not reach.
var later = time.Now().Add(time.Hour)
