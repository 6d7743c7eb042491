package smtp_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// once is a whole transaction of message("hi\r\n\r\n").
const once = mail + rcpt + body + "S: 250 ok\n"

// sessions play several messages, one after the other, with a pause between.
var sessions = []struct {
	name    string
	scripts []string
	pause   time.Duration
	want    []string // what becomes of each message
}{
	{
		name:    "one session for many messages",
		scripts: []string{hello + once + once + once + bye},
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok", "accepted dot 250 ok"},
	},
	{
		name: "again after a refusal",
		scripts: []string{hello + "C: MAIL FROM:<a@example.org> SIZE=6\n S: 451 later\n C: RSET\n S: 250 ok\n" +
			once + bye},
		want: []string{"refused mail 451 later", "accepted dot 250 ok"},
	},
	{
		name: "reset after a refusal at the dot: some servers leave the transaction open",
		scripts: []string{hello + mail + rcpt + body + "S: 552 5.3.4 too big\n C: RSET\n S: 250 ok\n" +
			once + bye},
		want: []string{"refused dot 552 5.3.4 too big", "accepted dot 250 ok"},
	},
	{
		name: "refused to begin again",
		scripts: []string{hello + "C: MAIL FROM:<a@example.org> SIZE=6\n S: 451 later\n C: RSET\n S: 500 what?\n C!",
			hello + once + bye},
		want: []string{"refused mail 451 later", "accepted dot 250 ok"},
	},
	{
		name:    "a fresh one after a failure",
		scripts: []string{hello + mail + "C: RCPT TO:<b@example.org>\n S!", hello + once + bye},
		want:    []string{"broken rcpt unexpected EOF", "accepted dot 250 ok"},
	},
	{
		name:    "idle for not too long",
		scripts: []string{hello + once + once + bye},
		pause:   29 * time.Second,
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok"},
	},
	{
		name:    "ended by itself when idle for long",
		scripts: []string{hello + once + bye, hello + once + bye},
		pause:   31 * time.Second,
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok"},
	},
	{
		name:    "closed while idle",
		scripts: []string{hello + once + "S!", hello + once + bye},
		pause:   time.Second,
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok"},
	},
	{
		name:    "closed at MAIL",
		scripts: []string{hello + once + "C: MAIL FROM:<a@example.org> SIZE=6\n S!", hello + once + bye},
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok"},
	},
	{
		name:    "421 at MAIL",
		scripts: []string{hello + once + "C: MAIL FROM:<a@example.org> SIZE=6\n S: 421 enough\n C!", hello + once + bye},
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok"},
	},
	{
		name: "replaced once only",
		scripts: []string{
			hello + once + "C: MAIL FROM:<a@example.org> SIZE=6\n S: 421 enough\n C!",
			hello + "C: MAIL FROM:<a@example.org> SIZE=6\n S: 421 I mean it\n C!",
		},
		want: []string{"accepted dot 250 ok", "refused mail 421 I mean it"},
	},
	{
		name:    "not to be replaced",
		scripts: []string{hello + once + "S!", "S: 421 not now\n C!"},
		want:    []string{"accepted dot 250 ok", "unusable greeting 421 not now"},
	},
	{
		name: "replaced by one with less room",
		scripts: []string{
			hello + once + "S!",
			"S: 220 mx\n C: EHLO client.example\n S: 250-mx\n S: 250 SIZE 5\n" + bye,
		},
		want: []string{"accepted dot 250 ok",
			"impossible mail 552 5.3.4 6 octets, the server takes only 5"},
	},
	{
		name:    "silent at MAIL is not ended",
		scripts: []string{hello + once + "C: MAIL FROM:<a@example.org> SIZE=6\n C!"},
		want:    []string{"accepted dot 250 ok", "broken mail read pipe: i/o timeout"},
	},
}

func TestSessions(t *testing.T) {
	t.Parallel()
	for _, tt := range sessions {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, tt.scripts...)
				p := smtp.New(options(peer))
				for i, want := range tt.want {
					begun := 0
					out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), func(context.Context, forwarder.Mark) error { begun++; return nil })
					if got := describe(out); got != want || err != nil {
						t.Errorf("message %d: got %q and %v, want %q", i+1, got, err, want)
					}
					if begun != 1 {
						t.Errorf("message %d: begun %d times", i+1, begun)
					}
					time.Sleep(tt.pause)
					synctest.Wait()
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// A clock that jumps, as after a laptop's sleep, leaves the timers behind.
func TestIdleSessionAfterClockJump(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, hello+once+"C!", hello+once+bye)
		o := options(peer)
		var slept time.Duration
		o.Now = func() time.Time { return time.Now().Add(slept) }
		p := smtp.New(o)
		for range 2 {
			out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready)
			if got := describe(out); got != "accepted dot 250 ok" || err != nil {
				t.Errorf("got %q and %v, want it accepted", got, err)
			}
			slept += time.Hour
		}
		slept -= time.Hour // the second one is still good
		_ = p.Close()
		peer.done()
	})
}

// Nothing of a message is sent unless begin agrees, and the session is as good
// as before.
func TestBeginFailsSendsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, hello+once+bye)
		p := smtp.New(options(peer))
		full := errors.New("the disk is full")
		out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), func(context.Context, forwarder.Mark) error { return full })
		if out != nil || !errors.Is(err, full) {
			t.Errorf("got %v and %v, want only %v", out, err, full)
		}
		if out, err = deliver(t.Context(), p, message("hi\r\n\r\n"), ready); describe(out) != "accepted dot 250 ok" {
			t.Errorf("got %v and %v, want it accepted", out, err)
		}
		_ = p.Close()
		peer.done()
	})
}

// A ctx that ends within begin, or before, sends nothing.
func TestStoppedBeforeItBeginsSendsNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, hello+bye)
		p := smtp.New(options(peer))
		ctx, cancel := context.WithCancel(t.Context())
		out, err := deliver(ctx, p, message("hi\r\n\r\n"), func(context.Context, forwarder.Mark) error { cancel(); return nil })
		if out != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v and %v, want only %v", out, err, context.Canceled)
		}
		out, err = deliver(ctx, p, message("hi\r\n\r\n"), notReady(t))
		if out != nil || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v and %v, want only %v", out, err, context.Canceled)
		}
		_ = p.Close()
		peer.done()
	})
}

// notReady is a begin that must not be called.
func notReady(t *testing.T) func(context.Context, forwarder.Mark) error {
	return func(context.Context, forwarder.Mark) error {
		t.Error("begin was called")
		return nil
	}
}

// begin is for messages that may be delivered from then on.
func TestBeginNotCalledIfUnusableOrImpossible(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, "S: 554 no\n C!", hello+bye)
		p := smtp.New(options(peer))
		for _, want := range []string{
			"unusable greeting 554 no",
			"impossible mail 552 5.3.4 1001 octets, the server takes only 1000",
		} {
			out, err := deliver(t.Context(), p, message(strings.Repeat("x", 1001)), notReady(t))
			if got := describe(out); got != want || err != nil {
				t.Errorf("got %q and %v, want %q", got, err, want)
			}
		}
		_ = p.Close()
		peer.done()
	})
}

func TestDialFails(t *testing.T) {
	t.Parallel()
	refused := errors.New("connection refused")
	p := smtp.New(smtp.Options{Dial: func(context.Context) (net.Conn, error) { return nil, refused }})
	out, err := deliver(t.Context(), p, message("hi\r\n\r\n", "b@example.org", "c@example.org"), notReady(t))
	if got, want := describe(out), "unusable dial connection refused\nunusable dial connection refused"; got != want || err != nil {
		t.Errorf("got %q and %v, want %q", got, err, want)
	}
	if !errors.Is(out[1].Err, refused) || out[1].Recipient != "c@example.org" {
		t.Errorf("got %+v, want c@example.org refused by the dialer", out[1])
	}
	var e *smtp.Error
	if err := p.Check(t.Context()); !errors.As(err, &e) || e.Stage != forwarder.StageDial || !errors.Is(err, refused) {
		t.Errorf("Check: %v, want %v at dial", err, refused)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestCloseWaits for the deliveries that are in flight.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// The last one takes its time with an answer.
		peer := newPeer(t, hello+once+bye, hello+mail+rcpt+body+"S% 250\\r\\n\n"+bye)
		p := smtp.New(options(peer))
		if out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready); describe(out) != "accepted dot 250 ok" {
			t.Errorf("got %v and %v, want it accepted", out, err)
		}
		time.Sleep(31 * time.Second) // until the first session is ended
		var calls sync.WaitGroup
		calls.Go(func() {
			if out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready); describe(out) != "accepted dot 250" {
				t.Errorf("got %v and %v, want it accepted", out, err)
			}
		})
		synctest.Wait()
		start := time.Now()
		for range 2 {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took != 5*time.Minute {
			t.Errorf("Close waited %v, want 5m", took)
		}
		calls.Wait()
		if _, err := deliver(t.Context(), p, message("hi\r\n\r\n"), notReady(t)); !errors.Is(err, smtp.ErrClosed) {
			t.Errorf("Wait after Close: %v, want %v", err, smtp.ErrClosed)
		}
		if err := p.Check(t.Context()); !errors.Is(err, smtp.ErrClosed) {
			t.Errorf("Check after Close: %v, want %v", err, smtp.ErrClosed)
		}
		peer.done()
	})
}

// A server that does not answer QUIT holds nothing up for long.
func TestQuitUnanswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, hello+"C: QUIT\n C!")
		p := smtp.New(options(peer))
		start := time.Now()
		if err := p.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("took %v, want 5s", took)
		}
		_ = p.Close()
		peer.done()
	})
}
