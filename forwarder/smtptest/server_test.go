package smtptest_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// talk sends what a client says in a row and returns all that the server says
// until it closes the connection.
func talk(t *testing.T, srv *smtptest.Server, lines ...string) string {
	t.Helper()
	c, err := srv.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	br := bufio.NewReader(c)
	var said strings.Builder
	for _, l := range append([]string{""}, lines...) {
		if l != "" {
			if _, err := io.WriteString(c, l+"\r\n"); err != nil {
				break
			}
		}
		if reply := readReply(br); reply != "" {
			said.WriteString(reply)
			continue
		}
		break
	}
	return said.String()
}

// readReply reads a reply with all its lines, "" at the end.
func readReply(br *bufio.Reader) string {
	var reply strings.Builder
	for {
		line, err := br.ReadString('\n')
		reply.WriteString(strings.ReplaceAll(line, "\r\n", "\n"))
		if err != nil || len(line) > 3 && line[3] == ' ' {
			return reply.String()
		}
	}
}

// start starts a server for the test.
func start(t *testing.T, o smtptest.Options) *smtptest.Server {
	t.Helper()
	srv, err := smtptest.Start(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return srv
}

const transaction = "EHLO x|MAIL FROM:<a@x>|RCPT TO:<b@x>|DATA|hi\r\n..\r\n.|QUIT"

// at misbehaves at one stage of the first message.
func at(stage forwarder.Stage, f smtptest.Fault) func(smtptest.Event) smtptest.Fault {
	return func(e smtptest.Event) smtptest.Fault {
		if e.Stage == stage && e.Message <= 1 && e.Connection == 1 {
			return f
		}
		return smtptest.Fault{}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	no := smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 7, 1}, Text: "no"}
	tests := []struct {
		name    string
		fault   func(smtptest.Event) smtptest.Fault
		want    string // the last lines
		accepts int
	}{
		{name: "none", want: "250 2.0.0 OK: queued\n221 2.0.0 Bye\n", accepts: 1},
		{name: "refused at EHLO", fault: at(forwarder.StageHello, no), want: "Service Ready\n550 5.7.1 no\n"},
		{name: "refused at MAIL", fault: at(forwarder.StageMail, no), want: "550 5.7.1 no\n"},
		{name: "refused at RCPT", fault: at(forwarder.StageRcpt, smtptest.Fault{Code: 450, Text: "later"}), want: "450 later\n"},
		{name: "refused at the dot", fault: at(forwarder.StageDot, no), want: "550 5.7.1 no\n221 2.0.0 Bye\n"},
		{name: "refused and kept", fault: at(forwarder.StageDot, smtptest.Fault{Code: 451, Text: "lost", Keep: true}), want: "451 lost\n221 2.0.0 Bye\n", accepts: 1},
		{name: "421 ends the connection", fault: at(forwarder.StageMail, smtptest.Fault{Code: 421, Text: "closing"}), want: "421 closing\n"},
		{name: "closed at MAIL", fault: at(forwarder.StageMail, smtptest.Fault{Close: true}), want: "250 SIZE\n"},
		{name: "closed in the body", fault: at(forwarder.StageBody, smtptest.Fault{Close: true, After: 2}), want: "354 Go ahead. End your data with <CR><LF>.<CR><LF>\n"},
		{name: "accepted and dropped", fault: at(forwarder.StageDot, smtptest.Fault{Close: true, Keep: true}), want: "354 Go ahead. End your data with <CR><LF>.<CR><LF>\n", accepts: 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := start(t, smtptest.Options{Fault: tt.fault})
			said := talk(t, srv, strings.Split(transaction, "|")...)
			if i := strings.Index(said, "\n502 "); i >= 0 {
				said = said[:i+1] // what follows a refusal comes too early
			}
			if !strings.HasSuffix(said, tt.want) {
				t.Errorf("said %q, want %q", said, tt.want)
			}
			if n := len(srv.Messages()); n != tt.accepts {
				t.Errorf("%d messages", n)
			}
		})
	}
}

func TestStall(t *testing.T) {
	t.Parallel()
	stalled := make(chan struct{})
	srv, err := smtptest.Start(smtptest.Options{Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageMail {
			close(stalled)
		}
		return smtptest.Fault{Stall: e.Stage == forwarder.StageMail}
	}})
	if err != nil {
		t.Fatal(err)
	}
	said := make(chan string)
	go func() { said <- talk(t, srv, "EHLO x", "MAIL FROM:<a@x>") }()
	<-stalled
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	if got := <-said; !strings.HasSuffix(got, "250 SIZE\n") {
		t.Errorf("said %q", got)
	}
}

// What is kept is what was sent, in SMTP and by BDAT, and without its octets
// where they are not wanted.
func TestMessages(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name  string
		o     smtptest.Options
		lines string
		want  smtptest.Message
	}{
		{
			name:  "DATA",
			lines: transaction,
			want:  smtptest.Message{Sender: "a@x", Recipients: []string{"b@x"}, Data: []byte("hi\r\n.\r\n")},
		},
		{
			name:  "hash only",
			o:     smtptest.Options{HashOnly: true},
			lines: transaction,
			want:  smtptest.Message{Sender: "a@x", Recipients: []string{"b@x"}, Data: []byte("hi\r\n.\r\n")},
		},
		{
			name:  "BDAT, SMTPUTF8, 8BITMIME and no sender",
			o:     smtptest.Options{UTF8: true},
			lines: "EHLO x|MAIL FROM:<> BODY=8BITMIME SMTPUTF8|RCPT TO:<b@x>|RCPT TO:<c@x>|BDAT 4 LAST\r\na\xff|QUIT",
			want:  smtptest.Message{Recipients: []string{"b@x", "c@x"}, BodyType: "8BITMIME", UTF8: true, Data: []byte("a\xff\r\n")},
		},
		{
			name:  "one recipient refused",
			o:     smtptest.Options{Fault: refuse("c@x")},
			lines: "EHLO x|MAIL FROM:<a@x>|RCPT TO:<b@x>|RCPT TO:<c@x>|DATA|hi\r\n.|QUIT",
			want:  smtptest.Message{Sender: "a@x", Recipients: []string{"b@x"}, Data: []byte("hi\r\n")},
		},
		{
			name:  "a line of any length",
			lines: "EHLO x|MAIL FROM:<a@x>|RCPT TO:<b@x>|DATA|" + strings.Repeat("x", 10000) + "\r\n.|QUIT",
			want:  smtptest.Message{Sender: "a@x", Recipients: []string{"b@x"}, Data: []byte(strings.Repeat("x", 10000) + "\r\n")},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := start(t, tt.o)
			said := talk(t, srv, strings.Split(tt.lines, "|")...)
			if err := srv.Wait(t.Context(), 1); err != nil {
				t.Fatalf("%v; said %q", err, said)
			}
			tt.want.Connection = 1
			tt.want.Size = int64(len(tt.want.Data))
			tt.want.SHA256 = sha256.Sum256(tt.want.Data)
			if tt.o.HashOnly {
				tt.want.Data = nil
			}
			if got := srv.Messages(); len(got) != 1 || !reflect.DeepEqual(got[0], tt.want) {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

// refuse refuses one recipient, in LMTP at the end as well.
func refuse(address string) func(smtptest.Event) smtptest.Fault {
	return func(e smtptest.Event) smtptest.Fault {
		if e.Address == address && (e.Stage == forwarder.StageRcpt || e.Stage == forwarder.StageDot) {
			return smtptest.Fault{Code: 550, Enhanced: forwarder.EnhancedCode{5, 1, 1}, Text: "unknown"}
		}
		return smtptest.Fault{}
	}
}

// LMTP answers for each recipient.
func TestLMTP(t *testing.T) {
	t.Parallel()
	srv := start(t, smtptest.Options{LMTP: true, Network: "unix", Address: filepath.Join(t.TempDir(), "lmtp"), Fault: func(e smtptest.Event) smtptest.Fault {
		if e.Stage == forwarder.StageDot && e.Address == "b@x" {
			return smtptest.Fault{Code: 452, Enhanced: forwarder.EnhancedCode{4, 2, 2}, Text: "full"}
		}
		return smtptest.Fault{}
	}})
	said := talk(t, srv, "LHLO x", "MAIL FROM:<a@x>", "RCPT TO:<b@x>", "RCPT TO:<c@x>", "DATA", "hi\r\n.", "NOOP")
	if want := "452 4.2.2 <b@x> full\n250 2.0.0 <c@x> OK: queued\n"; !strings.HasSuffix(said, want) {
		t.Errorf("said %q, want %q", said, want)
	}
	if got := srv.Messages(); len(got) != 1 || !reflect.DeepEqual(got[0].Recipients, []string{"c@x"}) {
		t.Errorf("got %+v, want one message for c@x", got)
	}
}

// What the reply to EHLO announces.
func TestAnnounced(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		o    smtptest.Options
		want string
	}{
		{name: "default", want: "PIPELINING 8BITMIME ENHANCEDSTATUSCODES CHUNKING SIZE"},
		{name: "all", o: smtptest.Options{UTF8: true, MaxSize: 10, Username: "leo"},
			want: "PIPELINING 8BITMIME ENHANCEDSTATUSCODES CHUNKING AUTH PLAIN LOGIN SMTPUTF8 SIZE 10"},
		{name: "hidden", o: smtptest.Options{Hide: []string{"PIPELINING", "8BITMIME", "CHUNKING", "SIZE"}},
			want: "XHIDDEN XHIDDEN ENHANCEDSTATUSCODES XHIDDEN XHIDDEN"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for line := range strings.Lines(talk(t, start(t, tt.o), "EHLO x", "QUIT")) {
				if rest, ok := strings.CutPrefix(line, "250"); ok && !strings.Contains(rest, "Hello") {
					got = append(got, strings.TrimSpace(rest[1:]))
				}
			}
			if s := strings.Join(got, " "); s != tt.want {
				t.Errorf("got %q, want %q", s, tt.want)
			}
		})
	}
}

func TestAuth(t *testing.T) {
	t.Parallel()
	encode := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	tests := []struct{ name, lines, want string }{
		{"PLAIN", "EHLO x|AUTH PLAIN " + encode("\x00leo\x00s3cret") + "|MAIL FROM:<a@x>", "250 2.0.0 Roger, accepting mail from <a@x>\n"},
		{"LOGIN", "EHLO x|AUTH LOGIN|" + encode("leo") + "|" + encode("s3cret") + "|MAIL FROM:<a@x>", "250 2.0.0 Roger, accepting mail from <a@x>\n"},
		{"wrong", "EHLO x|AUTH PLAIN " + encode("\x00leo\x00guess") + "|NOOP", "535 5.7.8 Authentication failed\n"},
		{"none", "EHLO x|MAIL FROM:<a@x>|NOOP", "530 5.7.0 authentication required\n"},
		{"unknown", "EHLO x|AUTH FOO|NOOP", "504 5.7.4 Unsupported authentication mechanism\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			srv := start(t, smtptest.Options{Username: "leo", Password: "s3cret"})
			if said := talk(t, srv, append(strings.Split(tt.lines, "|"), "QUIT")...); !strings.Contains(said, "\n"+tt.want) {
				t.Errorf("said %q, want %q", said, tt.want)
			}
		})
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	srv := start(t, smtptest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := srv.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
}
