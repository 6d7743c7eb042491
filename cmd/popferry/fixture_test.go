package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	o := &fixture{t: t, pop: testworld.POP3(t, pop3test.Options{}, mail...)}
	o.sink = testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if o.refuse.Load() && e.Stage == forwarder.StageDot {
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "not that"}
		}
		return smtptest.Fault{}
	}})
	o.config = testworld.Config(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, testworld.HostPort(t, o.pop.Addr()), testworld.HostPort(t, o.sink.Addr().String()))
	return o
}

// poll polls once, as if a person asked, with the destination as it should be.
func (o *fixture) poll(refuse bool) {
	o.t.Helper()
	o.refuse.Store(refuse)
	if code, out, errs := popferry(o.t, "run", "--once", "--now", "--config", o.config); code != exitOK {
		o.t.Fatalf("run: got exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
}

// do runs a command and checks its exit code and what it says, on stdout where
// it succeeds and on stderr where not.
func (o *fixture) do(code int, say []string, args ...string) {
	o.t.Helper()
	got, out, errs := popferry(o.t, slices.Insert(args, 1, "--config", o.config)...)
	if code != exitOK {
		out = errs
	}
	if got != code {
		o.t.Errorf("%q: exit %d, want %d\n%s", args, got, code, out)
	}
	for _, want := range say {
		if !strings.Contains(out, want) {
			o.t.Errorf("%q does not say %q but\n%s", args, want, out)
		}
	}
}

// ledger opens the ledger until the end of do.
func (o *fixture) ledger(do func(*sqlite.Store)) {
	o.t.Helper()
	store, err := sqlite.Open(o.t.Context(), filepath.Join(filepath.Dir(o.config), "popferry.db"), sqlite.Options{})
	if err != nil {
		o.t.Fatal(err)
	}
	do(store)
	if err := store.Close(); err != nil {
		o.t.Fatal(err)
	}
}

// accounts reads the accounts by name.
func (o *fixture) accounts() (all map[string]ledger.Account) {
	o.t.Helper()
	all = make(map[string]ledger.Account)
	o.ledger(func(s *sqlite.Store) {
		list, err := s.Accounts(o.t.Context())
		if err != nil {
			o.t.Fatal(err)
		}
		for _, a := range list {
			all[a.Name] = a
		}
	})
	return all
}

// states are the messages as "UID state", sorted.
func (o *fixture) states() string {
	o.t.Helper()
	var all []string
	o.ledger(func(s *sqlite.Store) {
		if err := s.Messages(o.t.Context(), ledger.Filter{}, func(_ string, r *ledger.Record) error {
			all = append(all, fmt.Sprint(r.UID, " ", r.State))
			return nil
		}); err != nil {
			o.t.Fatal(err)
		}
	})
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// mustBe fails unless these are the messages' states.
func (o *fixture) mustBe(want string) {
	o.t.Helper()
	if got := o.states(); got != want {
		o.t.Errorf("%s, want %s", got, want)
	}
}

// later is a time that a test does not reach.
var later = time.Now().Add(time.Hour)
