package smtp_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder/smtp"
)

// farServer takes no time for anything, but is far away. It offers PIPELINING, not
// CHUNKING.
type farServer struct {
	roundTrip time.Duration
	sessions  sync.WaitGroup
}

// said is a line that the client has sent, and when.
type said struct {
	line string
	at   time.Time
}

func (f *farServer) dial(context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	lines := make(chan said, 1000)
	lines <- said{"", time.Now()} // the connection
	f.sessions.Go(func() {
		defer close(lines)
		for r := bufio.NewReader(server); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			lines <- said{line, time.Now()}
		}
	})
	f.sessions.Go(func() { f.answer(server, lines) })
	return client, nil
}

// answer answers each line when the answer can have come back.
func (f *farServer) answer(c net.Conn, lines <-chan said) {
	defer c.Close()
	body := false
	for l := range lines {
		verb, _, _ := strings.Cut(strings.TrimSpace(l.line), " ")
		reply := map[string]string{"": "220 mx", "EHLO": "250-mx\r\n250 PIPELINING", "DATA": "354 go ahead", "QUIT": "221 bye"}[verb]
		switch {
		case body && verb != ".":
			continue
		case reply == "":
			reply = "250 2.0.0 ok"
		}
		body = verb == "DATA"
		time.Sleep(time.Until(l.at.Add(f.roundTrip)))
		if _, err := io.WriteString(c, reply+"\r\n"); err != nil {
			return
		}
	}
}

// TestRoundTrips: once the first message has been accepted, messages follow each other on
// all connections without a pause, each after one round trip: DATA has to be answered
// first. Only behind the first message of a connection nothing is sent ahead.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	const (
		connections = 4
		each        = 10 // messages
		hello       = 2  // greeting, EHLO
		alone       = 2  // 354, 250
		unproven    = 1  // the first 250 of a connection
		last        = 1  // 250
	)
	synctest.Test(t, func(t *testing.T) {
		far := &farServer{roundTrip: 100 * time.Millisecond}
		p := smtp.New(smtp.Options{Dial: far.dial, Helo: "client.example", Connections: connections})
		began := time.Now()
		deliverAll(t, p, 1+connections*each)
		took := time.Since(began)
		_ = p.Close()
		far.sessions.Wait()
		if want := (hello + alone + unproven + each + last) * far.roundTrip; took > want {
			t.Errorf("%v, which is %d round trips; want %d", took, took/far.roundTrip, want/far.roundTrip)
		}
	})
}
