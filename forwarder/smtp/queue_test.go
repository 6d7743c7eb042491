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
						out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), func(context.Context) error { count(1); return nil })
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
