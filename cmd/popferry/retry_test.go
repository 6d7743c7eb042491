package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher/ledger/sqlite"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

// The ways out of a refusal.
func TestRetryAndSkip(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(3)...)
	f.poll(true)
	f.hasStates("uid-1 held, uid-2 held, uid-3 held")

	f.do(exitOK, []string{"isp: uid-1: was held, is skipped\n", "isp: 1 skipped\n"}, "skip", "isp", "uid-1")
	f.do(exitOK, []string{"isp: uid-2: was held, is due now\n", "isp: 1 due now\n"}, "retry", "isp", "uid-2", "uid-2")
	f.hasStates("uid-1 skipped, uid-2 deferred, uid-3 held")
	f.poll(false)
	f.hasStates("uid-1 skipped, uid-2 forwarded, uid-3 held")

	f.do(exitOK, []string{"isp: 2 due now"}, "retry", "isp", "uid-1", "uid-3")
	f.poll(false)
	f.hasStates("uid-1 forwarded, uid-2 forwarded, uid-3 forwarded")
	if sent, left := len(f.sink.Messages()), len(f.pop.Messages("leo")); sent != 3 || left != 3 {
		t.Errorf("%d messages were sent and %d are left, want 3 and 3", sent, left)
	}
}

func TestRetryAndSkipAllMessagesInAState(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(3)...)
	f.poll(true)
	f.do(exitOK, []string{"isp: 0 skipped\n"}, "skip", "isp", "--state", "unknown")
	f.do(exitOK, []string{"isp: uid-1: was held", "isp: uid-3: was held", "isp: 3 skipped\n"}, "skip", "isp", "--state", "held")
	f.hasStates("uid-1 skipped, uid-2 skipped, uid-3 skipped")
	f.do(exitOK, []string{"isp: 3 due now\n"}, "retry", "isp", "--state", "skipped")
	f.hasStates("uid-1 deferred, uid-2 deferred, uid-3 deferred")
}

// A message that was skipped and then left its server does not wait for ever.
func TestRetryOfAMessageThatHasLeftItsServer(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(2)...)
	f.keepsMail()
	f.poll(true)
	f.do(exitOK, nil, "skip", "isp", "uid-1")
	f.pop.Change("leo", func(all []pop3test.Message) []pop3test.Message { return all[1:] })
	f.poll(true)
	f.hasStates("uid-1 skipped, uid-2 held")
	f.do(exitOK, nil, "retry", "isp", "uid-1")
	f.poll(true)
	f.hasStates("uid-1 gone, uid-2 held")
	f.do(exitOther, []string{"isp: cannot retry uid-1 in state gone (only: "}, "retry", "isp", "uid-1")
}

// A UID that cannot be meant is a mistake, so nothing is changed.
func TestRetryAndSkipChangeAllMessagesOrNone(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(1)...)
	f.poll(false)
	f.pop.Add("leo", pop3test.Message{UID: "uid-2", Octets: []byte(testworld.Mail(2)[1])})
	f.poll(true)
	f.hasStates("uid-1 forwarded, uid-2 held")
	for _, command := range []string{"retry", "skip"} {
		f.do(exitOther, []string{"isp: the ledger has no message with the UID no-such", "isp: cannot " + command + " uid-1 in state forwarded (only: deferred, held, ",
			"nothing was changed; to list the account's messages: popferry messages --config " + f.config + " --account isp"}, command, "isp", "uid-2", "no-such", "uid-1")
	}
	f.hasStates("uid-1 forwarded, uid-2 held")
}

// UIDs may have any octets. They are written as they are in the JSON of messages.
func TestSkipTakesUIDsWithAnyOctets(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for i, uid := range []string{"\xfc\x80", "-1"} {
		f.pop.Add("leo", pop3test.Message{UID: uid, Octets: []byte(testworld.Mail(2)[i])})
	}
	f.poll(true)
	f.do(exitOK, []string{`"uid":"ü\u0080"`}, "messages", "--json")
	f.do(exitOK, []string{`isp: "ü\u0080": was held`}, "skip", "isp", "ü\u0080")
	f.do(exitOK, []string{"isp: -1: was held"}, "skip", "--", "isp", "-1")
	f.hasStates("-1 skipped, \xfc\x80 skipped")
}

// Commands wait for a poll to end, but not for ever, and change nothing while it
// runs.
func TestCommandsWaitForTheEndOfAPoll(t *testing.T) {
	t.Parallel()
	f := newFixture(t, testworld.Mail(1)...)
	f.poll(true)
	f.ledger(func(s *sqlite.Store) {
		lease, err := s.Lease(t.Context(), f.accounts()["isp"].ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{{"retry", "isp", "uid-1"}, {"skip", "isp", "uid-1"}, {"show", "isp", "uid-1"},
			{"adopt", "isp"}, {"resend", "isp"}, {"rename", "isp", "new"}, {"forget", "isp", "--yes"}} {
			f.do(exitOther, []string{"isp: another process is polling this account; nothing was changed"}, append(args, "--wait", "1ms")...)
		}
		f.hasStates("uid-1 held")

		var out bytes.Buffer
		waiting := &firstWrite{done: make(chan struct{})}
		ended := make(chan int)
		go func() {
			ended <- run(context.Background(), []string{"retry", "isp", "uid-1", "--wait", "1m", "--config", f.config}, &out, waiting)
		}()
		<-waiting.done
		if err := lease.Release(); err != nil {
			t.Fatal(err)
		}
		if code := <-ended; code != exitOK || !strings.Contains(out.String(), "isp: 1 due now") {
			t.Errorf("got exit %d and %q, want %d and that 1 message is due now", code, out.String(), exitOK)
		}
	})
}

// firstWrite closes done when something is written.
type firstWrite struct{ done chan struct{} }

func (f *firstWrite) Write(p []byte) (int, error) {
	close(f.done) // a second write is not expected
	return len(p), nil
}

// Without a ledger there is nothing to change, and none is made.
func TestRetryWithoutALedger(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.do(exitOther, []string{"there is no ledger at ", "nothing has been polled so far"}, "retry", "isp", "--state", "held")
	if _, err := os.Stat(filepath.Join(filepath.Dir(f.config), "popferry.db")); err == nil {
		t.Error("a ledger was made, want none")
	}
	f.poll(false)
	f.do(exitUsage, []string{`the ledger has no account "spi"; it has: isp`}, "retry", "spi", "--state", "held")
}
