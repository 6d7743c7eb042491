package daemon

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/popferry/popferry/cmd/internal/schedule"
	"github.com/popferry/popferry/cmd/internal/testworld"
	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// TestPollRequests: a request during a poll is for the next one, and a request
// for an account that is removed ends with an error.
func TestPollRequests(t *testing.T) {
	t.Parallel()
	var p pollRequests
	first, second := make(chan fetcher.Result, 1), make(chan fetcher.Result, 1)
	p.add("isp", first)
	waiting, requested := p.take("isp")
	p.add("isp", second)
	reply(waiting, fetcher.Result{Account: "isp"})
	if !requested || len(first) != 1 || len(second) != 0 {
		t.Errorf("got requested %t, %d results for the first, %d for the second; want true, 1, 0", requested, len(first), len(second))
	}
	p.retain(func(account string) bool { return account == "isp" }, errNotPolled)
	if len(second) != 0 {
		t.Error("the request for an account that is still polled was ended")
	}
	p.retain(func(account string) bool { return account == "work" }, errNotPolled)
	select {
	case res := <-second:
		if !errors.Is(res.Err, errNotPolled) {
			t.Errorf("got %v, want %v", res.Err, errNotPolled)
		}
	default:
		t.Error("the request for a removed account waits for ever")
	}
	if _, requested := p.take("isp"); requested {
		t.Error("a request that was ended is still there")
	}
}

func oneAccount(t *testing.T, src *pop3test.Server, sink *smtptest.Server) string {
	t.Helper()
	return testworld.Config(t, "state: popferry.db\nschedule: '@every 1h'\naccounts:\n  - {name: isp, %s, tls: none, username: leo, password: secret}\n"+
		"forward:\n  - {%s, tls: none, from: me@example.org, to: [me@example.org]}\n", testworld.HostPort(t, src.Addr()), testworld.HostPort(t, sink.Addr().String()))
}

// TestPollRequestDuringReload: a request that comes while the generation is being
// replaced is for the next one, which would honour the back-off otherwise.
func TestPollRequestDuringReload(t *testing.T) {
	t.Parallel()
	var well atomic.Bool
	src := testworld.POP3(t, pop3test.Options{Handle: testworld.Refusing(&well)}, testworld.OneMail)
	sink := testworld.SMTP(t, smtptest.Options{})
	var log testworld.Output
	d, cfg := fixture(t, oneAccount(t, src, sink), &log, slog.LevelInfo)
	old := d.begin(t, cfg)
	testworld.WaitFor(t, "poll that is refused", func() bool { return strings.Contains(log.String(), "poll ended early") })
	old.stop()
	well.Store(true)
	c := control{d}
	if err := c.Poll("isp"); err != nil {
		t.Fatal(err)
	}
	if err := c.alive(); err != nil {
		t.Errorf("while it is replaced: got %v, want it to be alive", err)
	}
	d.begin(t, cfg)
	testworld.WaitFor(t, "poll in spite of the back-off", func() bool { return len(sink.Messages()) == 1 })
}

// TestPollRequestJustBeforeReload: a generation that is stopped during a
// requested poll leaves the request to the next one.
func TestPollRequestJustBeforeReload(t *testing.T) {
	t.Parallel()
	src, sink := testworld.POP3(t, pop3test.Options{}, testworld.OneMail), testworld.SMTP(t, smtptest.Options{})
	d, cfg := fixture(t, oneAccount(t, src, sink), io.Discard, slog.LevelInfo)
	g, err := d.newGeneration(cfg)
	if err != nil {
		t.Fatal(err)
	}
	g.stop()
	waiting := make(chan fetcher.Result, 1)
	d.requests.add("isp", waiting)
	d.poll(t.Context(), g, "isp", schedule.Turn{})
	if got, requested := d.requests.take("isp"); !requested || len(got) != 1 || len(waiting) != 0 {
		t.Errorf("got requested %t, %d waiting, %d results; want true, 1, 0", requested, len(got), len(waiting))
	}
}

// TestRequestedPollOfALeasedAccount: who requested it gets one answer, and the poll is
// made up for when the lease is free.
func TestRequestedPollOfALeasedAccount(t *testing.T) {
	t.Parallel()
	src, sink := testworld.POP3(t, pop3test.Options{}, testworld.OneMail), testworld.SMTP(t, smtptest.Options{})
	d, cfg := fixture(t, oneAccount(t, src, sink), io.Discard, slog.LevelInfo)
	g, err := d.newGeneration(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer g.stop()
	lease, err := d.Store.Lease(t.Context(), g.app.IDs([]string{"isp"})[0])
	if err != nil {
		t.Fatal(err)
	}
	waiting := make(chan fetcher.Result, 2) // there is room for one too many
	d.requests.add("isp", waiting)
	d.poll(t.Context(), g, "isp", schedule.Turn{})
	if n := len(waiting); n != 1 {
		t.Errorf("%d answers, want 1", n)
	}
	if err := lease.Release(); err != nil {
		t.Fatal(err)
	}
	d.poll(t.Context(), g, "isp", schedule.Turn{})
	if n := len(sink.Messages()); n != 1 || len(waiting) != 1 {
		t.Errorf("with the lease: %d messages arrived, %d answers; want 1, and no other answer", n, len(waiting))
	}
}

// TestRequestedPollThatYields: who requested it waits for the rest, and gets the
// result of all.
func TestRequestedPollThatYields(t *testing.T) {
	t.Parallel()
	src, sink := testworld.POP3(t, pop3test.Options{Pipelining: pop3test.PipeliningHidden}, testworld.Mail(3)...), testworld.SMTP(t, smtptest.Options{})
	var log bytes.Buffer
	d, cfg := fixture(t, oneAccount(t, src, sink), &log, slog.LevelInfo)
	g, err := d.newGeneration(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer g.stop()
	waiting := make(chan fetcher.Result, 1)
	d.requests.add("isp", waiting)
	yield := make(chan struct{})
	close(yield)
	for _, step := range []struct {
		turn schedule.Turn
		end  schedule.End
	}{{schedule.Turn{Yield: yield}, schedule.Unfinished}, {schedule.Turn{Yield: yield}, schedule.Unfinished}, {schedule.Turn{}, schedule.Finished}} {
		if len(waiting) != 0 {
			t.Error("there is a result before the end of the poll")
		}
		if end := d.poll(t.Context(), g, "isp", step.turn); end != step.end {
			t.Errorf("the poll ended as %d, want %d", end, step.end)
		}
	}
	if res := <-waiting; res.Forwarded != 3 || res.Err != nil {
		t.Errorf("got %d forwarded, error %v; want 3, none", res.Forwarded, res.Err)
	}
	for said, times := range map[string]int{"other accounts are waiting": 2, "msg=polled": 1, "level=ERROR": 0} {
		if got := strings.Count(log.String(), said); got != times {
			t.Errorf("%q was logged %d times, want %d: %s", said, got, times, log.String())
		}
	}
}
