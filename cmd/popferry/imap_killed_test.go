//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"
	"time"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// imapWorld is a mailbox with five messages and an inbox at an IMAP server.
type imapWorld struct {
	t      *testing.T
	binary string // built with the tag failpoint
	src    *pop3test.Server
	inbox  *imaptest.Server
	args   []string // to poll
}

const imapMessages = 5

func newIMAPWorld(t *testing.T, binary, leave string, o imaptest.Options) *imapWorld {
	t.Helper()
	src := testworld.POP3(t, pop3test.Options{})
	for n := range imapMessages {
		src.Add("leo", pop3test.Message{UID: fmt.Sprint(n), Octets: letter("leo", n, 2000)})
	}
	inbox, err := imaptest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = inbox.Close() })
	cfg := testworld.Config(t, `
log: {level: warn}
state: popferry.db
accounts:
  - {name: isp, %s, tls: none, username: leo, password: secret, leave_on_server: %s}
forward:
  - {%s, protocol: imap, tls: none, username: inbox, password: secret}
`, testworld.HostPort(t, src.Addr()), leave, testworld.HostPort(t, inbox.Addr().String()))
	return &imapWorld{t, binary, src, inbox, []string{"run", "--once", "--now", "--config", cfg}}
}

// dies polls until the process is killed at a point.
func (w *imapWorld) dies(point string) {
	w.t.Helper()
	c := exec.CommandContext(w.t.Context(), w.binary, w.args...)
	c.Env = append(os.Environ(), "POPFERRY_FAILPOINT="+point)
	if out, err := c.CombinedOutput(); c.ProcessState.ExitCode() != -1 {
		w.t.Fatalf("the process was not killed: %v\n%s", err, out)
	}
}

// settles polls until nothing waits any more, and wants each message there once.
func (w *imapWorld) settles(leave string) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	for {
		c := exec.CommandContext(ctx, w.binary, w.args...)
		out, err := c.CombinedOutput()
		if err == nil {
			break
		}
		if c.ProcessState.ExitCode() != exitAgain {
			w.t.Fatalf("it does not come to an end: %v\n%s", err, out)
		}
	}
	got := make(map[string]int)
	for _, m := range w.inbox.Messages("INBOX") {
		_, id, _ := bytes.Cut(m.Octets, []byte("Message-ID: "))
		id, _, _ = bytes.Cut(id, []byte("\r\n"))
		got[string(id)]++
	}
	if n := len(w.inbox.Messages("INBOX")); len(got) != imapMessages || n != imapMessages {
		w.t.Errorf("%d messages arrived, %d of them different; want each of %d once", n, len(got), imapMessages)
	}
	if left := len(w.src.Messages("leo")); left != map[string]int{"true": imapMessages, "false": 0}[leave] {
		w.t.Errorf("%d messages are left at the source", left)
	}
}

// The process is killed between any two steps of a message's way into an inbox by
// IMAP, also twice in a row: the server is asked what it has, and each message is there
// once.
func TestKilledWithAnIMAPInbox(t *testing.T) {
	t.Parallel()
	binary := build(t, "-tags", "failpoint")
	for _, point := range []string{"fetched:3", "intended:1", "intended:3", "answered:1", "answered:3", "written:1", "written:3", "forwarded:1"} {
		for _, leave := range []string{"true", "false"} {
			t.Run(point+" leave_on_server "+leave, func(t *testing.T) {
				t.Parallel()
				w := newIMAPWorld(t, binary, leave, imaptest.Options{})
				w.dies(point)
				if point == "intended:1" {
					w.dies(point) // with others, while the first waits
				}
				w.settles(leave)
			})
		}
	}
}

// The connection ends between a message and its answer, whether the server has stored
// the message or not: it is there once.
func TestCutBetweenAMessageAndItsAnswer(t *testing.T) {
	t.Parallel()
	binary := build(t, "-tags", "failpoint")
	for _, stored := range []bool{true, false} {
		for _, leave := range []string{"true", "false"} {
			t.Run(fmt.Sprintf("stored %t leave_on_server %s", stored, leave), func(t *testing.T) {
				t.Parallel()
				var cuts atomic.Int32
				w := newIMAPWorld(t, binary, leave, imaptest.Options{Fault: func(e imaptest.Event) (f imaptest.Fault) {
					if e.Command == "MESSAGE" && e.Appends > 1 && cuts.Add(1) <= 2 {
						f.Store, f.Close = stored, true
					}
					return f
				}})
				w.settles(leave)
				if cuts.Load() == 0 {
					t.Error("no connection was cut")
				}
			})
		}
	}
}
