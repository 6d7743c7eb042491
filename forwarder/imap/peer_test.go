package imap_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A script is a server written down, one step a line:
//
//	S: text   it writes the line
//	S~ text   it writes the text without a line end
//	S! 1000   it writes the letter x so often
//	S-        it neither reads nor writes for an hour
//	C: text   the client sends exactly this line
//	C-        the client sends nothing for a second
//	C~ 1000   the client sends at most so many octets, and closes the connection
//	C!        the client closes the connection and sends nothing before that
//
// \r\n stands for a line end within a line. At the end of the script the server
// closes the connection.

// peer is a server that plays one script for each connection, in their order.
type peer struct {
	t       *testing.T
	scripts []string
	playing sync.WaitGroup

	mu   sync.Mutex
	next int
}

// dial connects to the next script.
func (p *peer) dial(context.Context) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == len(p.scripts) {
		return nil, errors.New("no script left")
	}
	client, server := net.Pipe()
	p.next++
	n, script := p.next, p.scripts[p.next-1]
	p.playing.Go(func() {
		defer server.Close()
		if err := play(server, script); err != nil {
			p.t.Errorf("connection %d: %v", n, err)
		}
	})
	return client, nil
}

// done waits until all scripts were played.
func (p *peer) done() {
	p.playing.Wait()
	if p.next != len(p.scripts) {
		p.t.Errorf("%d connections instead of %d", p.next, len(p.scripts))
	}
}

// play plays one script.
func play(c net.Conn, script string) error {
	br := bufio.NewReader(c)
	for step := range strings.Lines(strings.TrimSpace(script)) {
		step = strings.ReplaceAll(strings.TrimSpace(step), `\r\n`, "\r\n")
		do, text := step[:2], strings.TrimPrefix(step[2:], " ")
		var err error
		switch do {
		case "S:":
			_, err = io.WriteString(c, text+"\r\n")
		case "S~":
			_, err = io.WriteString(c, text)
		case "S!":
			var n int
			if n, err = strconv.Atoi(text); err == nil {
				_, _ = io.WriteString(c, strings.Repeat("x", n)) // until the client has had enough
			}
		case "S-":
			time.Sleep(time.Hour)
		case "C:":
			err = expect(br, text)
		case "C-":
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			if next, early := br.Peek(1); !errors.Is(early, os.ErrDeadlineExceeded) {
				err = fmt.Errorf("got %q and %v, want nothing yet", next, early)
			}
			_ = c.SetReadDeadline(time.Time{})
		case "C~":
			var most int
			if most, err = strconv.Atoi(text); err == nil {
				if rest, _ := io.ReadAll(br); len(rest) > most {
					err = fmt.Errorf("got %d octets", len(rest))
				}
			}
		case "C!":
			var rest []byte
			if rest, err = io.ReadAll(br); len(rest) > 0 {
				err = fmt.Errorf("got %q before the end, want nothing", rest)
			}
		default:
			err = errors.New("no such step")
		}
		if err != nil {
			return fmt.Errorf("at %q: %w", step, err)
		}
	}
	return nil
}

// expect reads the lines of want.
func expect(br *bufio.Reader, want string) error {
	for line := range strings.SplitSeq(want, "\r\n") {
		got, err := br.ReadString('\n')
		if err != nil {
			return err
		}
		if got != line+"\r\n" {
			return fmt.Errorf("got %q, want %q", got, line)
		}
	}
	return nil
}
