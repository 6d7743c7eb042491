//go:build linux

package main

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// The process is killed when one of two recipients has refused a message, before
// that one gets it as an attachment. Each recipient gets it exactly once.
func TestKilledBeforeItIsWrapped(t *testing.T) {
	t.Parallel()
	var both atomic.Bool // in_flight is 1
	sink := testworld.SMTP(t, smtptest.Options{LMTP: true, Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage == forwarder.StageRcpt:
			both.Store(e.Address == "a@example.org" || both.Load())
		case e.Stage == forwarder.StageMail:
			both.Store(false)
		case e.Stage == forwarder.StageDot && e.Address == "b@example.org" && both.Load():
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 26}, Text: "not like this"}
		}
		return smtptest.Fault{}
	}})
	src := testworld.POP3(t, pop3test.Options{}, testworld.Mail(3)...)
	cfg := testworld.Config(t, `
log: {level: warn}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret}
forward:
  - {%s, protocol: lmtp, tls: none, from: me@example.org, to: [a@example.org, b@example.org], in_flight: 1, on_reject: wrap}
`, testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
	args := []string{"run", "--once", "--now", "--config", cfg}
	c := exec.CommandContext(t.Context(), build(t, "-tags", "failpoint"), args...)
	c.Env = append(os.Environ(), "POPFERRY_FAILPOINT=refused:2")
	if out, err := c.CombinedOutput(); c.ProcessState.ExitCode() != -1 {
		t.Fatalf("got %v, want it killed\n%s", err, out)
	}
	if code, out, errs := popferry(t, args...); code != 0 || !strings.Contains(out, "0 held") {
		t.Fatalf("after the crash: got exit %d, want %d\n%s%s", code, exitOK, out, errs)
	}
	var got []string
	for _, m := range sink.Messages() {
		got = append(got, strings.Join(m.Recipients, " "))
	}
	slices.Sort(got)
	if want := slices.Concat(slices.Repeat([]string{"a@example.org"}, 3), slices.Repeat([]string{"b@example.org"}, 3)); !slices.Equal(got, want) {
		t.Errorf("arrived for %v, want %v", got, want)
	}
}
