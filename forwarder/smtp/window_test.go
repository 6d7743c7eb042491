package smtp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

const (
	heldBack = 43 * time.Millisecond // until a delayed acknowledgement comes
	takes    = time.Millisecond      // the time for one message
)

// holdingServer is a server with Nagle's algorithm behind a way on which
// acknowledgements are delayed, such as a proxy: the reply to a message by BDAT comes
// late, unless more is sent.
type holdingServer struct {
	always   bool          // what is sent does not help
	once     bool          // only the first such reply of a connection is held back
	data     time.Duration // until DATA is answered: what BDAT saves
	work     chan struct{}
	sessions sync.WaitGroup

	mu             sync.Mutex
	unanswered     int // messages
	most           int // of these, at one time
	byBDAT, byDATA int // messages by BDAT, and by DATA
}

// dial connects to it.
func (h *holdingServer) dial(context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	said := make(chan string, 1000) // what the client sent, a line or a message
	h.sessions.Go(func() { h.listen(server, said) })
	h.sessions.Go(func() { h.answer(server, said) })
	return client, nil
}

// listen reads all that is sent as it comes.
func (h *holdingServer) listen(c net.Conn, said chan<- string) {
	defer close(said)
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		var size int64
		if n, _ := fmt.Sscanf(line, "BDAT %d LAST", &size); n == 1 {
			if _, err := io.CopyN(io.Discard, r, size); err != nil {
				return
			}
			h.got(&h.byBDAT)
		}
		if line == ".\r\n" {
			h.got(&h.byDATA)
		}
		said <- strings.TrimSpace(line)
	}
}

// answer replies to one after the other. All of the connections do the work of one.
func (h *holdingServer) answer(c net.Conn, said <-chan string) {
	defer c.Close()
	_, _ = io.WriteString(c, "220 mx\r\n")
	held := false
	for line := range said {
		verb, _, _ := strings.Cut(line, " ")
		reply := map[string]string{"EHLO": "250-mx\r\n250-PIPELINING\r\n250 CHUNKING", "MAIL": "250 2.1.0 ok", "RCPT": "250 2.1.5 ok", "RSET": "250 2.0.0 reset", "DATA": "354 go ahead", "BDAT": "250 2.0.0 queued", ".": "250 2.0.0 queued", "QUIT": "221 bye"}[verb]
		switch {
		case reply == "":
			continue // a line of a message
		case verb == "BDAT" && h.always, verb == "BDAT" && len(said) == 0 && !(h.once && held):
			held = true
			time.Sleep(heldBack)
			h.did()
		case verb == "DATA":
			time.Sleep(h.data)
		case verb == "BDAT", verb == ".":
			h.work <- struct{}{}
			time.Sleep(takes)
			<-h.work
			h.did()
		}
		if _, err := io.WriteString(c, reply+"\r\n"); err != nil {
			return
		}
	}
}

// got counts a message that has come, did one that is answered.
func (h *holdingServer) got(form *int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*form++
	h.unanswered++
	h.most = max(h.most, h.unanswered)
}

func (h *holdingServer) did() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.unanswered--
}

// TestLateAnswers: answers that are late only as long as nothing follows let more
// follow. One that is late by chance does not, and if it does not help, messages go
// by DATA.
func TestLateAnswers(t *testing.T) {
	t.Parallel()
	const messages = 200
	for name, tt := range map[string]struct {
		server *holdingServer
		took   time.Duration // at most, all together, by the server's clock
		wire   int           // messages on the wire at most
		bdat   bool          // the most go by BDAT
	}{
		"unless more is sent": {server: &holdingServer{data: 10 * time.Millisecond}, took: 3 * messages * takes, wire: 32, bdat: true},
		"whatever is sent":    {server: &holdingServer{always: true}, took: messages * heldBack / 5, wire: 32},
		"one by chance":       {server: &holdingServer{once: true}, took: 2 * messages * takes, wire: 2, bdat: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := tt.server
				h.work = make(chan struct{}, 1)
				p := smtp.New(smtp.Options{Dial: h.dial, Helo: "client.example"})
				began := time.Now()
				var calls sync.WaitGroup
				for range messages {
					calls.Go(func() {
						out, err := deliver(t.Context(), p, message("hi\r\n"), ready)
						if err != nil || out[0].Kind != forwarder.Accepted {
							t.Errorf("got %v and %v, want it accepted", describe(out), err)
						}
					})
				}
				calls.Wait()
				took := time.Since(began)
				_ = p.Close()
				h.sessions.Wait()
				if took > tt.took {
					t.Errorf("%d messages took %v, want at most %v", messages, took, tt.took)
				}
				if h.most > tt.wire {
					t.Errorf("%d messages on the wire, want at most %d", h.most, tt.wire)
				}
				if got := h.byBDAT > h.byDATA; got != tt.bdat {
					t.Errorf("%d messages by BDAT and %d by DATA", h.byBDAT, h.byDATA)
				}
			})
		})
	}
}
