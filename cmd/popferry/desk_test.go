package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// office is one account between two servers, with a person who settles it.
type office struct {
	t      *testing.T
	pop    *pop3test.Server
	sink   *smtptest.Server
	refuse atomic.Bool // whether the destination refuses all messages
	config string
}

// letters are mails that can be told by their UIDs, uid-1 first.
func letters(n int) (mail []string) {
	for i := range n {
		mail = append(mail, fmt.Sprintf("From: %[1]d@example.org\r\nSubject: about %[1]d\r\nMessage-ID: <%[1]d@example.org>\r\n\r\n.%[1]d\r\n", i+1))
	}
	return mail
}

func newOffice(t *testing.T, mail ...string) *office {
	t.Helper()
	o := &office{t: t, pop: startPOP3(t, pop3test.Options{}, mail...)}
	o.sink = startSMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if o.refuse.Load() && e.Stage == forwarder.StageDot {
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "not that"}
		}
		return smtptest.Fault{}
	}})
	o.config = writeConfig(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, tls: none, from: me@example.org, to: [me@example.org]}
`, hostPort(t, o.pop.Addr()), hostPort(t, o.sink.Addr().String()))
	return o
}

// poll polls once, as if a person asked, with the destination as it should be.
func (o *office) poll(refuse bool) {
	o.t.Helper()
	o.refuse.Store(refuse)
	if code, out, errs := popferry(o.t, "run", "--once", "--now", "--config", o.config); code != exitOK {
		o.t.Fatalf("run: exit %d\n%s%s", code, out, errs)
	}
}

// do runs a command and checks its exit code and what it says, on stdout where
// it succeeds and on stderr where not.
func (o *office) do(code int, say []string, args ...string) {
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
func (o *office) ledger(do func(*sqlite.Store)) {
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
func (o *office) accounts() (all map[string]ledger.Account) {
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
func (o *office) states() string {
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
func (o *office) mustBe(want string) {
	o.t.Helper()
	if got := o.states(); got != want {
		o.t.Errorf("%s, want %s", got, want)
	}
}

// TestLeaseIsWaitedFor: a person's command waits for the end of a poll, but
// not for ever, and changes nothing without the lease.
func TestLeaseIsWaitedFor(t *testing.T) {
	t.Parallel()
	o := newOffice(t, letters(1)...)
	o.poll(true)
	o.ledger(func(s *sqlite.Store) {
		lease, err := s.Lease(t.Context(), o.accounts()["isp"].ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"retry", "isp", "uid-1"}, {"skip", "isp", "uid-1"}, {"show", "isp", "uid-1"},
			{"adopt", "isp"}, {"resend", "isp"}, {"rename", "isp", "new"}, {"forget", "isp", "--yes"}} {
			o.do(exitOther, []string{"isp: another process is polling this account; nothing was changed"}, append(args, "--wait", "1ms")...)
		}
		o.mustBe("uid-1 held")

		var out bytes.Buffer
		waiting := &firstWrite{done: make(chan struct{})}
		ended := make(chan int)
		go func() {
			ended <- run(context.Background(), []string{"retry", "isp", "uid-1", "--wait", "1m", "--config", o.config}, &out, waiting)
		}()
		<-waiting.done
		if err := lease.Release(); err != nil {
			t.Fatal(err)
		}
		if code := <-ended; code != exitOK || !strings.Contains(out.String(), "isp: 1 due now") {
			t.Errorf("exit %d, %s", code, out.String())
		}
	})
}

// firstWrite tells when something was written.
type firstWrite struct{ done chan struct{} }

func (f *firstWrite) Write(p []byte) (int, error) {
	close(f.done) // a second write is not expected
	return len(p), nil
}

// TestNoLedgerYet: there is nothing to settle, and none is made.
func TestNoLedgerYet(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.do(exitOther, []string{"there is no ledger at ", "nothing has been polled so far"}, "retry", "isp", "--state", "held")
	if _, err := os.Stat(filepath.Join(filepath.Dir(o.config), "popferry.db")); err == nil {
		t.Error("a ledger was made")
	}
	o.poll(false)
	o.do(exitUsage, []string{`the ledger has no account "spi"; it has: isp`}, "retry", "spi", "--state", "held")
}

// later is a time that a test does not reach.
var later = time.Now().Add(time.Hour)
