package smtp_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/popferry/popferry/forwarder/smtp"
)

// flood is a server that answers the verb with the same line for ever, and everything
// else as it should. given counts the octets of the flood that were taken.
type flood struct {
	verb, line string
	given      int
	serving    sync.WaitGroup
}

func (f *flood) dial(context.Context) (net.Conn, error) {
	client, server := net.Pipe()
	f.serving.Go(func() {
		defer server.Close()
		f.serve(server)
	})
	return client, nil
}

func (f *flood) serve(c net.Conn) {
	in := bufio.NewReader(c)
	verb := "greeting"
	for {
		if verb == f.verb {
			for {
				n, err := io.WriteString(c, f.line)
				if f.given += n; err != nil {
					return
				}
			}
		}
		reply := map[string]string{"greeting": "220 mx\r\n", "EHLO": "250-mx\r\n250 AUTH PLAIN\r\n", "DATA": "354 go\r\n", "AUTH": "235 ok\r\n"}[verb]
		if reply == "" {
			reply = "250 ok\r\n"
		}
		if _, err := io.WriteString(c, reply); err != nil {
			return
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		verb, _, _ = strings.Cut(strings.TrimSpace(line), " ")
	}
}

// A reply without an end is a violation of the protocol that names the limit, at any
// point of a session, and takes no more memory than that.
func TestRepliesWithoutAnEnd(t *testing.T) {
	for _, tt := range []struct{ verb, line, want string }{
		{"greeting", "220-" + strings.Repeat("x", 1500) + "\r\n", "more than 65536 octets"},
		{"greeting", "220-x\r\n", "more than 500 lines"},
		{"EHLO", "250-AUTH" + strings.Repeat(" A", 700) + "\r\n", "more than 65536 octets"},
		{"EHLO", "250-A\r\n", "more than 500 lines"},
		{"AUTH", "535-no\r\n", "more than 500 lines"},
		{"MAIL", "550-" + strings.Repeat("x", 8000) + "\r\n", "more than 65536 octets"},
		{"MAIL", "550-x\r\n", "more than 500 lines"},
		{"DATA", "354-x\r\n", "more than 500 lines"},
	} {
		f := &flood{verb: tt.verb, line: tt.line}
		p := smtp.New(smtp.Options{Dial: f.dial, Helo: "client.example", Username: "leo", Secret: func(context.Context) (string, error) { return "secret", nil }})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		out, err := deliver(t.Context(), p, message("hi\r\n"), ready)
		runtime.ReadMemStats(&after)
		_ = p.Close()
		f.serving.Wait()
		if err != nil || len(out) != 1 || !errors.Is(out[0].Err, smtp.ErrProtocol) || !strings.Contains(out[0].Err.Error(), tt.want) {
			t.Errorf("%s: %v, %v; want %q", tt.verb, describe(out), err, tt.want)
		}
		if f.given > 100_000 {
			t.Errorf("%s: %d octets were taken, 65536 are allowed", tt.verb, f.given)
		}
		if taken := after.TotalAlloc - before.TotalAlloc; taken > 4<<20 {
			t.Errorf("%s: %d kB were allocated, want 4096 at most", tt.verb, taken>>10)
		}
	}
}

// What a server says goes into the ledger and the log, once for each recipient: of
// more than 1 kB nobody reads the rest.
func TestTextsAreCut(t *testing.T) {
	t.Parallel()
	long, longer := strings.Repeat("ä", 700), strings.Repeat("ä", 4000)
	for _, script := range []string{
		"S: 554 5.7.1 " + long + "\n C!\n",
		"S: 220 mx\n C: EHLO client.example\n S: 421 4.7.1 " + long + "\n C!\n",
		"S: " + long + "\n C!\n",
		hello + mail + "C: RCPT TO:<b@example.org>\n S: 550-5.7.1 " + longer + "\\r\\n550 5.7.1 " + longer + "\n " + bye,
	} {
		peer := newPeer(t, script)
		p := smtp.New(options(peer))
		out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready)
		_ = p.Close()
		peer.done()
		if err != nil || len(out) != 1 || len(out[0].Reply()) > 1100 || !strings.Contains(out[0].Reply(), "ääää") || !strings.Contains(out[0].Reply(), "ä...") {
			t.Errorf("%.20q: %d octets, %v", script, len(out[0].Reply()), err)
		}
	}
}
