package sqlite

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/popferry/popferry/fetcher/ledger"
)

// BenchmarkPut writes the intent and then the outcome of each message, from
// several goroutines at once.
func BenchmarkPut(b *testing.B) {
	for _, goroutines := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("goroutines=%d", goroutines), func(b *testing.B) {
			l := lease(b, create(b, newPath(b)))
			b.ReportAllocs()
			b.ResetTimer()
			var wg sync.WaitGroup
			for g := range goroutines {
				wg.Go(func() {
					for i := g; i < b.N; i += goroutines {
						if err := sent(l, message(i)); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msgs/s")
		})
	}
}

// sent writes the intent to send a message, and then the outcome.
func sent(l *Lease, outcome *ledger.Record) error {
	intent := *outcome
	intent.State, intent.ForwardedAt = ledger.Sending, time.Time{}
	rcpt := outcome.Recipients[0]
	intent.Recipients = []ledger.Recipient{{Address: rcpt.Address, State: ledger.Sending, NextAttempt: outcome.FirstAttempt}}
	if err := l.Put(context.Background(), &intent); err != nil {
		return err
	}
	outcome.ID, outcome.Account = intent.ID, intent.Account
	return l.Put(context.Background(), outcome)
}

// BenchmarkKnown reads all rows of a large mailbox.
func BenchmarkKnown(b *testing.B) {
	const rows, batch = 100_000, 1000
	l := lease(b, create(b, newPath(b)))
	for i := 0; i < rows; i += batch {
		recs := make([]*ledger.Record, batch)
		for j := range recs {
			recs[j] = message(i + j)
		}
		if err := l.Put(context.Background(), recs...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if n := count(b, l); n != rows {
			b.Fatalf("%d rows, want %d", n, rows)
		}
	}
}

// BenchmarkPollWithoutNews does what a poll of an empty mailbox does with the
// ledger.
func BenchmarkPollWithoutNews(b *testing.B) {
	ctx, s := context.Background(), create(b, newPath(b))
	l := lease(b, s)
	id := l.account
	if err := l.Release(); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		l, err := s.Lease(ctx, id)
		if err != nil {
			b.Fatal(err)
		}
		a, err := l.Account(ctx)
		_, err2 := s.Route(ctx, ledger.RouteKey{Destination: "main"})
		_, err3 := l.Known(ctx)
		if err := errors.Join(err, err2, err3, l.PutAccount(ctx, a), l.Release()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkClaim claims 5,000 known accounts, as at a start.
func BenchmarkClaim(b *testing.B) {
	s := create(b, newPath(b))
	claims := make([]ledger.Identity, 5000)
	for i := range claims {
		claims[i] = ledger.Identity{Name: fmt.Sprintf("account %d", i), Username: fmt.Sprintf("user%d", i), Host: "pop.example.net"}
	}
	if _, err := s.Claim(context.Background(), claims); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Claim(context.Background(), claims); err != nil {
			b.Fatal(err)
		}
	}
}

// message is a record as most are.
func message(i int) *ledger.Record {
	now := time.UnixMilli(1_770_000_000_000 + int64(i))
	return &ledger.Record{
		Known: ledger.Known{UID: fmt.Sprintf("%08x%08x", i, ^uint32(i)), State: ledger.Forwarded, Size: int64(i), Fingerprint: "0123456789abcdef0123456789abcdef",
			Attempts: 1, ForwardedAt: now},
		Trace: "0123456789abcdef", FirstAttempt: now, FirstSeen: now,
		Excerpt:    ledger.Excerpt{MessageID: "<0123456789abcdef@mail.example.org>"},
		Recipients: []ledger.Recipient{{Address: "leo@example.org", State: ledger.Forwarded, Code: 250, Text: "2.0.0 Ok: queued as 4bYx", Attempts: 1}},
	}
}
