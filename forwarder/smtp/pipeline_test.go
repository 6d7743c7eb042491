package smtp_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// Parts of scripts of servers that need not be waited for. The client's lines
// come before any reply to them.
const (
	piped   = "S: 220 mx ready\n C: EHLO client.example\n S: 250-mx\n S: 250 PIPELINING\n"
	chunked = "S: 220 mx ready\n C: EHLO client.example\n S: 250-mx\n S: 250-PIPELINING\n S: 250 CHUNKING\n"

	envelope = "C: MAIL FROM:<a@example.org>\n C: RCPT TO:<b@example.org>\n"
	line     = "C: hi\n"
	ok       = "S: 250 ok\n"
	fine     = "S: 250 2.1.0 ok\n S: 250 2.1.5 ok\n" // to an envelope
	go354    = "S: 354 go ahead\n"

	whole  = envelope + "C: DATA\n" + ok + ok + go354 + line + "C: .\n"
	chunk  = envelope + "C: BDAT 4 LAST\n" + line
	behind = "C: RSET\n" + chunk

	// proved is a session with a message behind it, by DATA. It shows that
	// replies to messages look otherwise than those to envelopes.
	opened = chunked + envelope + "C: DATA\n" + fine + go354 + line + "C: .\n"
	proved = opened + ok
)

// pipelines play messages with many on the wire at once: batches of so many,
// each begun when the one before is through.
var pipelines = []struct {
	name    string
	scripts []string
	pause   time.Duration // between batches
	batches []int
	want    []string
	learnt  string        // of the server, for the next pool
	took    time.Duration // all together, where that matters
}{
	{
		name:    "envelope and DATA in one go",
		scripts: []string{piped + whole + ok + bye},
		batches: []int{1},
		want:    []string{"accepted dot 250 ok"},
	},
	{
		name: "the next one right behind the final dot",
		scripts: []string{piped + whole + ok + whole + envelope + "C: DATA\n" + ok + ok + ok + go354 +
			line + "C: .\n" + ok + bye},
		batches: []int{1, 2},
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok", "accepted dot 250 ok"},
	},
	{
		name: "MAIL refused, and what follows from it",
		scripts: []string{piped + envelope + "C: DATA\n S: 451 4.3.0 later\n S: 503 MAIL first\n S: 503 MAIL first\n" +
			"C: RSET\n" + envelope + "C: DATA\n" + ok + ok + ok + go354 + line + "C: .\n" + ok + bye},
		batches: []int{1, 1},
		want:    []string{"refused mail 451 4.3.0 later", "accepted dot 250 ok"},
	},
	{
		name: "a message asked for that nobody gets",
		scripts: []string{piped + envelope + "C: DATA\n" + ok + "S: 550 5.1.1 unknown\n" + go354 + "C: .\n S: 554 no recipients\n" +
			"C: RSET\n" + envelope + "C: DATA\n" + ok + ok + ok + go354 + line + "C: .\n" + ok + bye},
		batches: []int{1, 1},
		want:    []string{"refused rcpt 550 5.1.1 unknown", "accepted dot 250 ok"},
	},
	{
		name: "out of sync: one command at a time from now on, and the message goes at once",
		scripts: []string{
			piped + envelope + "C: DATA\n" + ok + "S: 503 5.5.1 not so fast\n C!",
			piped + lockstep + lockstep + bye,
		},
		batches: []int{1, 1},
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok"},
		learnt:  "pipelining",
	},
	{
		name: "out of sync with one command at a time, too: it was the message, and pipelining stays",
		scripts: []string{
			piped + envelope + "C: DATA\n" + ok + "S: 500 5.5.2 what?\n C!",
			piped + slow[:strings.Index(slow, "C: RCPT")] + "C: RCPT TO:<b@example.org>\n S: 500 5.5.2 what?\n C!",
			piped + whole + ok + bye,
		},
		batches: []int{1, 1},
		want:    []string{"refused rcpt 500 5.5.2 what?", "accepted dot 250 ok"},
	},
	{
		name: "out of sync in a used session: the message goes on another one",
		scripts: []string{
			"S: 220 mx\n C: EHLO client.example\n S: 250 mx\n" + lockstep + "C: MAIL FROM:<a@example.org>\n S: 503 5.5.1 sender already given\n C!",
			"S: 220 mx\n C: EHLO client.example\n S: 250 mx\n" + lockstep + bye,
		},
		batches: []int{1, 1},
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok"},
	},
	{
		name: "what comes behind a final dot is lost: the message goes on another session, and nothing behind a dot from now on",
		scripts: []string{piped + whole + ok + whole + envelope + "C: DATA\n" + ok + "C!",
			piped + whole + ok + whole + "C-\n" + ok + whole + ok + bye},
		batches: []int{1, 2, 2},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 5),
		learnt:  "behind dot",
		took:    11 * time.Second, // one of them is C-
	},
	{
		name: "what comes behind a final dot is lost in part",
		scripts: []string{piped + whole + ok + whole + envelope + "C: DATA\n" + ok + "S: 503 5.5.1 MAIL first\n C!",
			piped + whole + ok + whole + "C-\n" + ok + whole + ok + bye},
		batches: []int{1, 2, 2},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 5),
		learnt:  "behind dot",
	},
	{
		name: "what comes behind a final dot is refused, after a refusal of the message in front",
		scripts: []string{piped + whole + ok + whole + envelope + "C: DATA\n S: 550 5.7.1 spam\n" + "S: 503 pipelined after end of DATA\n C!",
			piped + whole + ok + bye},
		batches: []int{1, 2},
		want:    []string{"accepted dot 250 ok", "refused dot 550 5.7.1 spam", "accepted dot 250 ok"},
		learnt:  "behind dot",
	},
	{
		name: "a slow answer behind a dot is not a lost one",
		scripts: []string{piped + whole + ok + whole + envelope + "C: DATA\n" + ok + "S+ 9s\n" + ok + ok + go354 +
			line + "C: .\n" + ok + bye},
		batches: []int{1, 2},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 3),
	},
	{
		name: "a policy's 503 is not out of sync: the session and pipelining go on",
		scripts: []string{piped + envelope + "C: DATA\n" + ok + "S: 503 5.7.0 not from you\n S: 554 no recipients\n" +
			"C: RSET\n" + envelope + "C: DATA\n" + ok + fine + go354 + line + "C: .\n S: 503 5.7.0 not that\n" +
			"C: RSET\n" + envelope + "C: DATA\n" + ok + fine + go354 + line + "C: .\n" + ok + bye},
		batches: []int{1, 1, 1},
		want:    []string{"refused rcpt 503 5.7.0 not from you", "refused dot 503 5.7.0 not that", "accepted dot 250 ok"},
	},
	{
		name: "silent to a second command: one at a time from now on",
		scripts: []string{
			piped + envelope + "C: DATA\n" + ok + "C!",
			piped + strings.ReplaceAll(mail, " SIZE=6", "") + rcpt + "C: DATA\n" + go354 + line + "C: .\n" + ok + bye,
		},
		batches: []int{1, 1},
		want:    []string{"broken rcpt read pipe: i/o timeout", "accepted dot 250 ok"},
	},
	{
		name:    "cut while the next one waits: that one goes elsewhere",
		scripts: []string{piped + whole + ok + whole + envelope + "C: DATA\n S!", piped + whole + ok + bye},
		batches: []int{1, 2},
		want:    []string{"accepted dot 250 ok", "in doubt dot unexpected EOF", "accepted dot 250 ok"},
	},
	{
		name:    "whole messages without a wait",
		scripts: []string{proved + chunk + behind + behind + fine + ok + strings.Repeat(ok+fine+ok, 2) + bye},
		batches: []int{1, 3},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 4),
	},
	{
		name:    "replies that look all the same: no BDAT",
		scripts: []string{chunked + whole + ok + whole + ok + bye},
		batches: []int{1, 1},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 2),
	},
	{
		name:    "replies that looked the same once: no BDAT",
		scripts: []string{chunked + whole + ok + whole + "S: 250 queued\n" + whole + ok + bye},
		batches: []int{1, 1, 1},
		want:    []string{"accepted dot 250 ok", "accepted dot 250 queued", "accepted dot 250 ok"},
	},
	{
		name: "replies that differ in their words, not in their numbers",
		scripts: []string{chunked + envelope + "C: DATA\n" + ok + "S: 250 Accepted\n" + go354 + line + "C: .\n S: 250 ok id=1tAbCd-01\n" +
			chunk + ok + "S: 250 Accepted\n S: 250 ok id=1tAbCd-02\n" + bye},
		batches: []int{1, 1},
		want:    []string{"accepted dot 250 ok id=1tAbCd-01", "accepted dot 250 ok id=1tAbCd-02"},
	},
	{
		name: "one refused among them",
		scripts: []string{proved + chunk + behind + behind + fine + ok +
			ok + fine + "S: 554 5.7.1 spam\n" + ok + fine + ok + bye},
		batches: []int{1, 3},
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok", "refused dot 554 5.7.1 spam", "accepted dot 250 ok"},
	},
	{
		name: "reset after one that was refused",
		scripts: []string{proved + chunk + "S: 250 2.1.0 ok\n S: 550 5.1.1 unknown\n S: 503 no recipients\n" +
			behind + ok + fine + "S: 552 5.3.4 too big\n" + behind + ok + fine + ok + bye},
		batches: []int{1, 1, 1, 1},
		want: []string{"accepted dot 250 ok",
			"refused rcpt 550 5.1.1 unknown", "refused dot 552 5.3.4 too big", "accepted dot 250 ok"},
	},
	{
		name: "a second reply to BDAT: a refusal is not taken for an acceptance",
		scripts: []string{proved + chunk + behind + fine + ok + ok + ok + "C!",
			chunked + slow + "C: DATA\n" + go354 + line + "C: .\n S: 554 5.7.1 spam\n" + bye},
		batches: []int{1, 2, 1},
		want: []string{"accepted dot 250 ok", "accepted dot 250 ok",
			misread("250 \"ok\""), "refused dot 554 5.7.1 spam"},
	},
	{
		name:    "a second refusal of a message is not one of the next",
		scripts: []string{proved + chunk + behind + fine + "S: 554 5.7.1 spam\n S: 554 5.7.1 spam\n C!", opened + ok + bye},
		batches: []int{1, 2, 1},
		want:    []string{"accepted dot 250 ok", "refused dot 554 5.7.1 spam", misread("554 \"spam\""), "accepted dot 250 ok"},
	},
	{
		name: "a second reply to RCPT",
		scripts: []string{proved + chunk + fine + "S: 250 2.1.5 ok\n C!",
			chunked + slow + "C: DATA\n" + go354 + line + "C: .\n" + ok + bye},
		batches: []int{1, 1, 1},
		want:    []string{"accepted dot 250 ok", misread("250 \"ok\""), "accepted dot 250 ok"},
	},
	{
		name:    "a second refusal, and then DATA",
		scripts: []string{piped + whole + ok + whole + envelope + "C: DATA\n S: 554 5.7.1 spam\n S: 554 5.7.1 spam\n" + fine + "C!"},
		batches: []int{1, 2},
		want: []string{"accepted dot 250 ok", "refused dot 554 5.7.1 spam",
			`broken data protocol violation: unexpected reply 250 "ok"`},
	},
	{
		name:    "an acceptance before the message",
		scripts: []string{piped + envelope + "C: DATA\n" + fine + "S~ 354 go ahead\\r\\n250 ok\\r\\n\n" + line + "C: .\n C!"},
		batches: []int{1},
		want:    []string{misread("250 \"ok\"")},
	},
	{
		name: "421 for one: those behind go elsewhere",
		scripts: []string{proved + chunk + behind + fine + "S: 421 4.3.2 closing\n S!",
			opened + ok + bye},
		batches: []int{1, 2},
		want:    []string{"accepted dot 250 ok", "refused dot 421 4.3.2 closing", "accepted dot 250 ok"},
	},
	{
		name: "421 for one, the next is taken all the same",
		scripts: []string{proved + chunk + behind + fine + "S: 421 4.3.2 closing\n" +
			ok + fine + ok + "C!"},
		batches: []int{1, 2},
		want:    []string{"accepted dot 250 ok", "refused dot 421 4.3.2 closing", "accepted dot 250 ok"},
	},
	{
		name:    "421 for one, and the server goes on until it is cut: all behind are in doubt",
		scripts: []string{proved + chunk + behind + behind + fine + "S: 421 4.3.2 closing\n" + ok + fine + "S!"},
		batches: []int{1, 3},
		want: []string{"accepted dot 250 ok", "refused dot 421 4.3.2 closing",
			"in doubt dot unexpected EOF", "in doubt dot unexpected EOF"},
	},
	{
		name:    "421 for one, and silence: all behind are in doubt",
		scripts: []string{proved + chunk + behind + behind + fine + "S: 421 4.3.2 closing\n S-"},
		batches: []int{1, 3},
		want: []string{"accepted dot 250 ok", "refused dot 421 4.3.2 closing",
			"in doubt dot read pipe: i/o timeout", "in doubt dot read pipe: i/o timeout"},
	},
	{
		name: "421 to RSET: the message goes elsewhere",
		scripts: []string{proved + chunk + behind + fine + ok + "S: 421 4.3.2 closing\n S!",
			opened + ok + bye},
		batches: []int{1, 2},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 3),
	},
	{
		name:    "421 to RSET, the message is taken all the same",
		scripts: []string{proved + chunk + behind + fine + ok + "S: 421 4.3.2 closing\n" + fine + ok + "C!"},
		batches: []int{1, 2},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 3),
	},
	{
		name:    "421 at MAIL",
		scripts: []string{chunked + envelope + "C: DATA\n S: 421 enough\n S!"},
		batches: []int{1},
		want:    []string{"refused mail 421 enough"},
	},
	{
		name:    "421 at MAIL for one that is not the first",
		scripts: []string{proved + chunk + "S: 421 enough\n S!", opened + ok + bye},
		batches: []int{1, 1},
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok"},
	},
	{
		name: "421 at MAIL for one that was sent whole, from a server that stays: what follows is not about the message",
		scripts: []string{proved + chunk + "S: 421 too many messages in this connection\n S: 503 sender not yet given\n" +
			"S: 503 Valid RCPT command must precede BDAT\n C!", opened + ok + bye},
		batches: []int{1, 1},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 2),
	},
	{
		name: "421 at MAIL, and a server that refuses RSET behind it and hangs up: nothing behind it is in doubt",
		scripts: []string{proved + chunk + behind + behind + "S: 421 enough\n S: 503 MAIL first\n S: 503 RCPT first\n" +
			"S: 250 reset\n S: 421 enough\n S: 503 MAIL first\n S: 503 RCPT first\n S: 554 Too many nonmail commands\n S!",
			opened + ok + chunk + behind + fine + ok + ok + fine + ok + bye},
		batches: []int{1, 3},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 4),
	},
	{
		name: "no more messages in this session, and a server that hangs up: it may have done what follows",
		scripts: []string{proved + chunk + behind + "S: 452 4.5.3 Too many messages sent\n S: 503 MAIL first\n S: 503 RCPT first\n S!",
			opened + ok + bye},
		batches: []int{1, 2},
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok", "in doubt dot unexpected EOF"},
	},
	{
		name: "no more messages in this session: the others go on another one",
		scripts: []string{
			"S: 220 mx\n C: EHLO client.example\n S: 250 mx\n" + lockstep + "C: MAIL FROM:<a@example.org>\n S: 452 4.5.3 Too many recipients: Too many messages sent\n C!",
			"S: 220 mx\n C: EHLO client.example\n S: 250 mx\n" + lockstep + bye,
		},
		batches: []int{1, 1},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 2),
	},
	{
		name:    "no more messages in a session that has taken none: it is the answer",
		scripts: []string{"S: 220 mx\n C: EHLO client.example\n S: 250 mx\n C: MAIL FROM:<a@example.org>\n S: 452 4.5.3 Too many messages sent\n" + bye},
		batches: []int{1},
		want:    []string{"refused mail 452 4.5.3 Too many messages sent"},
	},
	{
		name:    "cut: all that went out is in doubt",
		scripts: []string{proved + chunk + behind + fine + "S!"},
		batches: []int{1, 2},
		want:    []string{"accepted dot 250 ok", "in doubt dot unexpected EOF", "in doubt dot unexpected EOF"},
	},
	{
		name: "BDAT not known after all: DATA from now on, and for the message itself",
		scripts: []string{proved + chunk + fine + "S: 502 5.5.1 what?\n C!",
			chunked + whole + ok + whole + ok + bye},
		batches: []int{1, 1, 1},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 3),
		learnt:  "BDAT",
	},
	{
		name: "500 to BDAT from a server that has taken it before is about the message",
		scripts: []string{proved + chunk + fine + ok + chunk + fine + "S: 500 not that\n" +
			behind + ok + fine + ok + bye},
		batches: []int{1, 1, 1, 1},
		want:    []string{"accepted dot 250 ok", "accepted dot 250 ok", "refused dot 500 not that", "accepted dot 250 ok"},
	},
	{
		name: "500 at the final dot is about the message: pipelining and BDAT stay",
		scripts: []string{piped + whole + "S: 500 Line too long\n" +
			"C: RSET\n" + envelope + "C: DATA\n" + ok + ok + ok + go354 + line + "C: .\n" + ok + bye},
		batches: []int{1, 1},
		want:    []string{"refused dot 500 Line too long", "accepted dot 250 ok"},
	},
	{
		name: "nothing is risked on a session that was idle",
		scripts: []string{proved + envelope + fine + "C: BDAT 4 LAST\n" + line + ok +
			envelope + "S!", opened + ok + bye},
		pause:   time.Second,
		batches: []int{1, 1, 1},
		want:    slices.Repeat([]string{"accepted dot 250 ok"}, 3),
	},
	{
		name: "RSET refused with the message on its way, and the server hangs up: nothing is in doubt",
		scripts: []string{proved + chunk + behind + behind + "S: 250 2.1.0 ok\n S: 550 5.1.1 unknown\n S: 503 no recipients\n S: 554 Too many nonmail commands\n S!",
			opened + ok + chunk + fine + ok + bye},
		batches: []int{1, 3},
		want:    []string{"accepted dot 250 ok", "refused rcpt 550 5.1.1 unknown", "accepted dot 250 ok", "accepted dot 250 ok"},
	},
	{
		name:    "RSET refused with the message on its way, and the server goes on",
		scripts: []string{proved + chunk + behind + fine + ok + "S: 554 no\n S: 250 2.1.0 ok\n C!"},
		batches: []int{1, 2},
		want: []string{"accepted dot 250 ok", "accepted dot 250 ok",
			`in doubt dot protocol violation: unexpected reply 554 "no"`},
	},
	{
		name: "RSET refused with the message on its way",
		scripts: []string{proved + chunk + behind + fine + ok +
			"S: 500 what?\n C!"},
		batches: []int{1, 2},
		want: []string{"accepted dot 250 ok", "accepted dot 250 ok",
			`in doubt dot protocol violation: unexpected reply 500 "what?"`},
	},
}

// lockstep is a whole transaction with one command at a time.
var lockstep = slow + "C: DATA\n" + go354 + line + "C: .\n" + ok

// slow is an envelope to a server that takes one command at a time.
var slow = strings.ReplaceAll(mail, " SIZE=6", "") + rcpt

// misread is the outcome of a message whose replies are not its own.
func misread(reply string) string {
	return "in doubt dot protocol violation: unexpected reply " + reply
}

func TestPipelines(t *testing.T) {
	t.Parallel()
	for _, tt := range pipelines {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, tt.scripts...)
				p := smtp.New(options(peer))
				began := time.Now()
				got := make([]string, len(tt.want))
				n := 0
				for _, batch := range tt.batches {
					var calls sync.WaitGroup
					for range batch {
						i := n
						n++
						calls.Go(func() {
							begun := 0
							out, err := deliver(t.Context(), p, message("hi\r\n"), func(context.Context, forwarder.Mark) error { begun++; return nil })
							got[i] = describe(out)
							if err != nil || begun != 1 {
								t.Errorf("message %d: %v, begun %d times", i+1, err, begun)
							}
						})
						synctest.Wait() // so that they come in order
					}
					calls.Wait()
					time.Sleep(tt.pause)
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
				}
				if took := time.Since(began); tt.took > 0 && took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				_ = p.Close()
				peer.done()
				if learnt := proven(p.Facts()); learnt != tt.learnt && tt.learnt != "" {
					t.Errorf("learnt %q, want %q", learnt, tt.learnt)
				}
			})
		})
	}
}

// proven names the facts that are known for good.
func proven(f smtp.Facts) string {
	var names []string
	for name, s := range map[string]forwarder.Sighting{"pipelining": f.NoPipelining, "behind dot": f.NoPipeliningBehindDot, "BDAT": f.NoBDAT} {
		if s.Count > 1 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// A connection that is closed because one message is stopped does not show that
// a server that said 421 has left the others alone.
func TestStoppedAfter421(t *testing.T) {
	t.Parallel()
	for name, stopped := range map[string]int{"the one that waits for its reply": 1, "one behind it": 2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, proved+chunk+behind+behind+fine+"S: 421 4.3.2 closing\n C!")
				p := smtp.New(options(peer))
				if _, err := deliver(t.Context(), p, message("hi\r\n"), ready); err != nil {
					t.Error(err)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var calls sync.WaitGroup
				for n, want := range []string{"refused", "in doubt", "in doubt"} {
					its := t.Context()
					if n == stopped {
						its = ctx
					}
					calls.Go(func() {
						out, err := deliver(its, p, message("hi\r\n"), ready)
						if got := describe(out); !strings.HasPrefix(got, want) || err != nil {
							t.Errorf("message %d: %q and %v, want %q", n, got, err, want)
						}
					})
					synctest.Wait() // so that they come in order
				}
				cancel()
				calls.Wait()
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// A chunk that cannot be filled is never filled with something else, and what is
// longer than announced is not taken for a command.
func TestBrokenChunkIsNotFilled(t *testing.T) {
	t.Parallel()
	gone := errors.New("the disk is gone")
	tests := []struct {
		name string
		size int64
		body io.Reader
		end  string // of the script
		err  error
	}{
		{"fails", 4, io.MultiReader(strings.NewReader("hi"), iotest.ErrReader(gone)), "C!", gone},
		{"fails after much", int64(len(large)) + 1, io.MultiReader(strings.NewReader(large), iotest.ErrReader(gone)), "C~", gone},
		{"is too short", 5, strings.NewReader("hi\r\n"), "C!", nil},
		{"is too long", 4, strings.NewReader("hi\r\nRSET\r\n"), "C!", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, proved+tt.end)
				p := smtp.New(options(peer))
				if _, err := deliver(t.Context(), p, message("hi\r\n"), ready); err != nil {
					t.Error(err)
				}
				m := message("hi\r\n")
				m.Size, m.Body = tt.size, func() io.Reader { return tt.body }
				out, err := deliver(t.Context(), p, m, ready)
				if out != nil || err == nil || tt.err != nil && !errors.Is(err, tt.err) {
					t.Errorf("got %v and %v, want only an error, %v", out, err, tt.err)
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

// A large message waits until somebody wants it.
func TestLargeChunkWaitsForRecipients(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		peer := newPeer(t, proved+envelope+"S: 250 2.1.0 ok\n S: 550 5.1.1 unknown\n"+bye)
		p := smtp.New(options(peer))
		if _, err := deliver(t.Context(), p, message("hi\r\n"), ready); err != nil {
			t.Error(err)
		}
		out, err := deliver(t.Context(), p, message(strings.Repeat("x", 1<<20+1)), ready)
		if got, want := describe(out), "refused rcpt 550 5.1.1 unknown"; got != want || err != nil {
			t.Errorf("got %q and %v, want %q", got, err, want)
		}
		_ = p.Close()
		peer.done()
	})
}
