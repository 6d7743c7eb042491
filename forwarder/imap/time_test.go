package imap_test

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
	"github.com/popferry/popferry/forwarder/imap"
)

// TestEachAnswerHasItsTime: the time for an answer begins when the one before has
// come, and what else the server says does not make it longer.
func TestEachAnswerHasItsTime(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		second string // what follows behind the answer to the first of two messages
		want   forwarder.Kind
	}{
		"in time": {"S+ 9m\n S: a7 OK two\n C: a8 LOGOUT\n C!\n", forwarder.Accepted},
		"late":    {"S+ 5m\n S: * OK still here\n S+ 6m\n C!\n", forwarder.InDoubt},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				script := strings.ReplaceAll(start, "IMAP4rev1", "IMAP4rev1 LITERAL+") + "C: a5 APPEND \"INBOX\" {4}\n S: + go\n C: hi\\r\\n\n S: a5 OK zero\n" +
					"C: a6 APPEND \"INBOX\" {4+}\\r\\nhi\\r\\n\n C: a7 APPEND \"INBOX\" {4+}\\r\\nhi\\r\\n\n S+ 9m\n S: a6 OK one\n" + tt.second
				peer := &peer{t: t, scripts: []string{script}}
				p := imap.New(imap.Options{Dial: peer.dial, Username: "leo", Secret: secret("geheim123"), Connections: 1})
				wantOutcome(t, p, message("hi\r\n"), "accepted dot 250 2.0.0 OK zero")
				var all sync.WaitGroup
				for i, want := range []forwarder.Kind{forwarder.Accepted, tt.want} {
					d := p.Submit(message("hi\r\n"))
					all.Go(func() {
						defer d.Done()
						out, err := d.Wait(t.Context(), ready)
						if err != nil || out[0].Kind != want {
							t.Errorf("message %d: %+v and %v, want %v", i, out, err, want)
						}
					})
				}
				all.Wait()
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// TestLookingEnds: a server that never stops answering is given up after an hour.
func TestLookingEnds(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		responses int // 4 min apart
		rest      string
		want      string
		took      time.Duration
	}{
		"slow":    {14, "S: a5 OK done\n C: a6 LIST \"\" \"*\"\n S: a6 OK\n C: a7 LOGOUT\n S: a7 OK\n C!\n", "", 56 * time.Minute},
		"endless": {16, "C!\n", "rcpt: protocol violation: the responses to one command took more than 1h0m0s, which is the limit", 64 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				script := hello + entry + "C: a3 LIST \"\" \"\"\n S: a3 OK\n C: a4 EXAMINE \"INBOX\"\n S: * 9 EXISTS\n S: a4 OK\n" +
					"C: a5 FETCH 1:9 (UID RFC822.SIZE BODY.PEEK[HEADER.FIELDS (X-Popferry-Trace MESSAGE-ID)])\n" +
					strings.Repeat("S+ 4m\n S: * 1 FETCH (UID 1 FLAGS ())\n", tt.responses) + tt.rest
				peer := &peer{t: t, scripts: []string{script}}
				p := imap.New(imap.Options{Dial: peer.dial, Username: "leo", Secret: secret("geheim123")})
				begin := time.Now()
				_, err := p.Find(t.Context(), []forwarder.Sought{{Trace: "x"}})
				if got := fmt.Sprint(err); got != tt.want && (err != nil || tt.want != "") {
					t.Errorf("got %v, want %s", err, tt.want)
				}
				if took := time.Since(begin); took != tt.took {
					t.Errorf("it took %v, want %v", took, tt.took)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// TestIdleFlood: a server that does not stop talking, though nobody has asked it
// anything, is hung up on.
func TestIdleFlood(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		responses int
		rest      string
	}{
		"much":     {10_000, bye},
		"too much": {10_001, "C!\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := &peer{t: t, scripts: []string{start + command + body + "S: a5 OK\n" + strings.Repeat("S: * 3 EXISTS\n", tt.responses) + tt.rest}}
				p := imap.New(imap.Options{Dial: peer.dial, Username: "leo", Secret: secret("geheim123")})
				wantOutcome(t, p, message("hi\r\n"), "accepted dot 250 2.0.0 OK")
				synctest.Wait()
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// TestSlowUpload: a message may take longer than any one wait, as long as it goes on.
func TestSlowUpload(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const size = 400_000
		client, server := net.Pipe()
		var all sync.WaitGroup
		all.Go(func() {
			defer server.Close()
			br := bufio.NewReader(server)
			for step := range strings.Lines(start + fmt.Sprintf("C: a5 APPEND \"INBOX\" {%d}\n", size)) {
				if err := play1(br, server, step); err != nil {
					t.Error(err)
				}
			}
			_, _ = io.WriteString(server, "+ go\r\n")
			for left := int64(size + 2); left > 0; left -= 16_384 {
				time.Sleep(time.Minute)
				_, _ = io.CopyN(io.Discard, br, min(left, 16_384))
			}
			_, _ = io.WriteString(server, "a5 OK slow\r\n")
			_, _ = io.Copy(io.Discard, br)
		})
		p := imap.New(imap.Options{Username: "leo", Secret: secret("geheim123"), Dial: func(context.Context) (net.Conn, error) { return client, nil }})
		wantOutcome(t, p, message(strings.Repeat("x", size)), "accepted dot 250 2.0.0 OK slow")
		_ = p.Close()
		all.Wait()
	})
}

// TestLaterMessagesGiveNoTime: a message whose answer does not come is in doubt after
// ten minutes, whatever is sent behind it meanwhile.
func TestLaterMessagesGiveNoTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		script := strings.ReplaceAll(start, "IMAP4rev1", "IMAP4rev1 LITERAL+") + "C: a5 APPEND \"INBOX\" {4}\n S: + go\n C: hi\\r\\n\n S: a5 OK zero\n" +
			"C: a6 APPEND \"INBOX\" {4+}\\r\\nhi\\r\\n\n C: a7 STATUS \"INBOX\" (UIDVALIDITY UIDNEXT)\n S: a7 OK\n C: a8 APPEND \"INBOX\" {4+}\\r\\nhi\\r\\n\n C!\n"
		peer := &peer{t: t, scripts: []string{script}}
		p := imap.New(imap.Options{Dial: peer.dial, Username: "leo", Secret: secret("geheim123"), Connections: 1})
		wantOutcome(t, p, message("hi\r\n"), "accepted dot 250 2.0.0 OK zero")
		began := time.Now()
		var all sync.WaitGroup
		for i := range 2 {
			time.Sleep(time.Duration(i) * 9 * time.Minute)
			d := p.Submit(message("hi\r\n"))
			all.Go(func() {
				defer d.Done()
				out, err := d.Wait(t.Context(), ready)
				if took := time.Since(began); err != nil || out[0].Kind != forwarder.InDoubt || took > 11*time.Minute {
					t.Errorf("message %d after %v: %+v and %v", i, took, out, err)
				}
			})
		}
		all.Wait()
		_ = p.Close()
		peer.done()
	})
}
