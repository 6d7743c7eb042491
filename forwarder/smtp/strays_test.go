package smtp_test

import (
	"context"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/popferry/popferry/forwarder"
	"github.com/popferry/popferry/forwarder/smtp"
)

// Messages with strays: in one of them a dot seems to end it.
const (
	plainText = "hi\r\n"
	strayText = "a\rb\r\n"
	falseText = "a\r.\r\n"
)

// Parts of scripts: such messages come alone, and nothing behind them until they
// are answered.
const (
	stepwise = "C: MAIL FROM:<a@example.org>\n C-\n S: 250 2.1.0 ok\n C: RCPT TO:<b@example.org>\n C-\n S: 250 2.1.5 ok\n"
	falseBit = "C: BDAT 5 LAST\n C: a\r.\n C-\n"
	strayBit = "C: BDAT 5 LAST\n C: a\rb\n C-\n"
	accepted = "accepted dot 250 ok"
)

// ruledOut is the outcome of a false end that was not sent.
func ruledOut(why string) string {
	return "impossible mail 554 5.6.0 the message has a dot between stray CRs or NULs, which a server may take for its end and the rest for commands; only BDAT is safe, and " + why
}

const (
	noChunking = "the server does not announce CHUNKING, or has refused BDAT"
	alike      = "this server's replies to it cannot be told from others"
)

func TestStrays(t *testing.T) {
	t.Parallel()
	both := "C: RCPT TO:<b@example.org>\n" + ok + "C: RCPT TO:<c@example.org>\n" + ok
	for _, tt := range []struct {
		name     string
		lmtp     bool
		scripts  []string
		batches  [][]string
		want     []string
		notBegun []int // messages that no transaction was begun for
	}{
		{
			name:     "no CHUNKING: the false end is not sent, and holds up nobody",
			scripts:  []string{piped + whole + ok + bye},
			batches:  [][]string{{falseText, plainText}},
			want:     []string{ruledOut(noChunking), accepted},
			notBegun: []int{1},
		},
		{
			name:    "a false end by BDAT, alone, also as the first message of a session",
			scripts: []string{chunked + stepwise + falseBit + ok + bye},
			batches: [][]string{{falseText}},
			want:    []string{accepted},
		},
		{
			name:    "in the middle of others",
			scripts: []string{proved + chunk + "C-\n" + fine + ok + stepwise + falseBit + ok + chunk + fine + ok + bye},
			batches: [][]string{{plainText}, {plainText, falseText, plainText}},
			want:    slices.Repeat([]string{accepted}, 4),
		},
		{
			name:    "refused: RSET before the next",
			scripts: []string{proved + stepwise + falseBit + "S: 554 5.6.0 no\n" + behind + ok + fine + ok + bye},
			batches: [][]string{{plainText}, {falseText, plainText}},
			want:    []string{accepted, "refused dot 554 5.6.0 no", accepted},
		},
		{
			name: "strays that end nothing go by BDAT where it is known to work, alone",
			scripts: []string{chunked + strings.Replace(envelope+"C: DATA\n"+fine+go354+line+"C: .\n"+ok, "C: hi", "C: a\rb", 1) +
				stepwise + strayBit + ok + bye},
			batches: [][]string{{strayText}, {strayText}},
			want:    []string{accepted, accepted},
		},
		{
			name:    "where the replies look alike, strays go by DATA and a false end not at all",
			scripts: []string{chunked + whole + ok + strings.Replace(whole, "C: hi", "C: a\rb", 1) + ok + whole + ok + bye},
			batches: [][]string{{plainText}, {falseText}, {strayText}, {plainText}},
			want:    []string{accepted, ruledOut(alike), accepted, accepted},
		},
		{
			name:    "not even behind a refusal, and then RSET is not forgotten",
			scripts: []string{chunked + whole + ok + whole + "S: 554 no\n C: RSET\n" + envelope + "C: DATA\n" + ok + ok + ok + go354 + line + "C: .\n" + ok + bye},
			batches: [][]string{{plainText}, {plainText}, {falseText}, {plainText}},
			want:    []string{accepted, "refused dot 554 no", ruledOut(alike), accepted},
		},
		{
			name: "an acceptance that looks like that of a recipient proves nothing; the next time it is not sent, and pipelining stays",
			scripts: []string{chunked + strings.ReplaceAll(stepwise, "2.1.5 ", "") + falseBit + "S: 250 ok\n C!",
				chunked + whole + ok + bye},
			batches:  [][]string{{falseText}, {falseText}, {plainText}},
			want:     []string{misread("250 \"ok\""), ruledOut(noChunking), accepted},
			notBegun: []int{2},
		},
		{
			name:    "the server drops a CR before it counts: it gets nothing instead, and the message is in doubt",
			scripts: []string{chunked + stepwise + falseBit + "C!", proved + bye},
			batches: [][]string{{falseText, plainText}},
			want:    []string{"in doubt dot read pipe: i/o timeout", accepted},
		},
		{
			name:    "BDAT refused after all: not sent",
			scripts: []string{chunked + stepwise + falseBit + "S: 502 5.5.1 what?\n C!", piped + bye},
			batches: [][]string{{falseText}},
			want:    []string{ruledOut(noChunking)},
		},
		{
			name: "LMTP has it by BDAT, too, and answers for each recipient",
			lmtp: true,
			scripts: []string{lhlo[:strings.LastIndex(lhlo, " S:")] + " S: 250-PIPELINING\n S: 250 CHUNKING\n C: MAIL FROM:<a@example.org>\n C-\n" + ok + both +
				falseBit + "S: 250 2.0.0 saved\n S: 452 4.2.2 full\n" + bye},
			batches: [][]string{{falseText}},
			want:    []string{"accepted dot 250 2.0.0 saved\nrefused dot 452 4.2.2 full"},
		},
		{
			name: "LMTP, BDAT refused: the one reply is for both recipients",
			lmtp: true,
			scripts: []string{lhlo[:strings.LastIndex(lhlo, " S:")] + " S: 250-PIPELINING\n S: 250 CHUNKING\n C: MAIL FROM:<a@example.org>\n" + ok + both +
				falseBit + "S: 500 what?\n C!", lhlo + bye},
			batches: [][]string{{falseText}},
			want:    []string{ruledOut(noChunking) + "\n" + ruledOut(noChunking)},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				peer := newPeer(t, tt.scripts...)
				o := options(peer)
				o.LMTP = tt.lmtp
				p := smtp.New(o)
				got := make([]string, len(tt.want))
				n := 0
				for _, batch := range tt.batches {
					var calls sync.WaitGroup
					for _, text := range batch {
						i := n
						n++
						calls.Go(func() {
							begun := 0
							m := message(text)
							if tt.lmtp {
								m.Recipients = append(m.Recipients, "c@example.org")
							}
							m.Strays = straysIn(text)
							out, err := deliver(t.Context(), p, m, func(context.Context, forwarder.Mark) error { begun++; return nil })
							got[i] = describe(out)
							if want := !slices.Contains(tt.notBegun, i+1); err != nil || (begun == 1) != want {
								t.Errorf("message %d: %v, begun %d times", i+1, err, begun)
							}
						})
						synctest.Wait() // so that they come in order
					}
					calls.Wait()
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(tt.want, "\n"))
				}
				_ = p.Close()
				peer.done()
			})
		})
	}
}

func straysIn(text string) forwarder.Strays {
	var f forwarder.StrayFinder
	_, _ = io.WriteString(&f, text)
	return f.End()
}

// TestFalseEndThatIsNotAnnounced: it is a fault of the caller's, and the message
// does not reach its end.
func TestFalseEndThatIsNotAnnounced(t *testing.T) {
	t.Parallel()
	for _, text := range []string{falseText, "a\r.", "a\r\n\x00.\x00"} {
		synctest.Test(t, func(t *testing.T) {
			peer := newPeer(t, data+"C~")
			p := smtp.New(options(peer))
			out, err := deliver(t.Context(), p, message(text), ready)
			if err == nil || !strings.Contains(err.Error(), "must not be sent by DATA") {
				t.Errorf("%q: %v and %s, want an error", text, err, describe(out))
			}
			_ = p.Close()
			peer.done()
		})
	}
}
