package smtp_test

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// slowly is a message on a server without extensions that takes its time, so that
// the next one asks for another session.
const slowly = "C: MAIL FROM:<a@example.org>\n S: 250 ok\n" + rcpt + "C: DATA\n S: 354 go ahead\n C: hi\n C: .\n S+ 3s\n S: 250 ok\n"

// TestThrottledSession: a session that the server does not want ends, its message
// goes by the others, and the server gets no more sessions.
func TestThrottledSession(t *testing.T) {
	t.Parallel()
	quick := plain("hi", "250 ok")
	for name, tt := range map[string]struct {
		second string   // the script of the second session
		want   string   // the outcome of its message
		first  []string // what the first session gets meanwhile
	}{
		"at the final dot": {
			second: basic + plain("hi", "432 4.3.2 Concurrent connections limit exceeded") + bye,
			want:   "refused dot 432 4.3.2 Concurrent connections limit exceeded",
		},
		"at RCPT": {
			second: basic + "C: MAIL FROM:<a@example.org>\n S: 250 ok\n C: RCPT TO:<b@example.org>\n S: 451 4.7.1 Too many concurrent connections\n" + bye,
			want:   "refused rcpt 451 4.7.1 Too many concurrent connections",
		},
		"at MAIL": {
			second: basic + "C: MAIL FROM:<a@example.org>\n S: 432 4.3.2 enough\n" + bye,
			want:   "accepted dot 250 ok", first: []string{quick},
		},
		"at MAIL, and the server hangs up": {
			second: basic + "C: MAIL FROM:<a@example.org>\n S: 421 4.3.2 enough\n C!",
			want:   "accepted dot 250 ok", first: []string{quick},
		},
		"in the greeting": {
			second: "S: 421 4.7.0 too many connections\n C!",
			want:   "accepted dot 250 ok", first: []string{quick},
		},
		"at EHLO": {
			second: "S: 220 mx\n C: EHLO client.example\n S: 451 4.3.2 later\n C!",
			want:   "accepted dot 250 ok", first: []string{quick},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// A slow message and one that asks for a second session; then as many as ask
				// for two, but for what was learnt.
				const many = 9
				peer := newPeer(t, basic+slowly+strings.Join(tt.first, "")+strings.Repeat(quick, many)+bye, tt.second)
				p := smtp.New(options(peer))
				wantPair(t, p, "accepted dot 250 ok", tt.want)
				if got := p.Facts().Sessions; got != 1 {
					t.Errorf("the server takes %d sessions, want 1", got)
				}
				wantAccepted(t, p, many)
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// TestThrottledLater: a session that has taken messages can be one too many, too.
// However many of them the server ends, the message goes by one that is left.
func TestThrottledLater(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		quick := plain("hi", "250 ok")
		peer := newPeer(t, basic+slowly+slowly+quick+bye,
			basic+quick+"C: MAIL FROM:<a@example.org>\n S: 421 4.7.0 Too many connections\n S!")
		p := smtp.New(options(peer))
		wantPair(t, p, "accepted dot 250 ok", "accepted dot 250 ok")
		wantPair(t, p, "accepted dot 250 ok", "accepted dot 250 ok")
		if got := p.Facts().Sessions; got != 1 {
			t.Errorf("the server takes %d sessions, want 1", got)
		}
		_ = p.Close()
		peer.done()
	})
}

// wantPair delivers two messages at once.
func wantPair(t *testing.T, p *smtp.Pool, want ...string) {
	t.Helper()
	var calls sync.WaitGroup
	for i, w := range want {
		calls.Go(func() {
			out, err := deliver(t.Context(), p, message("hi\r\n"), ready)
			if got := describe(out); got != w || err != nil {
				t.Errorf("message %d: got %q and %v, want %q", i+1, got, err, w)
			}
		})
		synctest.Wait() // so that they come in order
	}
	calls.Wait()
}

// TestServerThatAllowsFewConnections: a server that takes two connections and
// refuses others gets everything over these two, and no message is unusable.
func TestServerThatAllowsFewConnections(t *testing.T) {
	t.Parallel()
	srv, err := smtptest.Start(smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageHello && e.Connection > 2 {
			return smtptest.Fault{Code: 421, Text: "too many connections"}
		}
		return smtptest.Fault{}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	p := smtp.New(smtp.Options{Dial: srv.Dial, Connections: 8})
	var calls sync.WaitGroup
	for range 100 {
		calls.Go(func() {
			out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready)
			if err != nil || out[0].Kind != forwarder.Accepted {
				t.Errorf("got %+v and %v, want it accepted", out, err)
			}
		})
	}
	calls.Wait()
	if err := p.Close(); err != nil || len(srv.Messages()) != 100 {
		t.Errorf("Close: %v; %d messages arrived, want 100", err, len(srv.Messages()))
	}
}

// TestSmallBacklogNeedsOneConnection: so do a few messages to a fast server.
func TestSmallBacklogNeedsOneConnection(t *testing.T) {
	t.Parallel()
	srv, err := smtptest.Start(smtptest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	p := smtp.New(smtp.Options{Dial: srv.Dial})
	for range 20 {
		if _, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil || srv.Connections() != 1 {
		t.Errorf("Close: %v; %d connections, want 1", err, srv.Connections())
	}
}

// TestServerThatSwallowsConnections: all messages wait for it together, once,
// and those that come later try again.
func TestServerThatSwallowsConnections(t *testing.T) {
	t.Parallel()
	for _, connections := range []int{1, 4} {
		t.Run(fmt.Sprint("connections ", connections), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const patience = 30 * time.Second
				var dials atomic.Int32
				p := smtp.New(smtp.Options{Connections: connections, Dial: func(ctx context.Context) (net.Conn, error) {
					dials.Add(1)
					ctx, cancel := context.WithTimeout(ctx, patience)
					defer cancel()
					<-ctx.Done()
					return nil, ctx.Err()
				}})
				for round := range 2 {
					start, before := time.Now(), dials.Load()
					var calls sync.WaitGroup
					for range 32 {
						calls.Go(func() {
							out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready)
							if err != nil || out[0].Kind == forwarder.Accepted {
								t.Errorf("got %+v and %v, want it not accepted", out, err)
							}
						})
					}
					calls.Wait()
					if n, took := dials.Load()-before, time.Since(start); n < 1 || int(n) > connections || took > patience+time.Second {
						t.Errorf("round %d: %d dials in %v, want 1 to %d in %v", round, n, took, connections, patience)
					}
				}
				if err := p.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// TestQuittingSessionCountsAsConnection: a session that is sending QUIT is still
// one of those that the server allows.
func TestQuittingSessionCountsAsConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const idle = 30 * time.Second
		deaf := "C: QUIT\n C!" // says nothing, and leaves the end to us
		peer := newPeer(t, hello+once+deaf, hello+once+bye)
		o := options(peer)
		o.Connections = 1
		p := smtp.New(o)
		send := func() {
			t.Helper()
			out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready)
			if got := describe(out); got != "accepted dot 250 ok" || err != nil {
				t.Errorf("got %q and %v, want it accepted", got, err)
			}
		}
		send()
		time.Sleep(idle)
		synctest.Wait() // QUIT is out
		start := time.Now()
		go func() {
			time.Sleep(time.Second)
			if n := peer.dialled(); n != 1 {
				t.Errorf("%d connections while the first is not closed", n)
			}
		}()
		send()
		if time.Since(start) < time.Second {
			t.Error("the first session was not waited for")
		}
		_ = p.Close()
		peer.done()
	})
}

// TestWindowLimits: there are no more sessions and transactions at once than are
// allowed.
func TestWindowLimits(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                  string
		connections, inFlight int
		sessions, begun       int
	}{
		{name: "defaults", sessions: 4, begun: 8},
		{name: "connections", connections: 2, sessions: 2, begun: 4},
		{name: "in flight", connections: 3, inFlight: 1, sessions: 1, begun: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				// Each transaction waits five minutes for its answer.
				slow := hello + strings.Repeat(mail+rcpt+body+"S% 250\\r\\n\n", 2) + bye
				peer := newPeer(t, slices.Repeat([]string{slow}, tt.sessions)...)
				o := options(peer)
				o.Connections, o.InFlight = tt.connections, tt.inFlight
				p := smtp.New(o)
				var mu sync.Mutex
				now, most := 0, 0
				count := func(n int) {
					mu.Lock()
					defer mu.Unlock()
					now += n
					most = max(most, now)
				}
				var calls sync.WaitGroup
				for range 2 * tt.sessions {
					calls.Go(func() {
						out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), func(context.Context, forwarder.Mark) error { count(1); return nil })
						count(-1)
						if describe(out) != "accepted dot 250" {
							t.Errorf("got %v and %v, want it accepted", out, err)
						}
					})
				}
				calls.Wait()
				if most != tt.begun {
					t.Errorf("%d at once, want %d", most, tt.begun)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}
