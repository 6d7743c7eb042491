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
//	S+ 9s     it takes so long
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
		if err := play1(br, c, step); err != nil {
			return fmt.Errorf("at %q: %w", step, err)
		}
	}
	return nil
}

// play1 plays one step.
func play1(br *bufio.Reader, c net.Conn, step string) error {
	step = strings.ReplaceAll(strings.TrimSpace(step), `\r\n`, "\r\n")
	do, text := step[:2], strings.TrimPrefix(step[2:], " ")
	switch do {
	case "S:":
		_, err := io.WriteString(c, text+"\r\n")
		return err
	case "S~":
		_, err := io.WriteString(c, text)
		return err
	case "S!":
		n, err := strconv.Atoi(text)
		_, _ = io.WriteString(c, strings.Repeat("x", n)) // until the client has had enough
		return err
	case "S+":
		wait, err := time.ParseDuration(text)
		time.Sleep(wait)
		return err
	case "S-":
		time.Sleep(time.Hour)
		return nil
	case "C:":
		return expect(br, text)
	case "C-":
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		defer func() { _ = c.SetReadDeadline(time.Time{}) }()
		if next, early := br.Peek(1); !errors.Is(early, os.ErrDeadlineExceeded) {
			return fmt.Errorf("got %q and %v, want nothing yet", next, early)
		}
		return nil
	case "C~":
		most, err := strconv.Atoi(text)
		if rest, _ := io.ReadAll(br); len(rest) > most {
			return fmt.Errorf("got %d octets", len(rest))
		}
		return err
	case "C!":
		rest, err := io.ReadAll(br)
		if len(rest) > 0 {
			return fmt.Errorf("got %q before the end, want nothing", rest)
		}
		return err
	}
	return errors.New("no such step")
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
