package smtp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// A script is a server written down, one step a line:
//
//	S: text   it writes the line
//	S~ text   it writes the text without a line end
//	S% text   it writes the text an octet a minute, as long as it is read
//	S+ 9s     it takes so long
//	S-        it neither reads nor writes for an hour
//	S!        it closes the connection
//	C: text   the client sends exactly this line
//	C-        the client sends nothing for a second
//	C!        the client closes the connection and sends nothing before that
//	C~        the client closes the connection after anything but a final dot
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

// newPeer returns a peer for one test, in its bubble. At the end of the test
// every script must have been played.
func newPeer(t *testing.T, scripts ...string) *peer {
	return &peer{t: t, scripts: scripts}
}

// dial connects to the next script.
func (p *peer) dial(context.Context) (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.next == len(p.scripts) {
		p.t.Errorf("more than %d connections", len(p.scripts))
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
	if n := p.dialled(); n != len(p.scripts) {
		p.t.Errorf("%d connections instead of %d", n, len(p.scripts))
	}
}

// dialled is how many connections there were.
func (p *peer) dialled() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.next
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
		case "S%":
			for i := range len(text) {
				time.Sleep(time.Minute)
				if _, err := io.WriteString(c, text[i:i+1]); err != nil {
					return nil
				}
			}
		case "S+":
			var wait time.Duration
			if wait, err = time.ParseDuration(text); err == nil {
				time.Sleep(wait)
			}
		case "S-":
			time.Sleep(time.Hour)
		case "S!":
			// Not before the client waits for something, or it would be chance
			// how it takes notice.
			time.Sleep(time.Millisecond)
			return nil
		case "C:":
			err = expect(br, text)
		case "C-":
			_ = c.SetReadDeadline(time.Now().Add(time.Second))
			if next, early := br.Peek(1); !errors.Is(early, os.ErrDeadlineExceeded) {
				err = fmt.Errorf("got %q and %v, want nothing yet", next, early)
			}
			_ = c.SetReadDeadline(time.Time{})
		case "C!":
			var rest []byte
			if rest, err = io.ReadAll(br); len(rest) > 0 {
				err = fmt.Errorf("got %q before the end, want nothing", rest)
			}
		case "C~":
			var rest []byte
			if rest, err = io.ReadAll(br); bytes.Contains(rest, []byte("\r\n.\r\n")) {
				err = errors.New("a final dot before the end")
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

// Parts of scripts.
const (
	hello = "S: 220 mx ready\n C: EHLO client.example\n S: 250-mx\n S: 250-8BITMIME\n S: 250 SIZE 1000\n"
	lhlo  = "S: 220 mx ready\n C: LHLO client.example\n S: 250-mx\n S: 250 PIPELINING\n"
	bye   = "C: QUIT\n C!\n" // nobody waits for the answer

	mail = "C: MAIL FROM:<a@example.org> SIZE=6\n S: 250 ok\n"
	rcpt = "C: RCPT TO:<b@example.org>\n S: 250 ok\n"
	data = "S: 220 mx\n C: EHLO client.example\n S: 250 mx\n C: MAIL FROM:<a@example.org>\n S: 250 ok\n" + rcpt +
		"C: DATA\n S: 354 go ahead\n" // up to the body, without SIZE
	body = "C: DATA\n S: 354 go ahead\n C: hi\\r\\n\\r\\n.\n"
)

// message returns a message to b@example.org unless other recipients are given.
func message(text string, to ...string) *forwarder.Message {
	if to == nil {
		to = []string{"b@example.org"}
	}
	return &forwarder.Message{
		Sender: "a@example.org", Recipients: to, Size: int64(len(text)),
		Body: func() io.Reader { return strings.NewReader(text) },
	}
}

// options for a peer.
func options(p *peer) smtp.Options {
	return smtp.Options{Dial: p.dial, Helo: "client.example"}
}

// ready is a begin that has nothing to say.
func ready(context.Context, forwarder.Mark) error { return nil }

// deliver takes one message from Submit to Done.
func deliver(ctx context.Context, p *smtp.Pool, m *forwarder.Message, begin func(context.Context, forwarder.Mark) error) ([]forwarder.Outcome, error) {
	d := p.Submit(m)
	defer d.Done()
	return d.Wait(ctx, begin)
}

// describe writes outcomes one a line, without the recipients.
func describe(out []forwarder.Outcome) string {
	var lines []string
	for _, o := range out {
		lines = append(lines, fmt.Sprintf("%v %v %s", o.Kind, o.Stage, o.Reply()))
	}
	return strings.Join(lines, "\n")
}
