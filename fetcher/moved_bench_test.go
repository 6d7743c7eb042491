package fetcher_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher"
	"github.com/popferry/popferry/fetcher/ledger"
	"github.com/popferry/popferry/fetcher/message"
	"github.com/popferry/popferry/fetcher/pop3/pop3test"
)

var movedMessages = flag.Int("moved", 10_000, "messages of BenchmarkMovedMailbox")

// BenchmarkMovedMailbox: one poll of a mailbox whose server was moved, with all its
// messages known and kept. Nothing is sent, and all get their new UIDs.
func BenchmarkMovedMailbox(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		f := newFixture(b, faults{})
		var recs []*ledger.Record
		messages := make([]pop3test.Message, *movedMessages)
		for i := range messages {
			octets := octetsOf(fmt.Sprintf("m%06d", i))
			messages[i] = pop3test.Message{UID: fmt.Sprintf("moved-%d", i), Octets: octets}
			recs = append(recs, &ledger.Record{
				Known:     ledger.Known{UID: fmt.Sprintf("uid-%d", i), State: ledger.Forwarded, Size: int64(len(octets)), Fingerprint: fingerprintOf(b, octets), Attempts: 1, ForwardedAt: f.now.Now()},
				FirstSeen: f.now.Now(),
			})
		}
		f.underLease(func(ctx context.Context, l fetcher.Lease) error {
			for group := range slices.Chunk(recs, 1000) {
				if err := l.Put(ctx, group...); err != nil {
					return err
				}
			}
			row, err := l.Account(ctx)
			row.Listed, row.LastPoll = f.now.Now(), f.now.Now()
			if err == nil {
				err = l.PutAccount(ctx, row)
			}
			return err
		})
		f.change(func([]pop3test.Message) []pop3test.Message { return messages })
		f.now.Add(time.Hour)
		recs = nil
		runtime.GC()
		b.StartTimer()
		r := f.pollBySchedule()
		b.StopTimer()
		if r.Err != nil || r.Forwarded != 0 || r.OnServer != *movedMessages {
			b.Fatalf("%+v", r)
		}
		b.StartTimer()
	}
}

// fingerprintOf is that of a message's header.
func fingerprintOf(b *testing.B, octets []byte) string {
	n := message.NewNormalizer(io.Discard)
	if _, err := n.Write(octets); err != nil {
		b.Fatal(err)
	}
	return n.Header().Fingerprint()
}
