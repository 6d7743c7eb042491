package smtp_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// plain is a transaction of message(text) with a server without extensions.
func plain(text, reply string) string {
	return "C: MAIL FROM:<a@example.org>\n S: 250 ok\n" + rcpt + "C: DATA\n S: 354 go ahead\n C: " + text + "\n C: .\n S: " + reply + "\n"
}

const (
	basic = "S: 220 mx\n C: EHLO client.example\n S: 250 mx\n"
	reset = "C: RSET\n S: 250 ok\n"
)

// wantOutcome waits for a delivery and compares its outcomes.
func wantOutcome(t *testing.T, d *smtp.Delivery, begin func(context.Context, forwarder.Mark) error, want string) {
	t.Helper()
	out, err := d.Wait(t.Context(), begin)
	if got := describe(out); got != want || err != nil {
		t.Errorf("got %q and %v, want %q", got, err, want)
	}
}

// TestSubmitKeepsOrder: messages go out in the order in which they were
// submitted, whichever is waited for first.
func TestSubmitKeepsOrder(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const n = 9 // more than the window has room for at first
		script := basic
		for i := range n {
			script += plain(fmt.Sprint("message ", i), "250 ok")
		}
		peer := newPeer(t, script+bye)
		o := options(peer)
		o.Connections = 1
		p := smtp.New(o)
		var all []*smtp.Delivery
		for i := range n {
			all = append(all, p.Submit(message(fmt.Sprintf("message %d\r\n", i))))
		}
		var waits sync.WaitGroup
		for _, d := range slices.Backward(all) {
			waits.Go(func() {
				defer d.Done()
				wantOutcome(t, d, ready, "accepted dot 250 ok")
			})
			synctest.Wait()
		}
		waits.Wait()
		_ = p.Close()
		peer.done()
	})
}

// TestSubmitDoesNotBlock, not even where no session is to be had for long.
func TestSubmitDoesNotBlock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, "C!") // does not greet
		p := smtp.New(options(peer))
		start := time.Now()
		var all []*smtp.Delivery
		for range 100 {
			all = append(all, p.Submit(message("hi\r\n")))
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("Submit took %v, want 0", took)
		}
		for _, d := range all {
			wantOutcome(t, d, notReady(t), "unusable greeting read pipe: i/o timeout")
			d.Done()
		}
		_ = p.Close()
		peer.done()
	})
}

// TestInFlightUntilDone: a delivery counts as in flight until Done, not only
// until its outcome is known.
func TestInFlightUntilDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, basic+plain("first", "250 ok")+plain("second", "250 ok")+bye)
		o := options(peer)
		o.InFlight = 1
		p := smtp.New(o)
		first, second := p.Submit(message("first\r\n")), p.Submit(message("second\r\n"))
		wantOutcome(t, first, ready, "accepted dot 250 ok")
		begun := false
		var wait sync.WaitGroup
		wait.Go(func() {
			defer second.Done()
			wantOutcome(t, second, func(context.Context, forwarder.Mark) error { begun = true; return nil }, "accepted dot 250 ok")
		})
		time.Sleep(20 * time.Second) // the session stays
		synctest.Wait()
		if begun {
			t.Error("the second message has begun before the first was done")
		}
		first.Done()
		wait.Wait()
		first.Done() // no place twice
		_ = p.Close()
		peer.done()
	})
}

// TestAbandoned: a submission that is done without a wait, or whose wait was
// stopped, is not sent and keeps nobody waiting.
func TestAbandoned(t *testing.T) {
	t.Parallel()
	for name, abandon := range map[string]func(*testing.T, *smtp.Delivery){
		"done without a wait": func(t *testing.T, d *smtp.Delivery) {
			d.Done()
			if out, err := d.Wait(t.Context(), notReady(t)); out != nil || err == nil {
				t.Errorf("Wait after Done: got %v and %v, want an error", out, err)
			}
		},
		"stopped": func(t *testing.T, d *smtp.Delivery) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if out, err := d.Wait(ctx, notReady(t)); out != nil || !errors.Is(err, context.Canceled) {
				t.Errorf("got %v and %v, want %v", out, err, context.Canceled)
			}
			d.Done()
		},
	} {
		for at := range 3 { // admitted, next, last
			t.Run(fmt.Sprint(name, " ", at), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					peer := newPeer(t, basic+plain("hi", "250 ok")+plain("hi", "250 ok")+bye)
					o := options(peer)
					o.InFlight = 1
					p := smtp.New(o)
					all := []*smtp.Delivery{p.Submit(message("hi\r\n")), p.Submit(message("hi\r\n")), p.Submit(message("hi\r\n"))}
					synctest.Wait() // until the first is admitted
					abandon(t, all[at])
					for _, d := range slices.Delete(all, at, at+1) {
						wantOutcome(t, d, ready, "accepted dot 250 ok")
						d.Done()
					}
					_ = p.Close()
					peer.done()
				})
			})
		}
	}
}

// TestResend: another form of a refused message goes out before what was
// submitted later, as the same one in flight.
func TestResend(t *testing.T) {
	t.Parallel()
	for _, inFlight := range []int{1, 32} {
		t.Run(fmt.Sprint("in flight ", inFlight), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, basic+plain("first", "550 5.7.26 not like this")+reset+
					plain("wrapped", "250 ok")+plain("second", "250 ok")+bye)
				o := options(peer)
				o.Connections, o.InFlight = 1, inFlight
				p := smtp.New(o)
				first, second := p.Submit(message("first\r\n")), p.Submit(message("second\r\n"))
				wantOutcome(t, first, ready, "refused dot 550 5.7.26 not like this")
				begun := 0
				out, err := first.Resend(t.Context(), message("wrapped\r\n"), func(context.Context, forwarder.Mark) error { begun++; return nil })
				if got, want := describe(out), "accepted dot 250 ok"; got != want || err != nil || begun != 1 {
					t.Errorf("got %q and %v, begun %d times, want %q", got, err, begun, want)
				}
				first.Done()
				wantOutcome(t, second, ready, "accepted dot 250 ok")
				second.Done()
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// TestResendOfImpossible: what the server cannot take can be replaced, too.
func TestResendOfImpossible(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, hello+once+bye)
		p := smtp.New(options(peer))
		d := p.Submit(message(strings.Repeat("x", 1001)))
		defer d.Done()
		wantOutcome(t, d, notReady(t), "impossible mail 552 5.3.4 1001 octets, the server takes only 1000")
		if out, err := d.Resend(t.Context(), message("hi\r\n\r\n"), ready); describe(out) != "accepted dot 250 ok" || err != nil {
			t.Errorf("got %q and %v, want it accepted", describe(out), err)
		}
		d.Done()
		_ = p.Close()
		peer.done()
	})
}

// TestCloseSaysQUITAndDoesNotWait: nothing depends on the answer.
func TestCloseSaysQUITAndDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, hello+once+"C: QUIT\n C!\n")
		p := smtp.New(options(peer))
		if out, err := p.Send(t.Context(), message("hi\r\n\r\n")); describe(out) != "accepted dot 250 ok" || err != nil {
			t.Errorf("got %q and %v, want it accepted", describe(out), err)
		}
		began := time.Now()
		_ = p.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("Close took %v", took)
		}
		peer.done()
	})
}

// TestCloseWithSubmissions: Close refuses who is not admitted yet, and waits for
// who is.
func TestCloseWithSubmissions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, basic+plain("hi", "250 ok")+bye)
		o := options(peer)
		o.InFlight = 1
		p := smtp.New(o)
		admitted, waiting := p.Submit(message("hi\r\n")), p.Submit(message("hi\r\n"))
		synctest.Wait()
		var closing sync.WaitGroup
		closing.Go(func() { _ = p.Close() })
		synctest.Wait()
		wantOutcome(t, admitted, ready, "accepted dot 250 ok")
		admitted.Done()
		late := p.Submit(message("hi\r\n"))
		for _, d := range []*smtp.Delivery{waiting, late} {
			if out, err := d.Wait(t.Context(), notReady(t)); out != nil || !errors.Is(err, smtp.ErrClosed) {
				t.Errorf("got %v and %v, want %v", out, err, smtp.ErrClosed)
			}
			d.Done()
		}
		closing.Wait()
		peer.done()
	})
}
