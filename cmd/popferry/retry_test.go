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

// TestRetryAndSkip: a person's ways out of a refusal.
func TestRetryAndSkip(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(3)...)
	o.poll(true)
	o.mustBe("uid-1 held, uid-2 held, uid-3 held")

	o.do(exitOK, []string{"isp: uid-1: was held, is skipped\n", "isp: 1 skipped\n"}, "skip", "isp", "uid-1")
	o.do(exitOK, []string{"isp: uid-2: was held, is due now\n", "isp: 1 due now\n"}, "retry", "isp", "uid-2", "uid-2")
	o.mustBe("uid-1 skipped, uid-2 deferred, uid-3 held")
	o.poll(false)
	o.mustBe("uid-1 skipped, uid-2 forwarded, uid-3 held")

	o.do(exitOK, []string{"isp: 2 due now"}, "retry", "isp", "uid-1", "uid-3")
	o.poll(false)
	o.mustBe("uid-1 forwarded, uid-2 forwarded, uid-3 forwarded")
	if sent, left := len(o.sink.Messages()), len(o.pop.Messages("leo")); sent != 3 || left != 3 {
		t.Errorf("%d were sent, %d are left", sent, left)
	}
}

// TestSettleByState: all that are in a state, be it none.
func TestSettleByState(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(3)...)
	o.poll(true)
	o.do(exitOK, []string{"isp: 0 skipped\n"}, "skip", "isp", "--state", "unknown")
	o.do(exitOK, []string{"isp: uid-1: was held", "isp: uid-3: was held", "isp: 3 skipped\n"}, "skip", "isp", "--state", "held")
	o.mustBe("uid-1 skipped, uid-2 skipped, uid-3 skipped")
	o.do(exitOK, []string{"isp: 3 due now\n"}, "retry", "isp", "--state", "skipped")
	o.mustBe("uid-1 deferred, uid-2 deferred, uid-3 deferred")
}

// TestRetryOfWhatHasLeft: a message that was skipped and then left its server
// does not wait for ever.
func TestRetryOfWhatHasLeft(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(2)...)
	o.poll(true)
	o.do(exitOK, nil, "skip", "isp", "uid-1")
	o.pop.Change("leo", func(all []pop3test.Message) []pop3test.Message { return all[1:] })
	o.poll(true)
	o.mustBe("uid-1 skipped, uid-2 held")
	o.do(exitOK, nil, "retry", "isp", "uid-1")
	o.poll(true)
	o.mustBe("uid-1 gone, uid-2 held")
	o.do(exitOther, []string{"isp: cannot retry uid-1 in state gone (only: "}, "retry", "isp", "uid-1")
}

// TestSettleAllOrNothing: who names a message that is not there, or not to be
// settled, means something else.
func TestSettleAllOrNothing(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(1)...)
	o.poll(false)
	o.pop.Add("leo", pop3test.Message{UID: "uid-2", Octets: []byte(testworld.Mail(2)[1])})
	o.poll(true)
	o.mustBe("uid-1 forwarded, uid-2 held")
	for _, command := range []string{"retry", "skip"} {
		o.do(exitOther, []string{"isp: the ledger has no message with the UID no-such", "isp: cannot " + command + " uid-1 in state forwarded (only: deferred, held, ",
			"nothing was changed; to list the account's messages: popferry messages --account isp"}, command, "isp", "uid-2", "no-such", "uid-1")
	}
	o.mustBe("uid-1 forwarded, uid-2 held")
}

// TestOddUIDs: any octets, as messages --json writes them.
func TestOddUIDs(t *testing.T) {
	t.Parallel()
	o := newFixture(t)
	for i, uid := range []string{"\xfc\x80", "-1"} {
		o.pop.Add("leo", pop3test.Message{UID: uid, Octets: []byte(testworld.Mail(2)[i])})
	}
	o.poll(true)
	o.do(exitOK, []string{`"uid":"ü` + "\u0080" + `"`}, "messages", "--json")
	o.do(exitOK, []string{`isp: "ü\u0080": was held`}, "skip", "isp", "ü\u0080")
	o.do(exitOK, []string{"isp: -1: was held"}, "skip", "--", "isp", "-1")
	o.mustBe("-1 skipped, \xfc\x80 skipped")
}

// TestLeaseIsWaitedFor: a person's command waits for the end of a poll, but
// not for ever, and changes nothing without the lease.
func TestLeaseIsWaitedFor(t *testing.T) {
	t.Parallel()
	o := newFixture(t, testworld.Mail(1)...)
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
			t.Errorf("got exit %d, want %d, %s", code, exitOK, out.String())
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
	o := newFixture(t)
	o.do(exitOther, []string{"there is no ledger at ", "nothing has been polled so far"}, "retry", "isp", "--state", "held")
	if _, err := os.Stat(filepath.Join(filepath.Dir(o.config), "popferry.db")); err == nil {
		t.Error("a ledger was made")
	}
	o.poll(false)
	o.do(exitUsage, []string{`the ledger has no account "spi"; it has: isp`}, "retry", "spi", "--state", "held")
}
