package fetcher_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"testing"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/identify"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
	"github.com/popferry/popferry/forwarder/smtptest"
)

// BenchmarkPollNew: a poll that forwards all messages of a mailbox and deletes them,
// beside the servers, which are in this process.
func BenchmarkPollNew(b *testing.B) {
	for _, c := range []struct {
		name           string
		messages, size int
		hide           []string // extensions of the destination
	}{
		{"BDAT", 1000, 20_000, nil},
		{"DATA", 1000, 20_000, []string{"CHUNKING"}},
		{"large", 2, 20_000_000, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			f := newFixture(b, faults{smtp: smtptest.Options{HashOnly: true, Hide: c.hide}})
			f.account.Policy = identify.Policy{}
			rest := bytes.Repeat([]byte("a line of a message, of about the usual length, with its end, so that it has 78\r\n"), c.size/80)
			made := 0
			fill := func([]pop3test.Message) (ms []pop3test.Message) {
				for range c.messages {
					made++
					ms = append(ms, pop3test.Message{UID: fmt.Sprint(made), Octets: append(octetsOf(fmt.Sprintf("m%d", made)), rest...)})
				}
				return ms
			}
			b.SetBytes(int64(c.messages * c.size))
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				f.change(fill)
				b.StartTimer()
				if r := f.pollQuietly(); r.Err != nil || r.Forwarded != c.messages || r.OnServer != 0 {
					b.Fatalf("%+v", r)
				}
			}
			b.ReportMetric(float64(b.N*c.messages)/b.Elapsed().Seconds(), "messages/s")
		})
	}
}

// BenchmarkPollKnown: a poll of a mailbox in which nothing is new.
func BenchmarkPollKnown(b *testing.B) {
	for _, n := range []int{0, 10_000} {
		b.Run(fmt.Sprint("messages=", n), func(b *testing.B) {
			f := newFixture(b, faults{smtp: smtptest.Options{HashOnly: true}})
			f.add(numbered(n)...)
			if r := f.pollQuietly(); r.Err != nil || r.Forwarded != n {
				b.Fatalf("%+v", r)
			}
			b.ReportAllocs()
			for b.Loop() {
				if r := f.pollQuietly(); r.Err != nil || r.OnServer != n || r.Forwarded != 0 {
					b.Fatalf("%+v", r)
				}
			}
		})
	}
}

// pollQuietly is poll without its log.
func (f *fixture) pollQuietly() fetcher.Result {
	o := f.options()
	o.Log = slog.New(slog.DiscardHandler)
	return fetcher.New(o).Poll(f.t.Context(), f.account, true)
}
