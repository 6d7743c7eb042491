package smtp_test

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/popferry/popferry/forwarder/smtp"
)

// stages are all the ways in which a server can answer one message, or not.
var stages = []struct {
	name   string
	script string
	to     []string
	want   string
}{
	{
		name:   "accepted",
		script: hello + mail + rcpt + body + "S: 250 2.6.0 queued as 1\n" + bye,
		want:   "accepted dot 250 2.6.0 queued as 1",
	},
	{
		name:   "accepted without a text",
		script: hello + mail + rcpt + body + "S: 250\n" + bye,
		want:   "accepted dot 250",
	},
	{
		name:   "accepted with another 2xx and several lines",
		script: hello + mail + rcpt + body + "S: 252-2.0.0 queued\\r\\n252 2.0.0 as 1\n" + bye,
		want:   "accepted dot 252 2.0.0 queued as 1",
	},
	{
		name:   "greeting refused",
		script: "S: 554 5.3.2 go away\n C!",
		want:   "unusable greeting 554 5.3.2 go away",
	},
	{
		name:   "greeting 421",
		script: "S: 421 busy\n C!",
		want:   "unusable greeting 421 busy",
	},
	{
		name:   "greeting is cut",
		script: "S: 220-mx\n S!",
		want:   "unusable greeting EOF",
	},
	{
		name:   "EHLO refused",
		script: "S: 220 mx\n C: EHLO client.example\n S: 550 5.7.1 bad name\n C!",
		want:   "unusable ehlo 550 5.7.1 bad name",
	},
	{
		name:   "EHLO cut",
		script: "S: 220 mx\n C: EHLO client.example\n S: 250-mx\n S!",
		want:   "unusable ehlo EOF",
	},
	{
		name: "EHLO unknown, HELO taken",
		script: "S: 220 mx\n C: EHLO client.example\n S: 500 what?\n C: HELO client.example\n S: 250 mx\n" +
			"C: MAIL FROM:<a@example.org>\n S: 250 ok\n" + rcpt + body + "S: 250 ok\n" + bye,
		want: "accepted dot 250 ok",
	},
	{
		name:   "MAIL refused",
		script: hello + "C: MAIL FROM:<a@example.org> SIZE=6\n S: 451 4.7.1 later\n" + bye,
		want:   "refused mail 451 4.7.1 later",
	},
	{
		name:   "MAIL 421",
		script: hello + "C: MAIL FROM:<a@example.org> SIZE=6\n S: 421 4.3.2 closing\n C!",
		want:   "refused mail 421 4.3.2 closing",
	},
	{
		name:   "MAIL out of step",
		script: hello + "C: MAIL FROM:<a@example.org> SIZE=6\n S: 503 5.5.1 sequence\n C!",
		want:   "refused mail 503 5.5.1 sequence",
	},
	{
		name:   "MAIL answered with nonsense",
		script: hello + "C: MAIL FROM:<a@example.org> SIZE=6\n S: fine!\n C!",
		want:   `broken mail protocol violation: "fine!" is not a reply`,
	},
	{
		name:   "MAIL answered with 354",
		script: hello + "C: MAIL FROM:<a@example.org> SIZE=6\n S: 354 go ahead\n C!",
		want:   `broken mail protocol violation: unexpected reply 354 "go ahead"`,
	},
	{
		name:   "MAIL cut",
		script: hello + "C: MAIL FROM:<a@example.org> SIZE=6\n S!",
		want:   "broken mail unexpected EOF",
	},
	{
		name:   "RCPT refused",
		script: hello + mail + "C: RCPT TO:<b@example.org>\n S: 550 5.1.1 unknown\n" + bye,
		want:   "refused rcpt 550 5.1.1 unknown",
	},
	{
		name: "RCPT refused for one of two",
		to:   []string{"b@example.org", "c@example.org"},
		script: hello + mail + "C: RCPT TO:<b@example.org>\n S: 452 4.2.2 full\n C: RCPT TO:<c@example.org>\n S: 250 ok\n" +
			body + "S: 250 ok\n" + bye,
		want: "refused rcpt 452 4.2.2 full\naccepted dot 250 ok",
	},
	{
		name: "RCPT has a bad address",
		to:   []string{"b@example.org", "c@example.org"},
		script: hello + mail + "C: RCPT TO:<b@example.org>\n S: 501 5.1.3 bad address\n C: RCPT TO:<c@example.org>\n S: 250 ok\n" +
			body + "S: 250 ok\n" + bye,
		want: "refused rcpt 501 5.1.3 bad address\naccepted dot 250 ok",
	},
	{
		name:   "RCPT 421 takes all",
		to:     []string{"b@example.org", "c@example.org", "d@example.org"},
		script: hello + mail + rcpt + "C: RCPT TO:<c@example.org>\n S: 421 closing\n C!",
		want:   "refused rcpt 421 closing\nrefused rcpt 421 closing\nrefused rcpt 421 closing",
	},
	{
		name:   "RCPT out of step takes all",
		to:     []string{"b@example.org", "c@example.org"},
		script: hello + mail + rcpt + "C: RCPT TO:<c@example.org>\n S: 500 what?\n C!",
		want:   "refused rcpt 500 what?\nrefused rcpt 500 what?",
	},
	{
		name: "RCPT cut keeps what was refused",
		to:   []string{"b@example.org", "c@example.org", "d@example.org"},
		script: hello + mail + "C: RCPT TO:<b@example.org>\n S: 550 no\n C: RCPT TO:<c@example.org>\n S: 250 ok\n" +
			"C: RCPT TO:<d@example.org>\n S!",
		want: "refused rcpt 550 no\nbroken rcpt unexpected EOF\nbroken rcpt unexpected EOF",
	},
	{
		name:   "DATA refused",
		script: hello + mail + rcpt + "C: DATA\n S: 451 4.3.0 no room\n" + bye,
		want:   "refused data 451 4.3.0 no room",
	},
	{
		name:   "DATA answered with 250",
		script: hello + mail + rcpt + "C: DATA\n S: 250 ok\n C!",
		want:   `broken data protocol violation: unexpected reply 250 "ok"`,
	},
	{
		name:   "DATA cut",
		script: hello + mail + rcpt + "C: DATA\n S~ 354\n S!",
		want:   "broken data unexpected EOF",
	},
	{
		name:   "body not taken",
		script: hello + mail + rcpt + "C: DATA\n S: 354 go ahead\n S!",
		want:   "broken body io: read/write on closed pipe",
	},
	{
		name:   "refused at the dot",
		script: hello + mail + rcpt + body + "S: 554 5.6.0 no such mail here\n" + bye,
		want:   "refused dot 554 5.6.0 no such mail here",
	},
	{
		name:   "421 at the dot",
		script: hello + mail + rcpt + body + "S: 421 4.3.0 closing\n C!",
		want:   "refused dot 421 4.3.0 closing",
	},
	{
		name:   "no reply to the dot",
		script: hello + mail + rcpt + body + "S!",
		want:   "in doubt dot unexpected EOF",
	},
	{
		name:   "half a reply to the dot",
		script: hello + mail + rcpt + body + "S~ 250 queue\n S!",
		want:   "in doubt dot unexpected EOF",
	},
	{
		name:   "half of the lines of a reply to the dot",
		script: hello + mail + rcpt + body + "S: 250-queued\n S!",
		want:   "in doubt dot unexpected EOF",
	},
	{
		name:   "nonsense to the dot",
		script: hello + mail + rcpt + body + "S: 354 more\n C!",
		want:   `in doubt dot protocol violation: unexpected reply 354 "more"`,
	},
	{
		name:   "two codes in one reply",
		script: hello + mail + rcpt + body + "S: 250-fine\\r\\n550 no\n C!",
		want:   "in doubt dot protocol violation: a line of 550 in a reply of 250",
	},
}

func TestReplyAtEachStage(t *testing.T) {
	t.Parallel()
	for _, tt := range stages {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { stage(t, false, tt.script, tt.to, tt.want) })
		})
	}
}

// lmtpStages are what LMTP does otherwise: a reply for each recipient.
var lmtpStages = []struct {
	name   string
	script string // from the final dot on
	want   string
}{
	{
		name:   "accepted",
		script: "S: 250 ok b\n S: 250 ok c\n S: 250 ok d\n" + bye,
		want:   "accepted dot 250 ok b\naccepted dot 250 ok c\naccepted dot 250 ok d",
	},
	{
		name:   "mixed",
		script: "S: 452 4.2.2 full\n S: 250 ok c\n S: 550 5.2.1 disabled\n" + bye,
		want:   "refused dot 452 4.2.2 full\naccepted dot 250 ok c\nrefused dot 550 5.2.1 disabled",
	},
	{
		name:   "cut after the first",
		script: "S: 250 ok b\n S!",
		want:   "accepted dot 250 ok b\nin doubt dot unexpected EOF\nin doubt dot unexpected EOF",
	},
	{
		name:   "421 for the second, then cut",
		script: "S: 250 ok b\n S: 421 4.3.2 closing\n S!",
		want:   "accepted dot 250 ok b\nrefused dot 421 4.3.2 closing\nin doubt dot unexpected EOF",
	},
	{
		name:   "421 for the second, the third goes on",
		script: "S: 250 ok b\n S: 421 4.3.2 closing\n S: 250 ok d\n C!",
		want:   "accepted dot 250 ok b\nrefused dot 421 4.3.2 closing\naccepted dot 250 ok d",
	},
	{
		name:   "nonsense for the second",
		script: "S: 250 ok b\n S: ok c\n C!",
		want: "accepted dot 250 ok b\n" + strings.TrimSuffix(strings.Repeat(
			`in doubt dot protocol violation: "ok c" is not a reply`+"\n", 2), "\n"),
	},
}

func TestLMTPReplies(t *testing.T) {
	t.Parallel()
	transaction := lhlo + "C: MAIL FROM:<a@example.org>\n S: 250 ok\n" + rcpt +
		"C: RCPT TO:<x@example.org>\n S: 550 5.1.1 unknown\n" +
		"C: RCPT TO:<c@example.org>\n S: 250 ok\n C: RCPT TO:<d@example.org>\n S: 250 ok\n" + body
	for _, tt := range lmtpStages {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			to := []string{"b@example.org", "x@example.org", "c@example.org", "d@example.org"}
			first, rest, _ := strings.Cut(tt.want, "\n")
			want := first + "\nrefused rcpt 550 5.1.1 unknown\n" + rest
			synctest.Test(t, func(t *testing.T) { stage(t, true, transaction+tt.script, to, want) })
		})
	}
}

// stage delivers one message of six octets to a script and compares what came
// of it.
func stage(t *testing.T, lmtp bool, script string, to []string, want string) {
	peer := newPeer(t, script)
	o := options(peer)
	o.LMTP = lmtp
	p := smtp.New(o)
	m := message("hi\r\n\r\n", to...)
	out, err := deliver(t.Context(), p, m, ready)
	if err != nil {
		t.Errorf("deliver: %v", err)
	}
	if got := describe(out); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	for i, o := range out {
		if o.Recipient != m.Recipients[i] {
			t.Errorf("outcome %d is for %q", i, o.Recipient)
		}
	}
	_ = p.Close()
	peer.done()
}
