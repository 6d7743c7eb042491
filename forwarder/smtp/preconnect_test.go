package smtp_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// severalAt are the facts of a server that was seen to take several messages at once.
func severalAt(at time.Time) smtp.Facts {
	return smtp.Facts{TakesSeveral: forwarder.Sighting{At: at, Count: 2}}
}

// TestPreconnect: as many sessions as the messages are worth are opened where the server is
// known to take several messages at once; otherwise there is one at first.
func TestPreconnect(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		known    bool
		messages int
		want     int
	}{
		"known":             {true, 17, 3},
		"known, many":       {true, 1000, 4}, // Options.Connections
		"known, few":        {true, 8, 1},
		"known, one":        {true, 1, 1},
		"not known":         {false, 1000, 1},
		"known an age ago":  {false, 17, 1},
		"nothing to be had": {true, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, slices.Repeat([]string{hello + bye}, tt.want)...)
				o := options(peer)
				o.Facts = severalAt(time.Now().Add(-31 * 24 * time.Hour))
				if tt.known {
					o.Facts = severalAt(time.Now().Add(-2 * time.Hour))
				}
				p := smtp.New(o)
				p.Preconnect(1)
				p.Preconnect(tt.messages)
				p.Preconnect(tt.messages) // those are there
				synctest.Wait()
				if got := peer.dialled(); got != tt.want {
					t.Errorf("%d sessions, want %d", got, tt.want)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// TestFirstMessagesGoTogether: to a server that is known to take several, the first
// message does not go alone.
func TestFirstMessagesGoTogether(t *testing.T) {
	t.Parallel()
	var waiting atomic.Int32
	together := make(chan struct{})
	srv := serve(t, smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage != forwarder.StageDot {
			return smtptest.Fault{}
		}
		if waiting.Add(1) == 3 {
			close(together)
		}
		select {
		case <-together:
		case <-t.Context().Done():
		case <-time.After(time.Minute):
			t.Error("no other message came before the first one was answered")
		}
		return smtptest.Fault{}
	}})
	p := pool(t, smtp.Options{Dial: srv.Dial, Facts: severalAt(time.Now())})
	p.Preconnect(20)
	deliverAll(t, p, 20)
}

// TestServerThatTakesSeveralIsRemembered: once it has taken them, and until it refuses
// one for now.
func TestServerThatTakesSeveralIsRemembered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		slow := &holdingServer{always: true, work: make(chan struct{}, 1)}
		p := smtp.New(smtp.Options{Dial: slow.dial, Helo: "client.example"})
		seen := func(want int) {
			t.Helper()
			if got := p.Facts().TakesSeveral.Count; got != want {
				t.Errorf("seen %d times, want %d", got, want)
			}
		}
		for range 3 {
			deliverAll(t, p, 1)
		}
		seen(0)
		deliverAll(t, p, 40)
		seen(1)
		time.Sleep(2 * time.Hour)
		deliverAll(t, p, 40)
		seen(2)
		_ = p.Close()
		slow.sessions.Wait()

		peer := newPeer(t, hello+"C: MAIL FROM:<a@example.org> SIZE=6\n S: 451 later\n"+bye)
		o := options(peer)
		o.Facts = p.Facts()
		p = smtp.New(o)
		seen(2)
		if out, err := p.Send(t.Context(), message("hi\r\n\r\n")); describe(out) != "refused mail 451 later" || err != nil {
			t.Errorf("got %q and %v", describe(out), err)
		}
		seen(0)
		_ = p.Close()
		peer.done()
	})
}

// deliverAll delivers so many messages at once.
func deliverAll(t *testing.T, p *smtp.Pool, n int) {
	t.Helper()
	results := make(chan string, n)
	for range n {
		go func() {
			out, err := p.Send(t.Context(), message("hi\r\n"))
			if err != nil {
				results <- err.Error()
				return
			}
			results <- out[0].Kind.String()
		}()
	}
	for range n {
		if got := <-results; got != forwarder.Accepted.String() {
			t.Errorf("a message is %s", got)
		}
	}
}
