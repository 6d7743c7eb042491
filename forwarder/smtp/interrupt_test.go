package smtp_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder/smtp"
)

// silences are servers that say nothing more at some point.
var silences = []struct {
	name   string
	script string
	// stopped is the outcome when ctx ends there, "" where that is our own
	// fault; timeout that of the deadline, which comes after wait.
	stopped, timeout string
	wait             time.Duration
}{
	{
		name:    "greeting",
		script:  "C!",
		timeout: "unusable greeting read pipe: i/o timeout",
		wait:    5 * time.Minute,
	},
	{
		name:    "EHLO",
		script:  "S: 220 mx\n C: EHLO client.example\n C!",
		timeout: "unusable ehlo read pipe: i/o timeout",
		wait:    5 * time.Minute,
	},
	{
		name:    "MAIL",
		script:  hello + "C: MAIL FROM:<a@example.org> SIZE=6\n C!",
		stopped: "broken mail context canceled",
		timeout: "broken mail read pipe: i/o timeout",
		wait:    5 * time.Minute,
	},
	{
		name:    "RCPT",
		script:  hello + mail + "C: RCPT TO:<b@example.org>\n C!",
		stopped: "broken rcpt context canceled",
		timeout: "broken rcpt read pipe: i/o timeout",
		wait:    5 * time.Minute,
	},
	{
		name:    "DATA",
		script:  hello + mail + rcpt + "C: DATA\n C!",
		stopped: "broken data context canceled",
		timeout: "broken data read pipe: i/o timeout",
		wait:    5 * time.Minute,
	},
	{
		name:    "dot",
		script:  hello + mail + rcpt + body + "C!",
		stopped: "in doubt dot context canceled",
		timeout: "in doubt dot read pipe: i/o timeout",
		wait:    10 * time.Minute,
	},
}

func TestWaitStoppedAtEachStage(t *testing.T) {
	t.Parallel()
	for _, tt := range silences {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, tt.script)
				p := smtp.New(options(peer))
				ctx, cancel := context.WithCancel(t.Context())
				go func() {
					synctest.Wait() // for the silence
					cancel()
				}()
				out, err := deliver(ctx, p, message("hi\r\n\r\n"), ready)
				if got := describe(out); got != tt.stopped {
					t.Errorf("got %q, want %q", got, tt.stopped)
				}
				if own := tt.stopped == ""; own != errors.Is(err, context.Canceled) {
					t.Errorf("error %v", err)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

func TestCheckStopped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, "C!")
		p := smtp.New(options(peer))
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			synctest.Wait()
			cancel()
		}()
		if err := p.Check(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want %v", err, context.Canceled)
		}
		_ = p.Close()
		peer.done()
	})
}

func TestDeadlineOfEachStage(t *testing.T) {
	t.Parallel()
	for _, tt := range silences {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, tt.script)
				p := smtp.New(options(peer))
				start := time.Now()
				out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready)
				if err != nil {
					t.Errorf("deliver: %v", err)
				}
				if got := describe(out); got != tt.timeout {
					t.Errorf("got %q, want %q", got, tt.timeout)
				}
				if took := time.Since(start); took != tt.wait {
					t.Errorf("took %v, want %v", took, tt.wait)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// Octets that drip in must not move the deadline of a reply.
func TestDrippingReplyHitsTheDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, hello+mail+rcpt+body+"S% 250 queued as 1")
		p := smtp.New(options(peer))
		start := time.Now()
		out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready)
		if got, want := describe(out), "in doubt dot read pipe: i/o timeout"; got != want || err != nil {
			t.Errorf("got %q and %v, want %q", got, err, want)
		}
		if took := time.Since(start); took != 10*time.Minute {
			t.Errorf("took %v, want 10m", took)
		}
		_ = p.Close()
		peer.done()
	})
}

// TestAnswerCameWhileTheMachineSlept: the reply to the final dot lies in the socket
// when the machine wakes, long after the time for it.
func TestAnswerCameWhileTheMachineSlept(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ script, want string }{
		"it has come": {"S: 250 queued as 1", "accepted dot 250 queued as 1"},
		"it has not":  {"S-", "in doubt dot read pipe: i/o timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, hello+mail+rcpt+body+tt.script)
				o := options(peer)
				dial := o.Dial
				o.Dial = func(ctx context.Context) (net.Conn, error) {
					c, err := dial(ctx)
					return &sleeper{Conn: c}, err
				}
				p := smtp.New(o)
				out, err := deliver(t.Context(), p, message("hi\r\n\r\n"), ready)
				if got := describe(out); got != tt.want || err != nil {
					t.Errorf("got %q and %v, want %q", got, err, tt.want)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// sleeper is a connection of a machine that sleeps for a quarter of an hour after
// it has sent a final dot.
type sleeper struct {
	net.Conn
	asleep atomic.Bool
}

func (s *sleeper) Write(p []byte) (int, error) {
	n, err := s.Conn.Write(p)
	s.asleep.Store(err == nil && bytes.HasSuffix(p, []byte("\r\n.\r\n")))
	return n, err
}

func (s *sleeper) Read(p []byte) (int, error) {
	if s.asleep.CompareAndSwap(true, false) {
		time.Sleep(15 * time.Minute)
	}
	return s.Conn.Read(p)
}

// large does not fit into any buffer on the way.
var large = strings.Repeat("0123456789012345678901234567890123456789012345678901234567890\r\n", 2000)

// A body that comes to no good end must not get its final dot.
func TestBrokenBodyGetsNoFinalDot(t *testing.T) {
	t.Parallel()
	gone := errors.New("the disk is gone")
	tests := []struct {
		name  string
		size  int
		parts []io.Reader
		end   string // of the script, behind 354
		err   error  // nil: some error, unless there is an outcome
		want  string
	}{
		{
			name:  "fails at once",
			size:  6,
			parts: []io.Reader{iotest.ErrReader(gone)},
			end:   "C!",
			err:   gone,
		},
		{
			name:  "fails at its end",
			size:  6,
			parts: []io.Reader{strings.NewReader("hi\r\n\r\n"), iotest.ErrReader(gone)},
			end:   "C~",
			err:   gone,
		},
		{
			name:  "fails after much",
			size:  len(large) + 1,
			parts: []io.Reader{strings.NewReader(large), iotest.ErrReader(gone)},
			end:   "C~",
			err:   gone,
		},
		{
			name:  "is too short",
			size:  7,
			parts: []io.Reader{strings.NewReader("hi\r\n\r\n")},
			end:   "C~",
		},
		{
			name:  "is too long",
			size:  5,
			parts: []io.Reader{strings.NewReader("hi\r\n\r\n")},
			end:   "C~",
		},
		{
			name:  "is stopped",
			size:  2 * len(large),
			parts: []io.Reader{strings.NewReader(large), stopper{}, strings.NewReader(large)},
			end:   "C~",
			want:  "broken body context canceled",
		},
		{
			name:  "is stopped before its last octet is written",
			size:  6,
			parts: []io.Reader{strings.NewReader("hi\r\n\r\n"), stopper{}},
			end:   "C!",
			want:  "broken body context canceled",
		},
		{
			name:  "is not taken",
			size:  len(large),
			parts: []io.Reader{strings.NewReader(large)},
			end:   "C: " + large[:61] + "\nS!",
			want:  "broken body io: read/write on closed pipe",
		},
		{
			name:  "is not read any more",
			size:  len(large),
			parts: []io.Reader{strings.NewReader(large)},
			end:   "C: " + large[:61] + "\nS-",
			want:  "broken body write pipe: i/o timeout",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, data+tt.end)
				p := smtp.New(options(peer))
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				m := message("")
				m.Size = int64(tt.size)
				m.Body = func() io.Reader {
					for i, part := range tt.parts {
						if _, ok := part.(stopper); ok {
							tt.parts[i] = stopper{cancel}
						}
					}
					return io.MultiReader(tt.parts...)
				}
				out, err := deliver(ctx, p, m, ready)
				if got := describe(out); got != tt.want {
					t.Errorf("got %q, want %q", got, tt.want)
				}
				if (err == nil) != (tt.want != "") || tt.err != nil && !errors.Is(err, tt.err) {
					t.Errorf("error %v, want %v", err, tt.err)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// stopper is a part of a body without octets, at which ctx ends.
type stopper struct{ cancel func() }

// Read implements io.Reader.
func (s stopper) Read([]byte) (int, error) {
	s.cancel()
	synctest.Wait() // until the connection is closed
	return 0, io.EOF
}

// A server that cuts the body short may say why.
func TestReplyOfServerThatCutsTheBody(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	var serving sync.WaitGroup
	defer serving.Wait()
	serving.Go(func() {
		c, err := ln.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		script := data + "C: " + large[:61] + "\nS: 552 5.3.4 too big"
		if err := play(c, script); err != nil {
			t.Error(err)
		}
	})
	p := smtp.New(smtp.Options{Helo: "client.example", Dial: func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "tcp", ln.Addr().String())
	}})
	defer p.Close()
	m := message(strings.Repeat(large, 100))
	out, err := deliver(t.Context(), p, m, ready)
	if got, want := describe(out), "refused body 552 5.3.4 too big"; got != want || err != nil {
		t.Errorf("got %q and %v, want %q", got, err, want)
	}
}
