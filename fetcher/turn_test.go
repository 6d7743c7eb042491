package fetcher_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// atRETR does something at the n-th RETR of all, before it is answered.
func atRETR(n int, do func(s *pop3test.Session)) popHandler {
	seen := 0
	return func(s *pop3test.Session, verb, _ string) bool {
		if verb == "RETR" {
			if seen++; seen == n {
				do(s)
			}
		}
		return false
	}
}

// The session ends properly: what was forwarded is deleted, and the rest is left
// to the next poll.
func TestYieldEndsSessionAfterCurrentMessage(t *testing.T) {
	t.Parallel()
	yield := make(chan struct{})
	f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, pop: atRETR(3, func(*pop3test.Session) { close(yield) })})
	f.account.Policy.Keep = false
	f.account.Turn.Yield = yield
	f.add("m1", "m2", "m3", "m4", "m5")
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 3}, OnServer: 2, Err: fetcher.ErrYielded})
	f.wantLeft("uid-m4", "uid-m5")
	f.wantSent("QUIT", 1)
	f.underLease(func(ctx context.Context, l fetcher.Lease) error {
		a, err := l.Account(ctx)
		if !a.LastSuccess.Equal(f.now.Now()) {
			t.Errorf("last success %s, want %s: nothing failed", a.LastSuccess, f.now.Now())
		}
		return err
	})
	f.account.Turn = fetcher.Turn{}
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 2}})
	f.wantArrivedInOrder("m1", "m2", "m3", "m4", "m5")
}

// They come in any case, and a session that did not send them could not delete.
func TestYieldDeliversWhatWasPipelined(t *testing.T) {
	t.Parallel()
	const messages = 1000
	yield := make(chan struct{})
	f := newFixture(t, faults{pop: atRETR(3, func(*pop3test.Session) { close(yield) })})
	f.account.Policy.Keep = false
	f.account.Turn.Yield = yield
	f.add(numbered(messages)...)
	r := f.pollBySchedule()
	n := len(f.arrived())
	wantResult(t, r, result{Counts: counts{Forwarded: n}, OnServer: messages - n, Err: fetcher.ErrYielded})
	if n < 3 || n >= messages {
		t.Errorf("%d messages arrived, want some of %d", n, messages)
	}
	f.wantSent("RETR", n)
	f.wantSent("QUIT", 1)
}

// However short its turns are, an account gets on.
func TestYieldBeforeFirstMessageTakesOne(t *testing.T) {
	t.Parallel()
	yield := make(chan struct{})
	close(yield)
	f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden})
	f.account.Policy.Keep = false
	f.account.Turn.Yield = yield
	f.add("m1", "m2", "m3")
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}, OnServer: 2, Err: fetcher.ErrYielded})
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}, OnServer: 1, Err: fetcher.ErrYielded})
	f.pollBySchedule()
	wantResult(t, f.pollBySchedule(), result{})
	f.wantArrivedInOrder("m1", "m2", "m3")
}

// The rest would have to wait for the next login.
func TestYieldDoesNotCountWhereLoginsAreRare(t *testing.T) {
	t.Parallel()
	yield := make(chan struct{})
	close(yield)
	f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden})
	f.account.Policy.MinInterval = time.Hour
	f.account.Turn.Yield = yield
	f.add("m1", "m2", "m3")
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 3}, OnServer: 3})
}

// What fails after a yield is the poll's result: a destination that is down backs
// off.
func TestFailureAfterYieldCounts(t *testing.T) {
	t.Parallel()
	yield := make(chan struct{})
	close(yield)
	f := newFixture(t, faults{pipelining: pop3test.PipeliningHidden, smtp: smtpFault(forwarder.StageMail, smtptest.Fault{Code: 530, Text: "Authentication required"})})
	f.account.Turn.Yield = yield
	f.add("m1", "m2", "m3")
	r := f.pollBySchedule()
	wantResult(t, r, result{OnServer: 3, Err: errAny})
	if hasError(r.Err, fetcher.ErrYielded) {
		t.Errorf("error %v, want the destination's", r.Err)
	}
	wantResult(t, f.pollBySchedule(), result{OnServer: -1, Skip: fetcher.BackingOff})
}

// It is not the server's fault, nor the message's.
func TestCutEndsStalledPollWithoutBlame(t *testing.T) {
	t.Parallel()
	for _, mode := range []pop3test.Pipelining{pop3test.PipeliningWorks, pop3test.PipeliningHidden} {
		for name, verb := range map[string]string{"greeting": "", "login": "AUTH", "listing": "UIDL", "message": "RETR"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				cut := make(chan struct{})
				stalled := false
				f := newFixture(t, faults{pipelining: mode, pop: func(s *pop3test.Session, v, _ string) bool {
					if v != verb || stalled {
						return false
					}
					stalled = true
					close(cut)
					s.Hang()
					return true
				}})
				f.account.Policy.Keep = false
				f.account.Turn.Cut = cut
				f.add("m1")
				if r := f.pollBySchedule(); !hasError(r.Err, fetcher.ErrYielded) || r.Forwarded != 0 {
					t.Errorf("error %v, %d forwarded; want %v, 0", r.Err, r.Forwarded, fetcher.ErrYielded)
				}
				f.wantStates(nil)
				f.account.Turn = fetcher.Turn{}
				wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}})
				f.wantArrived("m1")
			})
		}
	}
}

// closedConn reports when a connection is closed.
type closedConn struct {
	net.Conn
	closed chan struct{}
}

func (c closedConn) Close() error {
	select {
	case <-c.closed:
	default:
		close(c.closed)
	}
	return c.Conn.Close()
}

// The server is free for others at once, though the destination has yet to answer.
func TestCutClosesSessionAndFinishesDeliveries(t *testing.T) {
	t.Parallel()
	cut, closed := make(chan struct{}), make(chan struct{})
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Message == 1 {
			close(cut)
			<-closed
		}
		return smtptest.Fault{}
	}}, pool: oneInFlight})
	f.account.Policy.Keep = false
	f.account.Turn.Cut = cut
	dial := f.account.Source.Dial
	f.account.Source.Dial = func(ctx context.Context) (net.Conn, error) {
		c, err := dial(ctx)
		return closedConn{c, closed}, err
	}
	f.add("m1")
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}, OnServer: 1, Err: fetcher.ErrYielded})
	f.wantState("uid-m1", "forwarded")
	f.account.Turn, f.account.Source.Dial = fetcher.Turn{}, dial
	wantResult(t, f.pollBySchedule(), result{})
	f.wantArrived("m1")
	f.wantLeft()
}

// What the destination had refused while it refused everything is tried once more
// after the first that it accepts, also if the poll is cut off just then.
func TestCutDoesNotLeaveRefusedMessagesHeld(t *testing.T) {
	t.Parallel()
	const refused = 12
	cut, closed := make(chan struct{}), make(chan struct{})
	f := newFixture(t, faults{smtp: smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		switch {
		case e.Stage != forwarder.StageDot:
		case e.Message <= refused:
			return reply(554)
		case e.Message == refused+1:
			close(cut)
			<-closed
		}
		return smtptest.Fault{}
	}}, pool: oneInFlight})
	f.add(numbered(refused)...)
	f.pollBySchedule()
	f.add(numbered(refused + 1)[refused])
	dial := f.account.Source.Dial
	f.account.Turn.Cut = cut
	f.account.Source.Dial = func(ctx context.Context) (net.Conn, error) {
		c, err := dial(ctx)
		return closedConn{c, closed}, err
	}
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: 1}, OnServer: refused + 1, Err: fetcher.ErrYielded})
	f.account.Turn, f.account.Source.Dial = fetcher.Turn{}, dial
	wantResult(t, f.pollBySchedule(), result{Counts: counts{Forwarded: refused}, OnServer: refused + 1})
	f.wantArrived(numbered(refused + 1)...)
}
