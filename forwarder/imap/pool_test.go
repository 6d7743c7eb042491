package imap_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/imap"
	"github.com/popferry/popferry/forwarder/imaptest"
)

// deliverAll delivers n messages at once, submitted in the order of their ids, and
// returns the outcomes in that order.
func deliverAll(t *testing.T, p *imap.Pool, n int) []forwarder.Outcome {
	t.Helper()
	outs := make([]forwarder.Outcome, n)
	var all sync.WaitGroup
	for i := range n {
		d := p.Submit(mail(fmt.Sprintf("m%03d", i), "hi"))
		all.Go(func() {
			defer d.Done()
			out, err := d.Wait(t.Context(), ready)
			if err != nil {
				t.Errorf("message %d: %v", i, err)
				return
			}
			outs[i] = out[0]
		})
	}
	all.Wait()
	return outs
}

// TestMany: many messages over one session arrive in their order, once each, and
// over several once each, whatever the server offers.
func TestMany(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]imaptest.Options{
		"plain": {}, "LITERAL+": {Caps: []string{"LITERAL+"}}, "LITERAL-": {Caps: []string{"LITERAL-"}},
		"Gmail": imaptest.Gmail(), "Yahoo": imaptest.Yahoo(), "iCloud": imaptest.ICloud(),
	} {
		for _, connections := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s, %d", name, connections), func(t *testing.T) {
				t.Parallel()
				const n = 200
				s := serve(t, o)
				p := newPool(t, s, func(o *imap.Options) { o.Connections = connections })
				for i, o := range deliverAll(t, p, n) {
					if o.Kind != forwarder.Accepted {
						t.Errorf("message %d: %s", i, describe(o))
					}
				}
				var got []string
				for _, m := range s.Messages("INBOX") {
					_, id, _ := strings.Cut(string(m.Octets), "id m")
					got = append(got, id[:3])
				}
				if connections > 1 {
					slices.Sort(got)
				}
				if len(got) != n || !slices.IsSorted(got) || len(slices.Compact(got)) != n {
					t.Errorf("stored: %v", got)
				}
				most := connections
				if strings.HasPrefix(name, "Gmail") {
					most++ // reads back
				}
				if c := s.Connections(); c > most {
					t.Errorf("%d connections, want at most %d", c, most)
				}
			})
		}
	}
}

// TestUnasked: where the server need not ask, a message goes at once behind one that
// was taken, but not a large one, not the first, and none after a rest.
func TestUnasked(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		caps []string
		want []string // the announcements of messages
	}{
		"plain":    {nil, []string{"{%d}", "{%d}", "{%d}", "{%d}", "{%d}"}},
		"LITERAL+": {[]string{"LITERAL+"}, []string{"{%d}", "{%d+}", "{%d+}", "{%d}", "{%d}"}},
		"LITERAL-": {[]string{"LITERAL-"}, []string{"{%d}", "{%d+}", "{%d}", "{%d}", "{%d}"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := imaptest.New(imaptest.Options{Caps: tt.caps})
				p := imap.New(imap.Options{Dial: s.Pipe, Username: "leo", Secret: secret("geheim123")})
				var want []string
				for i, size := range []int{100, 3000, 5000, 2 << 20, 100} {
					if i == 4 {
						time.Sleep(2 * time.Second)
					}
					m := mail("one", strings.Repeat("x", size))
					want = append(want, fmt.Sprintf(tt.want[i], m.Size))
					wantOutcome(t, p, m, "accepted dot 250 2.0.0 OK done")
				}
				var got []string
				for _, line := range s.Said() {
					if strings.Contains(line, "APPEND") {
						got = append(got, line[strings.IndexByte(line, '{'):])
					}
				}
				if !slices.Equal(got, want) {
					t.Errorf("got %q, want %q", got, want)
				}
				_ = p.Close()
				_ = s.Close()
			})
		})
	}
}

// TestBehind: the next command is sent before the answer to the message before, and
// with it the message, where the server need not ask.
func TestBehind(t *testing.T) {
	t.Parallel()
	const (
		first = "C: a5 APPEND \"INBOX\" {4}\n S: + go\n C: hi\\r\\n\n S: a5 OK zero\n"
		end   = "C: a9 LOGOUT\n C!\n"
	)
	for name, script := range map[string]string{
		"asked": start + first + "C: a6 APPEND \"INBOX\" {4}\n S: + go\n C: hi\\r\\n\n" +
			"C: a7 APPEND \"INBOX\" {4}\n C-\n S: a6 OK one\n C-\n S: + go\n C: hi\\r\\n\n" +
			"C: a8 APPEND \"INBOX\" {4}\n S: + go\n C: hi\\r\\n\n S: a8 OK three\n S: a7 OK two\n" + end,
		"unasked": strings.ReplaceAll(start, "IMAP4rev1", "IMAP4rev1 LITERAL+") + first +
			"C: a6 APPEND \"INBOX\" {4+}\\r\\nhi\\r\\n\n C: a7 APPEND \"INBOX\" {4+}\\r\\nhi\\r\\n\n C: a8 APPEND \"INBOX\" {4+}\\r\\nhi\\r\\n\n" +
			"C-\n S: a8 OK three\n S: a6 OK one\n S: a7 OK two\n" + end,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := &peer{t: t, scripts: []string{script}}
				p := imap.New(imap.Options{Dial: peer.dial, Username: "leo", Secret: secret("geheim123"), Connections: 1})
				wantOutcome(t, p, message("hi\r\n"), "accepted dot 250 2.0.0 OK zero")
				var all sync.WaitGroup
				for _, word := range []string{"one", "two", "three"} {
					d := p.Submit(message("hi\r\n"))
					all.Go(func() {
						defer d.Done()
						out, err := d.Wait(t.Context(), ready)
						if err != nil || out[0].Text != "OK "+word {
							t.Errorf("got %+v and %v, want %s", out, err, word)
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

// TestInFlight: not more messages are begun than InFlight until they are done.
func TestInFlight(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{Caps: []string{"LITERAL+"}})
	p := newPool(t, s, func(o *imap.Options) { o.InFlight = 3 })
	var under, most atomic.Int32
	var all sync.WaitGroup
	for i := range 100 {
		d := p.Submit(mail(fmt.Sprint(i), "hi"))
		all.Go(func() {
			defer d.Done()
			_, err := d.Wait(t.Context(), func(context.Context, forwarder.Mark) error {
				now := under.Add(1)
				for m := most.Load(); now > m && !most.CompareAndSwap(m, now); m = most.Load() {
				}
				return nil
			})
			if err != nil {
				t.Error(err)
			}
			under.Add(-1)
		})
	}
	all.Wait()
	if n := most.Load(); n > 3 || n < 2 {
		t.Errorf("%d were under way at once, want 3", n)
	}
}

// TestBeginFails: nothing is sent then, and the others go on.
func TestBeginFails(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{})
	p := newPool(t, s)
	full := errors.New("disk full")
	d := p.Submit(mail("one", "hi"))
	if _, err := d.Wait(t.Context(), func(context.Context, forwarder.Mark) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	d.Done()
	wantOutcome(t, p, mail("two", "hi"), "accepted dot 250 2.0.0 OK done")
	if n := len(s.Messages("INBOX")); n != 1 {
		t.Errorf("%d messages stored", n)
	}
}

// TestSessionEndsAtRest: a message that comes after that goes on another session, and
// is not in doubt.
func TestSessionEndsAtRest(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"", "* BYE idle for too long"} {
		synctest.Test(t, func(t *testing.T) {
			s := imaptest.New(imaptest.Options{Caps: []string{"LITERAL+"}})
			var conns []net.Conn
			p := imap.New(imap.Options{Username: "leo", Secret: secret("geheim123"), Dial: func(context.Context) (net.Conn, error) {
				client, server := net.Pipe()
				conns = append(conns, server)
				s.Serve(server)
				return client, nil
			}})
			wantOutcome(t, p, mail("one", "hi"), "accepted dot 250 2.0.0 OK done")
			if how != "" {
				_, _ = conns[0].Write([]byte(how + "\r\n"))
			} else {
				_ = conns[0].Close()
			}
			synctest.Wait()
			wantOutcome(t, p, mail("two", "hi"), "accepted dot 250 2.0.0 OK done")
			if n := len(conns); n != 2 {
				t.Errorf("%d connections, want 2", n)
			}
			_ = p.Close()
			_ = s.Close()
		})
	}
}

// TestIdleSessionEnds: a session without work is ended by LOGOUT after half a minute.
func TestIdleSessionEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := imaptest.New(imaptest.Options{})
		p := imap.New(imap.Options{Dial: s.Pipe, Username: "leo", Secret: secret("geheim123")})
		wantOutcome(t, p, mail("one", "hi"), "accepted dot 250 2.0.0 OK done")
		time.Sleep(29 * time.Second)
		if said := strings.Join(s.Said(), "\n"); strings.Contains(said, "LOGOUT") {
			t.Error("it was ended early")
		}
		time.Sleep(2 * time.Second)
		if said := strings.Join(s.Said(), "\n"); !strings.Contains(said, "LOGOUT") {
			t.Error("it was not ended")
		}
		wantOutcome(t, p, mail("two", "hi"), "accepted dot 250 2.0.0 OK done")
		_ = p.Close()
		_ = s.Close()
	})
}

// TestCloseSaysLOGOUTAndDoesNotWait: nothing depends on the answer.
func TestCloseSaysLOGOUTAndDoesNotWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := imaptest.New(imaptest.Options{Fault: func(e imaptest.Event) imaptest.Fault {
			return imaptest.Fault{Stall: e.Command == "LOGOUT"}
		}})
		p := imap.New(imap.Options{Dial: s.Pipe, Username: "leo", Secret: secret("geheim123")})
		wantOutcome(t, p, mail("one", "hi"), "accepted dot 250 2.0.0 OK done")
		began := time.Now()
		_ = p.Close()
		if took := time.Since(began); took != 0 {
			t.Errorf("Close took %v", took)
		}
		synctest.Wait() // until the server has read it
		if said := strings.Join(s.Said(), "\n"); !strings.Contains(said, "LOGOUT") {
			t.Error("LOGOUT was not said")
		}
		_ = s.Close()
	})
}

// TestFewerSessions: a server that takes two sessions gets two, and all messages; that
// is remembered.
func TestFewerSessions(t *testing.T) {
	t.Parallel()
	var open atomic.Int32
	s := serve(t, imaptest.Options{Fault: func(e imaptest.Event) imaptest.Fault {
		if e.Command == "LOGIN" && open.Add(1) > 2 {
			return imaptest.Fault{Reply: "NO [LIMIT] Too many simultaneous connections"}
		}
		return imaptest.Fault{}
	}})
	p := newPool(t, s)
	for i, o := range deliverAll(t, p, 100) {
		if o.Kind != forwarder.Accepted {
			t.Errorf("message %d: %s", i, describe(o))
		}
	}
	if n := p.Facts().Sessions; n < 1 || n > 2 {
		t.Errorf("facts: %+v", p.Facts())
	}
}

// TestThrottled: a server that is asked too much gets less, and nothing is lost.
func TestThrottled(t *testing.T) {
	t.Parallel()
	replies := 0
	s := serve(t, imaptest.Options{Fault: func(e imaptest.Event) imaptest.Fault {
		if e.Command == "APPEND" && e.Appends%10 == 0 {
			replies++
			return imaptest.Fault{Reply: "BAD Request is throttled. Suggested Backoff Time: 5000 milliseconds"}
		}
		return imaptest.Fault{}
	}})
	p := newPool(t, s)
	accepted, throttled := 0, 0
	for i, o := range deliverAll(t, p, 60) {
		switch {
		case o.Kind == forwarder.Accepted:
			accepted++
		case o.Throttled() && o.RetryAfter == 5*time.Second:
			throttled++
		default:
			t.Errorf("message %d: %s", i, describe(o))
		}
	}
	if n := len(s.Messages("INBOX")); n != accepted {
		t.Errorf("%d were accepted, %d are stored", accepted, n)
	}
	_ = p.Close()
	if throttled != replies || p.Facts().NoPipelining.Count != 0 {
		t.Errorf("the server has throttled %d times, %d messages learnt it; facts: %+v", replies, throttled, p.Facts())
	}
}

// TestNothingBehind: a server that refuses a command that came behind a message, or
// loses it, gets it again on another session, and none behind a message any more. No
// message is lost or doubled.
func TestNothingBehind(t *testing.T) {
	t.Parallel()
	for name, reply := range map[string]string{"refused": "S: a7 BAD wait\n ", "lost": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				script := start + "C: a5 APPEND \"INBOX\" {4}\n S: + go\n C: hi\\r\\n\n S: a5 OK zero\n" +
					"C: a6 APPEND \"INBOX\" {4}\n S: + go\n C: hi\\r\\n\n C: a7 APPEND \"INBOX\" {4}\n " + reply + "S: a6 OK one\n C!\n"
				again := hello + entry + "C: a3 APPEND \"INBOX\" {4}\n S: + go\n C: hi\\r\\n\n C-\n S: a3 OK two\n C: a4 LOGOUT\n C!\n"
				peer := &peer{t: t, scripts: []string{script, again}}
				p := imap.New(imap.Options{Dial: peer.dial, Username: "leo", Secret: secret("geheim123"), Connections: 1, Timeout: 20 * time.Second})
				wantOutcome(t, p, message("hi\r\n"), "accepted dot 250 2.0.0 OK zero")
				wantTexts(t, p, "OK one", "OK two")
				if n := p.Facts().NoPipelining.Count; n != 1 {
					t.Errorf("facts: %+v", p.Facts())
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// wantTexts submits a message for each answer, and compares that.
func wantTexts(t *testing.T, p *imap.Pool, want ...string) {
	t.Helper()
	var all sync.WaitGroup
	for _, w := range want {
		d := p.Submit(message("hi\r\n"))
		all.Go(func() {
			defer d.Done()
			if out, err := d.Wait(t.Context(), ready); err != nil || out[0].Text != w {
				t.Errorf("got %+v and %v, want %s", out, err, w)
			}
		})
	}
	all.Wait()
}

// TestStoppedAtTheIntent: popferry may be told to stop while it writes that a message
// may be delivered. The session takes the next one, and has an end.
func TestStoppedAtTheIntent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := imaptest.New(imaptest.Options{})
		p := imap.New(imap.Options{Dial: s.Pipe, Username: "leo", Secret: secret("geheim123"), Connections: 1})
		ctx, stop := context.WithCancel(t.Context())
		d := p.Submit(mail("one", "hi"))
		out, err := d.Wait(ctx, func(context.Context, forwarder.Mark) error {
			stop()
			return nil
		})
		d.Done()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v and %v, want %v", out, err, context.Canceled)
		}
		wantOutcome(t, p, mail("two", "hi"), "accepted dot 250 2.0.0 OK done")
		if n := s.Connections(); n != 1 {
			t.Errorf("%d connections, want 1", n)
		}
		_ = p.Close()
		_ = s.Close()
	})
}

// TestEarlyAnswer: what is left of a message that was refused before its end is never
// sent, because the server may take it for commands.
func TestEarlyAnswer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		text := strings.Repeat("x", 2_000_000)
		peer := &peer{t: t, scripts: []string{
			start + fmt.Sprintf("C: a5 APPEND \"INBOX\" {%d}\n", len(text)) + "S: + go\n S: a5 NO [OVERQUOTA] full\n C~ 1500000\n",
			hello + entry + "C: a3 APPEND \"INBOX\" {4}\n S: + go\n C: hi\\r\\n\n S: a3 OK\n C: a4 LOGOUT\n C!\n",
		}}
		p := imap.New(imap.Options{Dial: peer.dial, Username: "leo", Secret: secret("geheim123")})
		wantOutcome(t, p, message(text), "refused body 552 5.2.2 NO [OVERQUOTA] full")
		wantOutcome(t, p, message("hi\r\n"), "accepted dot 250 2.0.0 OK")
		_ = p.Close()
		peer.done()
	})
}

// TestClosed: a closed pool takes nothing.
func TestClosed(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{})
	p := newPool(t, s)
	wantOutcome(t, p, mail("one", "hi"), "accepted dot 250 2.0.0 OK done")
	_ = p.Close()
	_, _, err := deliver(t.Context(), p, mail("two", "hi"))
	_, found := p.Find(t.Context(), []forwarder.Sought{{Trace: "x"}})
	for _, err := range []error{err, found, p.Check(t.Context())} {
		if !errors.Is(err, imap.ErrClosed) {
			t.Errorf("got %v", err)
		}
	}
}

// TestTrace: the dialogue has no message in it.
func TestTrace(t *testing.T) {
	t.Parallel()
	var dialogue record
	p := newPool(t, serve(t, imaptest.Options{}), func(o *imap.Options) { o.Trace = dialogue.trace })
	wantOutcome(t, p, mail("one", "the text"), "accepted dot 250 2.0.0 OK done")
	for _, want := range []string{"C: a1 CAPABILITY", "C: a2 LOGIN ***", "S: * STATUS \"INBOX\" (UIDNEXT 100 UIDVALIDITY 6)", "S: + go ahead", "C: (247 octets of a message)"} {
		if !strings.Contains(dialogue.all(), want) {
			t.Errorf("there is no %q in the trace:\n%s", want, dialogue.all())
		}
	}
	if strings.Contains(dialogue.all(), "the text") {
		t.Errorf("the trace has the message:\n%s", dialogue.all())
	}
}

// TestCutAtAnotherMessage: a session that ends before the server asks for the message
// costs the message nothing if there was one before it on the session.
func TestCutAtAnotherMessage(t *testing.T) {
	t.Parallel()
	var cut atomic.Bool
	s := serve(t, imaptest.Options{Fault: func(e imaptest.Event) imaptest.Fault {
		return imaptest.Fault{Close: e.Command == "APPEND" && e.Appends == 2 && !cut.Swap(true)}
	}})
	p := newPool(t, s)
	wantOutcome(t, p, mail("one", "hi"), "accepted dot 250 2.0.0 OK done")
	wantOutcome(t, p, mail("two", "hi"), "accepted dot 250 2.0.0 OK done")
	if n := s.Connections(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
}

// TestMarkIsRenewed: one STATUS does for some messages, and for a minute.
func TestMarkIsRenewed(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{})
	now := time.Now()
	p := newPool(t, s, func(o *imap.Options) { o.Now = func() time.Time { return now } })
	marks := map[string]int{}
	for i := range 100 {
		marks[wantOutcome(t, p, mail(fmt.Sprint(i), "hi"), "accepted dot 250 2.0.0 OK done").String()]++
	}
	if len(marks) != 2 {
		t.Errorf("the marks of 100 messages: %v, want two", marks)
	}
	now = now.Add(2 * time.Minute)
	if at := wantOutcome(t, p, mail("last", "hi"), "accepted dot 250 2.0.0 OK done"); at.String() != `"INBOX" 6 200` {
		t.Errorf("after two minutes the mark is %s", at)
	}
}

// TestSecondSessionFails: that is no fact about the server, and not tried all the time.
func TestSecondSessionFails(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{})
	var dialled atomic.Int32
	p := newPool(t, s, func(o *imap.Options) {
		o.Dial = func(ctx context.Context) (net.Conn, error) {
			if dialled.Add(1) > 1 {
				return nil, errors.New("no route to host")
			}
			return s.Pipe(ctx)
		}
	})
	for i, o := range deliverAll(t, p, 100) {
		if o.Kind != forwarder.Accepted {
			t.Errorf("message %d: %s", i, describe(o))
		}
	}
	if n := dialled.Load(); n > 10 {
		t.Errorf("dialled %d times for 100 messages", n)
	}
	if n := p.Facts().Sessions; n != 0 {
		t.Errorf("facts: %+v", p.Facts())
	}
}

// TestResend: another form of a message keeps its place, and begins again.
func TestResend(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{Fault: func(e imaptest.Event) imaptest.Fault {
		if e.Command == "MESSAGE" && e.Appends == 1 {
			return imaptest.Fault{Reply: "NO [CANNOT] not like this"}
		}
		return imaptest.Fault{}
	}})
	p := newPool(t, s)
	begun := 0
	begin := func(context.Context, forwarder.Mark) error { begun++; return nil }
	d := p.Submit(mail("one", "hi"))
	if out, err := d.Wait(t.Context(), begin); err != nil || out[0].Code != 554 {
		t.Errorf("got %+v and %v", out, err)
	}
	if out, err := d.Resend(t.Context(), mail("wrapped", "hi"), begin); err != nil || out[0].Kind != forwarder.Accepted {
		t.Errorf("got %+v and %v", out, err)
	}
	d.Done()
	if _, err := d.Wait(t.Context(), begin); err == nil {
		t.Error("it was sent after Done")
	}
	if begun != 2 || len(s.Messages("INBOX")) != 1 {
		t.Errorf("begun %d times, %d messages are stored", begun, len(s.Messages("INBOX")))
	}
}

// TestDoneWithoutWait: a message that is not waited for is not sent, and holds up
// nobody.
func TestDoneWithoutWait(t *testing.T) {
	t.Parallel()
	s := serve(t, imaptest.Options{})
	p := newPool(t, s)
	first, second := p.Submit(mail("one", "hi")), p.Submit(mail("two", "hi"))
	first.Done()
	first.Done()
	out, err := second.Wait(t.Context(), ready)
	second.Done()
	if err != nil || out[0].Kind != forwarder.Accepted || len(s.Messages("INBOX")) != 1 {
		t.Errorf("got %+v and %v", out, err)
	}
}

// TestSessionsForABacklog: more than one session is opened where messages have to be
// asked for, or where the server takes its time; not where they stream.
func TestSessionsForABacklog(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		caps []string
		took time.Duration // for each message, by the clock
		more bool
	}{
		"streaming":      {[]string{"LITERAL+"}, 0, false},
		"streaming late": {[]string{"LITERAL+"}, 300 * time.Millisecond, true},
		"asked for":      {nil, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const n = 200
			var clock atomic.Int64
			s := serve(t, imaptest.Options{Caps: tt.caps, Fault: func(e imaptest.Event) imaptest.Fault {
				if e.Command == "MESSAGE" {
					clock.Add(int64(tt.took))
				}
				return imaptest.Fault{}
			}})
			start := time.Now()
			p := newPool(t, s, func(o *imap.Options) { o.Now = func() time.Time { return start.Add(time.Duration(clock.Load())) } })
			for i, o := range deliverAll(t, p, n) {
				if o.Kind != forwarder.Accepted {
					t.Errorf("message %d: %s", i, describe(o))
				}
			}
			if c := s.Connections(); (c > 1) != tt.more {
				t.Errorf("%d connections, want more than one: %t", c, tt.more)
			}
			if got := len(s.Messages("INBOX")); got != n {
				t.Errorf("%d messages, want %d", got, n)
			}
		})
	}
}
