package main

import (
	"encoding/json"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/app"
	"github.com/popferry/popferry/cmd/internal/config"
	"github.com/popferry/popferry/cmd/internal/report"
	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// While a destination backs off, all of its accounts show when they are polled
// next and why not now, in status and on the page; other accounts do not.
func TestStatusShowsTheBackOffOfADestination(t *testing.T) {
	t.Parallel()
	src := testworld.POP3(t, pop3test.Options{}, testworld.OneMail)
	var down atomic.Bool
	down.Store(true)
	sink := testworld.SMTP(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if down.Load() && e.Stage == forwarder.StageMail {
			return smtptest.Fault{Code: 451, Text: "out of order"}
		}
		return smtptest.Fault{}
	}})
	pop, smtp := testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String())
	path := testworld.Config(t, `
log: {level: error}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret, forward: main}
  - {name: work, %[1]s, tls: none, username: zoe, password: secret, forward: main}
  - {name: club, %[1]s, tls: none, username: max, password: secret, forward: other}
forward:
  - {name: main, %s, tls: none, from: me@example.org, to: [me@example.org]}
  - {name: other, %[2]s, tls: none, from: me@example.org, to: [me@example.org]}
`, pop, smtp)
	began := time.Now()
	if code, _, errs := popferry(t, "run", "--once", "--config", path, "isp"); code != exitAgain {
		t.Fatalf("got exit %d, want %d\n%s", code, exitAgain, errs)
	}
	if code, _, errs := popferry(t, "run", "--once", "--verbose", "--config", path, "work"); code != exitAgain || !strings.Contains(errs, "work: not polled: it or its destination failed before") {
		t.Errorf("got exit %d, want %d\n%s", code, exitAgain, errs)
	}
	for name, accounts := range map[string][]report.AccountStatus{"status": statusByCommand(t, path), "page": statusByPage(t, path)} {
		for _, a := range accounts {
			if a.Name == "club" {
				if due := a.NextPoll != nil && !a.NextPoll.After(time.Now()); due != (name == "page") || a.LastError != "" { // whose popferry runs
					t.Errorf("%s: got %+v, want no error, and that it is due on the page alone", name, a)
				}
				continue
			}
			if a.NextPoll == nil || a.NextPoll.Before(began.Add(50*time.Second)) || !strings.Contains(a.LastError, "out of order") {
				t.Errorf("%s: %s: got next poll %v, %q; want a minute after %s, with the destination's reply", name, a.Name, a.NextPoll, a.LastError, began)
			}
		}
	}
	down.Store(false)
	if code, _, errs := popferry(t, "run", "--once", "--now", "--config", path, "isp", "work"); code != exitOK {
		t.Fatalf("got exit %d, want %d\n%s", code, exitOK, errs)
	}
	for _, a := range statusByCommand(t, path) {
		if a.NextPoll != nil || a.LastError != "" {
			t.Errorf("when it works again: got %+v, want no next poll and no error", a)
		}
	}
}

// statusByCommand is what popferry status --json prints.
func statusByCommand(t *testing.T, path string) []report.AccountStatus {
	t.Helper()
	var status struct{ Accounts []report.AccountStatus }
	_, out, errs := popferry(t, "status", "--json", "--config", path)
	if err := json.Unmarshal([]byte(out), &status); err != nil || len(status.Accounts) == 0 {
		t.Fatalf("%v\n%s%s", err, out, errs)
	}
	return status.Accounts
}

// statusByPage is the same of what the page shows.
func statusByPage(t *testing.T, path string) (list []report.AccountStatus) {
	t.Helper()
	cfg, err := config.Load(path, config.Env{CheckSchedule: schedule.Check})
	if err != nil {
		t.Fatal(err)
	}
	store, err := app.OpenLedger(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	view := report.NewLedgerView(store)
	view.Configure(cfg)
	accounts, err := view.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range accounts {
		s := report.AccountStatus{Name: a.Name, LastError: a.Cause.Text}
		if !a.NextPoll.IsZero() {
			s.NextPoll = &a.NextPoll
		}
		list = append(list, s)
	}
	return list
}
